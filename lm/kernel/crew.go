package kernel

import (
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long one waits awake for another processor before leaving one's own to others. Waking a goroutine takes the system
// some 5 to 50 µs, in a virtual machine more, as long as many a product of one token: between the products of a step a helper is
// better awake, while the caller does what is for one goroutine alone. It is too short to be felt by whatever else wants
// the processor. (By time, since a pause takes 5 to 50 ns, as the processor has it.)
const patience = 250 * time.Microsecond

// pauses is how many of them pass between two looks at the clock.
const pauses = 64

// helper is a goroutine that works for calls of Parallel.
type helper struct {
	// at is the job that the helper was asked to do, until it takes it or the caller takes it back. Nil means that it is
	// busy, looking that it is awake and has nothing to do, parked that wake must be told.
	at   atomic.Pointer[job]
	wake chan struct{}
}

var looking, parked = new(job), new(job)

// serve does one job after another.
func (h *helper) serve() {
	for {
		j := h.take()
		j.run()
		h.at.Store(looking) // before the caller is told, who may ask for the next job at once
		j.finish()
	}
}

// take waits for a job, awake for a while, then parked.
func (h *helper) take() *job {
	for {
		for begun := time.Now(); time.Since(begun) < patience; {
			for range pauses {
				if j := h.at.Load(); j != looking && h.at.CompareAndSwap(j, nil) {
					return j
				}
				pause()
			}
		}
		if h.at.CompareAndSwap(looking, parked) {
			<-h.wake
		}
	}
}

// ask offers j to the helper if it has nothing to do.
func (h *helper) ask(j *job) bool {
	state := h.at.Load()
	if state != looking && state != parked {
		return false
	}
	j.left.Add(1)
	j.done.Add(1)
	if !h.at.CompareAndSwap(state, j) {
		j.finish()
		return false
	}
	j.asked = append(j.asked, h)
	if state == parked {
		h.wake <- struct{}{} // there is room: parked is left by one only
	}
	return true
}

// crew is the helpers of the process.
var crew helpers

type helpers struct {
	all    atomic.Pointer[[]*helper]
	growth sync.Mutex
}

// ask offers j to up to n helpers that have nothing to do, and starts new ones while there are fewer than n in all.
func (c *helpers) ask(j *job, n int) {
	all := c.all.Load()
	if all == nil || len(*all) < n {
		all = c.grow(n)
	}
	for _, h := range *all {
		if h.ask(j) {
			if n--; n == 0 {
				return
			}
		}
	}
}

func (c *helpers) grow(n int) *[]*helper {
	c.growth.Lock()
	defer c.growth.Unlock()
	var all []*helper
	if old := c.all.Load(); old != nil {
		all = append(all, *old...)
	}
	for len(all) < n {
		h := &helper{wake: make(chan struct{}, 1)}
		h.at.Store(looking)
		go h.serve()
		all = append(all, h)
	}
	c.all.Store(&all)
	return &all
}
