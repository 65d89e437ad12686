package demo

import (
	"context"
	"time"
)

// alignWatched makes the training run and, beside it, keeps one chat going, to see what a user loses while it trains.
// The speed before is that of the same requests on the idle server.
func (d *Demo) alignWatched(ctx context.Context, r *Result) (Outcome, error) {
	var err error
	if r.SpeedBefore, err = d.speed(ctx, 4*time.Second, 40, 250*time.Millisecond); err != nil {
		return Outcome{}, err
	}
	watched, stop := context.WithCancel(ctx)
	speed := make(chan float64, 1)
	go func() {
		// The first seconds of a run collect and fit; the training begins after them.
		if sleep(watched, 2*time.Second) != nil {
			speed <- 0
			return
		}
		v, err := d.speed(watched, 12*time.Hour, 1<<30, 3*time.Second)
		if err != nil && watched.Err() == nil {
			v = 0
		}
		speed <- v
	}()
	outcome, err := d.align(ctx, "dpo")
	stop()
	r.SpeedWhile = <-speed
	return outcome, err
}

// speed asks short questions one after another with a pause between them, and returns replies per second of waiting. Beside a
// run the pause is that of a person: the run gets what chat leaves, and would starve beside one that never stops.
func (d *Demo) speed(ctx context.Context, atMost time.Duration, requests int, pause time.Duration) (float64, error) {
	var waited time.Duration
	done := 0
	for begun := time.Now(); done < requests && time.Since(begun) < atMost; done++ {
		asked := time.Now()
		if _, err := d.ask(ctx, d.HeldOut[done%len(d.HeldOut)], "none", 1, int64(done+1), "speed"); err != nil {
			if ctx.Err() != nil {
				break
			}
			return 0, err
		}
		waited += time.Since(asked)
		if sleep(ctx, pause) != nil {
			break
		}
	}
	if waited == 0 {
		return 0, nil
	}
	return float64(done) / waited.Seconds(), nil
}
