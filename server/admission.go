package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"plumb/chat"
)

// admission bounds how many candidates are drawn at once, over all requests, and how many requests wait for that. A
// request takes as many slots as it draws candidates, in the order of arrival. Beyond the queue it is refused at once,
// with an estimate of when to come back.
type admission struct {
	slots   int64
	queue   int64
	free    *semaphore.Weighted
	taken   atomic.Int64 // slots
	waiting atomic.Int64 // requests

	mu   sync.Mutex
	mean time.Duration // of a request, exponentially weighted
}

func newAdmission(slots, queue int) *admission {
	return &admission{slots: int64(slots), queue: int64(queue), free: semaphore.NewWeighted(int64(slots))}
}

// seat is a request's place: in the queue until wait returns nil, in its slots until leave.
type seat struct {
	a      *admission
	weight int64
	since  time.Time
	seated bool
}

// enter takes a place for a request of n candidates, without waiting: a slot each, or one place in the queue. The error
// is of kind RateLimited.
func (a *admission) enter(n int) (*seat, error) {
	s := &seat{a: a, weight: min(int64(max(1, n)), a.slots)}
	if a.waiting.Load() == 0 && a.free.TryAcquire(s.weight) {
		s.sit()
		return s, nil
	}
	if a.waiting.Add(1) > a.queue {
		a.waiting.Add(-1)
		return nil, &chat.Error{Kind: chat.RateLimited, Msg: "admit request: too many are waiting", RetryAfter: a.estimate()}
	}
	return s, nil
}

// wait waits until the request has its slots; on an error it has left.
func (s *seat) wait(ctx context.Context) error {
	if s.seated {
		return nil
	}
	err := s.a.free.Acquire(ctx, s.weight)
	s.a.waiting.Add(-1)
	if err != nil {
		s.a = nil
		return err
	}
	s.sit()
	return nil
}

func (s *seat) sit() {
	s.seated, s.since = true, time.Now()
	s.a.taken.Add(s.weight)
}

// leave gives the place back. Leaving twice, or after wait has failed, does nothing.
func (s *seat) leave() {
	a := s.a
	if a == nil {
		return
	}
	s.a = nil
	if !s.seated {
		a.waiting.Add(-1)
		return
	}
	a.taken.Add(-s.weight) // before the next one adds its own
	a.free.Release(s.weight)
	a.mu.Lock()
	defer a.mu.Unlock()
	took := time.Since(s.since)
	if a.mean == 0 {
		a.mean = took
	}
	a.mean += (took - a.mean) / 8
}

// estimate says how long the queue will take to have a place: about one mean request, 1 s to 60 s.
func (a *admission) estimate() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return min(max(a.mean, time.Second), time.Minute)
}
