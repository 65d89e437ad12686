package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// folder is the little that the journal needs of a file system; tests put faults in between.
type folder interface {
	open(name string, create bool) (file, error) // create: it must not be there yet
	names() ([]string, error)
	replace(name string, content []byte) error // wholly or not at all, and durable
	remove(name string) error
	sync() error // makes names durable
}

// file is an open file of a folder.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
}

// osFolder is a folder of the operating system.
type osFolder string

func (d osFolder) open(name string, create bool) (file, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(filepath.Join(string(d), name), flags, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d osFolder) names() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d osFolder) replace(name string, content []byte) error {
	f, err := os.CreateTemp(string(d), name+".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(string(d), name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return d.sync()
}

func (d osFolder) remove(name string) error { return os.Remove(filepath.Join(string(d), name)) }

func (d osFolder) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
