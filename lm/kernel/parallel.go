package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// threads is how many goroutines may work on one call of Parallel; 0 means GOMAXPROCS.
var threads atomic.Int32

// SetThreads bounds the goroutines that work on one call of Parallel, for the whole process; 0, the value at the
// start, means GOMAXPROCS. It panics if n is negative.
func SetThreads(n int) {
	if n < 0 {
		panic("kernel: SetThreads: negative number of threads")
	}
	threads.Store(int32(n))
}

// Threads returns how many goroutines may work on one call of Parallel. Fewer do while other processes want the processors.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel calls f(0) … f(n−1), each once, in any order, on up to Threads goroutines of which the caller's is one, fewer beside other
// processes that are busy, and returns when all are done. Helpers are kept between calls: see helper. A call from within f is allowed, as are
// calls from many goroutines at once: helpers that are busy, or that the system has not let run before the caller had
// done everything itself, are not waited for. If f panics, the rest is skipped and Parallel panics with the first value.
func Parallel(n int, f func(i int)) {
	helpers := n - 1
	if n > 1 {
		helpers = min(n, others.threads(Threads())) - 1
	}
	if helpers <= 0 {
		for i := range n {
			f(i)
		}
		return
	}
	j := jobs.Get().(*job)
	j.next.Store(0)
	j.n, j.f = int64(n), f
	crew.ask(j, helpers)
	j.run()
	j.wait()
	if v := j.panicked.Load(); v != nil {
		panic(v.value)
	}
	j.f = nil
	jobs.Put(j) // after wait no helper has it
}

// jobs keeps the memory of a call for the next one.
var jobs = sync.Pool{New: func() any { return new(job) }}

// job is one call of Parallel.
type job struct {
	next     atomic.Int64 // the first index nobody has taken
	n        int64
	f        func(i int)
	asked    []*helper
	left     atomic.Int32   // of those, how many may be at it
	done     sync.WaitGroup // the same, to be waited for without a processor
	panicked atomic.Pointer[panicValue]
}

type panicValue struct{ value any }

// run takes indices until none is left.
func (j *job) run() {
	defer func() {
		if v := recover(); v != nil {
			j.panicked.CompareAndSwap(nil, &panicValue{v})
			j.next.Store(j.n)
		}
	}()
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(int(i))
	}
}

// wait takes the job back from those who have not begun, and waits for the others.
func (j *job) wait() {
	for _, h := range j.asked {
		if h.at.CompareAndSwap(j, looking) {
			j.finish()
		}
	}
	j.asked = j.asked[:0]
	for begun := time.Now(); j.left.Load() > 0 && time.Since(begun) < patience; {
		for range pauses {
			if j.left.Load() == 0 {
				break
			}
			pause()
		}
	}
	j.done.Wait()
}

// finish says that one of those asked is not at it, or no longer.
func (j *job) finish() {
	j.left.Add(-1)
	j.done.Done()
}
