//go:build !linux && !darwin

package main

import "errors"

// freeBytes is not known here.
func freeBytes(string) (int64, error) {
	return 0, errors.New("ask for free space: not known on this system")
}
