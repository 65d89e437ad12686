package kernel

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestParallelCallsEachIndexOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		SetThreads(threads)
		for _, n := range []int{0, 1, 2, 100, 1000} {
			counts := make([]atomic.Int32, n)
			Parallel(n, func(i int) { counts[i].Add(1) })
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("%d threads, %d of %d: called %d times", threads, i, n, c)
				}
			}
		}
	}
	SetThreads(0)
}

func TestParallelIsBoundedAndNests(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	var now, most, calls atomic.Int32
	Parallel(20, func(int) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		Parallel(5, func(int) { calls.Add(1) })
		now.Add(-1)
	})
	if calls.Load() != 100 || most.Load() > 3 {
		t.Errorf("%d inner calls, %d at once", calls.Load(), most.Load())
	}
}

func TestParallelFromManyGoroutines(t *testing.T) {
	SetThreads(4)
	defer SetThreads(0)
	var calls atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				Parallel(9, func(int) { calls.Add(1) })
			}
		})
	}
	all.Wait()
	if calls.Load() != 16*50*9 {
		t.Errorf("%d calls", calls.Load())
	}
}

func TestParallelPassesPanicsOn(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	for range 20 {
		func() {
			defer func() {
				if v := recover(); v != "tile 7" {
					t.Errorf("recovered %v", v)
				}
			}()
			Parallel(50, func(i int) {
				if i == 7 {
					panic("tile 7")
				}
			})
		}()
	}
	Parallel(50, func(int) {}) // the helpers live on
}

func TestParallelWakesHelpersThatRest(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	var calls atomic.Int32
	for range 50 {
		Parallel(20, func(int) { calls.Add(1) })
		time.Sleep(300 * time.Microsecond) // longer than they look for work
	}
	if calls.Load() != 50*20 {
		t.Errorf("%d calls", calls.Load())
	}
}
