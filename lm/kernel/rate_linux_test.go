//go:build openblas

package kernel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRateBesideOpenBLAS prints the speed of the assembly as a share of OpenBLAS's at the shapes of a model, the two in
// turn in one process: with one thread by the median of the processor's time, with two by the shortest of the wall's,
// since neither is much disturbed by what else runs. It needs PLUMB_TEST_RATE=1 and asserts nothing.
func TestRateBesideOpenBLAS(t *testing.T) {
	if os.Getenv("PLUMB_TEST_RATE") == "" {
		t.Skip("needs PLUMB_TEST_RATE")
	}
	runtime.LockOSThread() // threadTime is this thread's
	defer runtime.UnlockOSThread()
	all := available()
	for _, threads := range []int{1, 2} {
		for _, shape := range modelShapes {
			for _, m := range []int{32, 128, 227, 512} {
				ours, theirs := sideBySide(all[len(all)-2], all[len(all)-1], m, shape[0], shape[1], threads)
				work := 2 * float64(m) * float64(shape[0]) * float64(shape[1])
				fmt.Printf("%4d × %5d × %4d, %d threads: %6.1f GFLOP/s, OpenBLAS %6.1f: %3.0f %%\n",
					m, shape[0], shape[1], threads, work/ours/1e9, work/theirs/1e9, 100*theirs/ours)
			}
		}
	}
}

// sideBySide returns the seconds of one product with each of two instruction sets, with packed weights.
func sideBySide(one, other *isa, m, n, k, threads int) (float64, float64) {
	SetThreads(threads)
	defer SetThreads(0)
	r := rand.New(rand.NewPCG(1, 1))
	x, w, y := random(r, m*k), random(r, n*k), make([]float32, m*n)
	sets := []*isa{one, other}
	var times [2][]float64
	var products []product
	for _, s := range sets {
		products = append(products, product{m: m, n: n, k: k, alpha: 1, a: matrix{x, k, false}, packed: s.packMatrix(n, k, matrix{w, k, true}), c: y, ldc: n})
	}
	work := 2 * float64(m) * float64(n) * float64(k)
	each, rounds := 1+int(4e8/work), min(8, max(5, int(2e10/work)))
	for range rounds {
		for i, s := range sets {
			time.Sleep(150 * time.Millisecond) // the other's threads look for work for a while, on a processor that these need
			for warm := time.Now(); time.Since(warm) < 50*time.Millisecond; {
				s.gemm(products[i])
			}
			begun, cpu := time.Now(), threadTime()
			for range each {
				s.gemm(products[i])
			}
			spent := time.Since(begun)
			if threads == 1 {
				spent = threadTime() - cpu
			}
			times[i] = append(times[i], spent.Seconds()/float64(each))
		}
	}
	at := 0
	if threads == 1 {
		at = rounds / 2
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	return times[0][at], times[1][at]
}

// threadTime is how long the processor has worked for this thread.
func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}
