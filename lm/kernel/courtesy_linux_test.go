package kernel

import (
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Two threads that may run on one processor only keep each other waiting, and that is seen.
func TestThreadWaits(t *testing.T) {
	if told, err := os.ReadFile("/proc/self/schedstat"); err != nil || strings.HasPrefix(string(told), "0 0 ") {
		t.Skipf("this kernel does not tell how long threads wait: %q %v", told, err)
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs two goroutines that run at once")
	}
	w := new(threadWaits)
	if _, known := w.since(); !known {
		t.Fatal("the waits of no thread are known")
	}
	var stop atomic.Bool
	ready := make(chan error, 2)
	for range 2 {
		go func() {
			runtime.LockOSThread() // for ever: the thread ends with its goroutine
			var one unix.CPUSet
			one.Set(firstProcessor())
			ready <- unix.SchedSetaffinity(0, &one)
			for !stop.Load() {
			}
		}()
	}
	defer stop.Store(true)
	for range 2 {
		if err := <-ready; err != nil {
			t.Skip("cannot bind a thread to a processor:", err)
		}
	}
	w.listed = time.Time{} // the two are new
	w.since()
	for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if waited, _ := w.since(); waited > time.Millisecond {
			return
		}
	}
	t.Error("two threads on one processor did not wait for it in 10 s")
}

func TestThreadWaitsAllocatesNothing(t *testing.T) {
	w := new(threadWaits)
	if _, known := w.since(); !known {
		t.Skip("this kernel does not tell how long threads wait")
	}
	if n := testing.AllocsPerRun(100, func() { w.since() }); n != 0 {
		t.Errorf("%v allocations a look", n)
	}
}

func firstProcessor() int {
	var allowed unix.CPUSet
	if unix.SchedGetaffinity(0, &allowed) == nil {
		for i := range 1024 {
			if allowed.IsSet(i) {
				return i
			}
		}
	}
	return 0
}

func BenchmarkThreadWaits(b *testing.B) {
	w := new(threadWaits)
	for b.Loop() {
		w.since()
	}
}
