package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
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

// Threads returns how many goroutines work on one call of Parallel now.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel calls f(0) … f(n−1), each once, in any order, on up to Threads goroutines of which the caller's is one,
// and returns when all are done. Helpers are kept parked between calls. A call from within f is allowed, as are calls
// from many goroutines at once: helpers that are busy are not waited for. If f panics, the rest is skipped and
// Parallel panics with the first value.
func Parallel(n int, f func(i int)) {
	helpers := min(Threads(), n) - 1
	if helpers <= 0 {
		for i := range n {
			f(i)
		}
		return
	}
	j := jobs.Get().(*job)
	j.next.Store(0)
	j.n, j.f = int64(n), f
	crew.help(j, helpers)
	j.run()
	j.helping.Wait()
	if v := j.panicked.Load(); v != nil {
		panic(v.value)
	}
	j.f = nil
	jobs.Put(j) // after Wait no helper has it
}

// jobs keeps the memory of a call for the next one.
var jobs = sync.Pool{New: func() any { return new(job) }}

// job is one call of Parallel.
type job struct {
	next     atomic.Int64 // the first index nobody has taken
	n        int64
	f        func(i int)
	helping  sync.WaitGroup
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

// crew is the helpers of the process: goroutines that wait, parked, for a job.
var crew = &pool{jobs: make(chan *job)}

type pool struct {
	jobs chan *job
	size atomic.Int32 // helpers started
}

// help hands j to up to n idle helpers, and starts new ones while there are fewer than n in all.
func (p *pool) help(j *job, n int) {
	for range n {
		j.helping.Add(1)
		select {
		case p.jobs <- j:
			continue
		default:
		}
		size := p.size.Load()
		if int(size) >= n || !p.size.CompareAndSwap(size, size+1) {
			j.helping.Done() // all are busy: the caller works without them
			return
		}
		go p.serve(j)
	}
}

func (p *pool) serve(j *job) {
	for {
		j.run()
		j.helping.Done()
		j = <-p.jobs
	}
}
