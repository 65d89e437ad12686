package kernel

import "unsafe"

// largePages is how many bytes are worth pages of 2 MiB: one such page lies in them, wherever they begin.
const largePages = 4 << 20

// Floats returns n zeros for a matrix or for many. Where they are megabytes, the system is asked to hold them in large pages, which
// Linux as most distributions set it gives to none but who asks: weights are read from one end to the other for each token, and
// rows of a matrix lie far apart, so that with pages of 4 KiB the processor is looking up addresses for much of its time.
func Floats(n int) []float32 {
	x := make([]float32, n)
	if 4*n >= largePages {
		useLargePages(unsafe.Pointer(unsafe.SliceData(x)), 4*n)
	}
	return x
}

// newBytes is Floats for bytes.
func newBytes(n int) []byte {
	x := make([]byte, n)
	if n >= largePages {
		useLargePages(unsafe.Pointer(unsafe.SliceData(x)), n)
	}
	return x
}
