//go:build !unix

package spool

import (
	"os"

	"plumb/chat"
)

// lockFolder makes the folder. There is no lock here: do not start two servers on one folder.
func lockFolder(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "open spool " + dir, Cause: err}
	}
	return func() error { return nil }, nil
}
