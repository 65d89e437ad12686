package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// useLargePages advises the system on the whole pages within n bytes. Advice that is not taken changes nothing, so errors do not count.
func useLargePages(p unsafe.Pointer, n int) {
	page := uintptr(unix.Getpagesize())
	skip := int(-uintptr(p) & (page - 1))
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), (n-skip)&^int(page-1)), unix.MADV_HUGEPAGE)
}
