//go:build openblas

package openblas

// #cgo pkg-config: openblas
// #include <cblas.h>
import "C"

import (
	"sync"
	"unsafe"
)

// threads is the number of threads OpenBLAS was last told to use. It keeps that number for the whole process, and
// must not be told another one in the middle of a product that uses threads.
var threads = struct {
	sync.RWMutex
	n int
}{}

// Sgemm computes C ← alpha·op(A)·op(B) + beta·C for row-major matrices: op(A) is m×k, op(B) is k×n, C is m×n, with
// rows lda, ldb and ldc apart, on up to n threads. It does not check that the slices are long enough, and none may be
// empty. Calls from many goroutines at once are safe; those that ask for different numbers of threads wait for each
// other.
func Sgemm(n int, transA, transB bool, rows, columns, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	use(n)
	defer threads.RUnlock()
	C.cblas_sgemm(C.CblasRowMajor, operation(transA), operation(transB), C.blasint(rows), C.blasint(columns), C.blasint(k),
		C.float(alpha), pointer(a), C.blasint(lda), pointer(b), C.blasint(ldb), C.float(beta), pointer(c), C.blasint(ldc))
}

// use returns with the read lock held and the number of threads set.
func use(n int) {
	for {
		threads.RLock()
		if threads.n == n {
			return
		}
		threads.RUnlock()
		threads.Lock()
		if threads.n != n {
			C.openblas_set_num_threads(C.int(n))
			threads.n = n
		}
		threads.Unlock()
	}
}

func operation(trans bool) uint32 {
	if trans {
		return C.CblasTrans
	}
	return C.CblasNoTrans
}

func pointer(x []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(x))) }
