//go:build unix

package spool

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"plumb/chat"
)

// lockFolder makes the folder and takes its lock, which the system gives back when the process ends, however it ends.
func lockFolder(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "open spool " + dir, Cause: err}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "open spool " + dir, Cause: err}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(&chat.Error{Kind: chat.Conflict, Msg: "open spool " + dir + ": another process uses it", Cause: err}, f.Close())
	}
	return f.Close, nil
}
