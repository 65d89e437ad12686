package gguf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile writes a file at path, whole or not at all: into a temporary file beside it, which is synced and then
// takes the name. A file already there is replaced; one that had it open keeps what it had. It returns the file's
// digest, "sha256:" and hex, computed while writing.
func WriteFile(path string, kv []Pair, tensors []TensorSource) (digest string, err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return "", fmt.Errorf("write model file: %w", err)
	}
	defer func() {
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}()
	hash := sha256.New()
	if err := Write(io.MultiWriter(temp, hash), kv, tensors); err != nil {
		return "", err
	}
	if err := errors.Join(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return "", fmt.Errorf("write model file %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return "", fmt.Errorf("write model file: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return "", fmt.Errorf("write model file %s: %w", path, err)
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

// syncDir makes a rename in dir durable. Windows has no such call, and makes the rename durable by itself.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, fs.ErrInvalid) { // a file system without it
		err = nil
	}
	return errors.Join(err, d.Close())
}
