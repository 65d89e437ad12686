package spool

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"sync"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
)

// disk is a folder in memory that knows what was fsync'd, so that a test can pull the plug, and that fails when told to.
type disk struct {
	mu    sync.Mutex
	files map[string]*inode // as a process sees them
	names map[string]*inode // as they survive: names as of the last sync of the folder
	fail  func(op string) error
}

type inode struct {
	disk            *disk
	content, synced []byte
}

func newDisk() *disk {
	return &disk{files: map[string]*inode{}, names: map[string]*inode{}}
}

func (d *disk) op(name string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(name)
}

func (d *disk) open(name string, create bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	switch {
	case create && f != nil:
		return nil, os.ErrExist
	case !create && f == nil:
		return nil, os.ErrNotExist
	case create:
		if err := d.op("create"); err != nil {
			return nil, err
		}
		f = &inode{disk: d}
		d.files[name] = f
	}
	return f, nil
}

func (d *disk) listed() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.files {
		names = append(names, name)
	}
	return names
}

func (d *disk) replace(name string, content []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("replace"); err != nil {
		return err
	}
	f := &inode{disk: d, content: bytes.Clone(content), synced: bytes.Clone(content)}
	d.files[name], d.names[name] = f, f
	return nil
}

func (d *disk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return os.ErrNotExist
	}
	if err := d.op("remove"); err != nil {
		return err
	}
	delete(d.files, name) // its durable name goes with the next sync
	return nil
}

// folderOf gives disk the methods of a folder (names is a field of disk).
type folderOf struct{ *disk }

func (f folderOf) names() ([]string, error) { return f.listed(), nil }

func (f folderOf) sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("sync folder"); err != nil {
		return err
	}
	f.disk.names = map[string]*inode{}
	for name, file := range f.files {
		f.disk.names[name] = file
	}
	return nil
}

func (f *inode) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.NewReader(f.content).ReadAt(b, at)
}

func (f *inode) WriteAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.op("write")
	if err != nil {
		b = b[:len(b)/2] // a full disk takes the first part
	}
	if grow := int(at) + len(b) - len(f.content); grow > 0 {
		f.content = append(f.content, make([]byte, grow)...)
	}
	return copy(f.content[at:], b), err
}

func (f *inode) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.op("sync"); err != nil {
		return err
	}
	f.synced = bytes.Clone(f.content)
	return nil
}

func (f *inode) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.op("truncate"); err != nil {
		return err
	}
	f.content = f.content[:size]
	return nil
}

func (f *inode) Close() error { return nil }

func (f *inode) Stat() (os.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return sized{size: int64(len(f.content))}, nil
}

type sized struct {
	os.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

// pulled returns what is on the disk after a power cut now: durable names, and of each file what was fsync'd, followed by
// some of what was not, of which some is zeros.
func (d *disk) pulled(r *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDisk()
	for name, f := range d.names {
		content := bytes.Clone(f.synced)
		if extra := len(f.content) - len(content); extra > 0 && bytes.HasPrefix(f.content, content) {
			tail := bytes.Clone(f.content[len(content):][:r.IntN(extra+1)])
			if len(tail) > 0 && r.IntN(2) == 0 {
				clear(tail[r.IntN(len(tail)):])
			}
			content = append(content, tail...)
		}
		after.files[name] = &inode{disk: after, content: content, synced: bytes.Clone(content)}
		after.names[name] = after.files[name]
	}
	return after
}

// store is a log in memory that can be away.
type store struct {
	memory.Log
	mu    sync.Mutex
	fault func(doing string) (before, after error)
	order []string // ids as they arrived, repeated ones too
}

func (s *store) around(doing string, do func() error) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	var before, after error
	if fault != nil {
		before, after = fault(doing)
	}
	if before != nil {
		return before
	}
	if err := do(); err != nil {
		return err
	}
	return after
}

func (s *store) set(fault func(string) (error, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *store) PutGeneration(ctx context.Context, g feedback.Generation) (d feedback.Durability, err error) {
	err = s.around("put", func() error { d, err = s.Log.PutGeneration(ctx, g); return err })
	return d, err
}

func (s *store) PutEvent(ctx context.Context, e feedback.Event) (live feedback.Event, d feedback.Durability, err error) {
	err = s.around("put", func() error {
		live, d, err = s.Log.PutEvent(ctx, e)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.order = append(s.order, e.ID)
		return err
	})
	return live, d, err
}

func (s *store) Generation(ctx context.Context, id string) (g feedback.Generation, err error) {
	err = s.around("read", func() error { g, err = s.Log.Generation(ctx, id); return err })
	return g, err
}

func (s *store) Event(ctx context.Context, id string) (e feedback.Event, err error) {
	err = s.around("read", func() error { e, err = s.Log.Event(ctx, id); return err })
	return e, err
}

func (s *store) Ping(context.Context) error { return s.around("ping", func() error { return nil }) }

func (s *store) Close() error { return nil } // it outlives the spools of these tests

var errAway = &chat.Error{Kind: chat.Unavailable, Msg: "the store is away"}

func down(string) (error, error) { return errAway, nil }
