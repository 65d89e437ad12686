//go:build !amd64

package kernel

// pause lets a loop that waits for another processor take its time.
func pause() {}
