//go:build linux || darwin

package main

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// freeBytes returns what an ordinary user can still write in the file system of dir.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return int64(min(s.Bavail, math.MaxInt64/uint64(s.Bsize)) * uint64(s.Bsize)), nil
}
