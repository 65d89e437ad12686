package offline

import (
	"context"
	"fmt"
	"time"

	"plumb/chat"
)

// leaseName is the lease that a run holds.
const leaseName = "align"

// leaseTime is for how long it is taken; it is renewed at each third.
const leaseTime = time.Minute

// hold takes the lease and renews it until release is called. The context it returns ends when the lease is lost, its cause
// saying so.
func (r *Runner) hold(ctx context.Context) (held context.Context, fence int64, release func(), err error) {
	ttl := r.LeaseTime
	if ttl == 0 {
		ttl = leaseTime
	}
	fence, err = r.Lease.Acquire(ctx, leaseName, r.Holder, ttl)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("begin run: %w", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.renew(held, fence, ttl, cancel)
	}()
	return held, fence, func() {
		cancel(nil)
		<-stopped
		// The run is over, however its context ended; if this fails, the lease ends by itself.
		done, stop := context.WithTimeout(context.WithoutCancel(ctx), ttl)
		defer stop()
		_ = r.Lease.Release(done, leaseName, fence)
	}, nil
}

// renew prolongs the lease until ctx ends. A store that is away is given until the lease runs out.
func (r *Runner) renew(ctx context.Context, fence int64, ttl time.Duration, lost context.CancelCauseFunc) {
	tick := time.NewTicker(ttl / 3)
	defer tick.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := r.Lease.Renew(ctx, leaseName, fence, ttl)
		switch {
		case err == nil:
			good = time.Now()
		case ctx.Err() != nil:
			return
		case chat.KindOf(err) == chat.Conflict || time.Since(good) >= ttl:
			lost(fmt.Errorf("the lease was lost: %w", err))
			return
		}
	}
}
