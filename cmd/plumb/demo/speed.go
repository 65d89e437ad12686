package demo

import (
	"context"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// alignWatched makes the training run and, beside it, keeps one chat going, to see what a user loses while it trains.
// The speed before is that of the same requests on the idle server. Enough requests tell it: with a minute of them the rest of the run has
// the machine to itself.
func (d *Demo) alignWatched(ctx context.Context, r *Result) (Outcome, error) {
	var err error
	if r.SpeedBefore, err = d.speed(ctx, 8, 0); err != nil {
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
		v, err := d.speed(watched, 20, d.pace())
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

// pace is the pause between two requests, a person's. A run gets what chat leaves, and would starve beside one that never stops.
func (d *Demo) pace() time.Duration {
	if d.Workers == 1 { // a model whose replies take a second
		return 3 * time.Second
	}
	return 500 * time.Millisecond
}

// speed asks short questions one after another, with a pause between them, and returns replies per second of waiting, by the median
// wait: that a model is loaded once or twice during a run, or a file is written, is not what chat is like beside it.
func (d *Demo) speed(ctx context.Context, requests int, pause time.Duration) (float64, error) {
	var waits []float64
	for len(waits) < requests {
		asked := time.Now()
		if _, err := d.ask(ctx, d.HeldOut[len(waits)%len(d.HeldOut)], "none", 1, int64(len(waits)+1), "speed"); err != nil {
			if ctx.Err() != nil {
				break
			}
			return 0, err
		}
		waits = append(waits, time.Since(asked).Seconds())
		if sleep(ctx, pause) != nil {
			break
		}
	}
	if len(waits) == 0 {
		return 0, nil
	}
	slices.Sort(waits)
	return 1 / stat.Quantile(.5, stat.LinInterp, waits, nil), nil
}
