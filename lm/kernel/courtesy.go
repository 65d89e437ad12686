package kernel

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Courtesy's measures of time and of loss.
const (
	lookEvery  = 25 * time.Millisecond  // a look costs some 20 µs; a scheduler's slice is 3 to 6 ms
	staleAfter = 200 * time.Millisecond // a longer time between two looks was not spent at work, and says nothing
	tryAgain   = 300 * time.Millisecond // how long processors are left alone before one more is tried
	lossLimit  = .3                     // of one processor's time. Without neighbours .01 to .03 are lost, with one some .9
)

// courtesy leaves processors to other processes that want them. Goroutines that work on one product wait for the last of them: beside
// a busy neighbour, where the system takes one of two processors away for half of the time, or has both threads share the
// other, two are slower than one that is never kept waiting. So now and then it looks how long this process's threads have waited
// for a processor since the last look. If that comes to a third of a processor, twice in a row, one goroutine fewer is asked to work, or as
// many as there are processors lost, until one more, tried for the time between two looks, does not have to wait.
//
// Where a control group has a quota of processor time, being throttled looks like a neighbour; one goroutine fewer then loses at most the part of
// a processor that the quota gives beyond whole ones.
//
// The zero value with a source is ready. All methods may be called from many goroutines.
type courtesy struct {
	source waits
	spare  atomic.Int32 // how many processors are left to others
	next   atomic.Int64 // when to look again, on the clock of start

	looking sync.Mutex // guards what follows
	last    time.Duration
	retry   time.Duration // when to try one more
	sure    time.Duration // until when one window with a loss is enough, since a neighbour was there before
	suspect bool          // the last window had a loss
}

// waits tells how long threads have waited for a processor.
type waits interface {
	// since returns the sum over this process's threads since it was called before; false if the system does not say.
	since() (time.Duration, bool)
}

// start is the zero of the clock by which looks are made.
var start = time.Now()

// others is the courtesy of this process.
var others = courtesy{source: new(threadWaits)}

// threads returns how many goroutines should work at once where want may, 1 to want.
func (c *courtesy) threads(want int) int {
	if want <= 1 {
		return 1
	}
	if now := time.Since(start); int64(now) >= c.next.Load() && c.looking.TryLock() {
		c.look(now, want)
		c.looking.Unlock()
	}
	return max(1, want-int(c.spare.Load()))
}

// look adjusts spare by what was lost since the last look.
func (c *courtesy) look(now time.Duration, want int) {
	window := now - c.last
	c.last = now
	c.next.Store(int64(now + lookEvery))
	waited, known := c.source.since()
	if !known {
		c.spare.Store(0)
		c.next.Store(math.MaxInt64)
		return
	}
	if window > staleAfter {
		return
	}
	spare := int(c.spare.Load())
	lost := waited.Seconds() / window.Seconds()
	switch {
	case lost >= lossLimit && !c.suspect && now >= c.sure:
		c.suspect = true
		return
	case lost >= lossLimit:
		spare = min(want-1, spare+max(1, int(math.Round(lost))))
		c.retry = now + tryAgain
		c.sure = c.retry + 4*lookEvery
	case spare > 0 && now >= c.retry:
		spare--
	}
	c.suspect = false
	c.spare.Store(int32(spare))
}
