package bench

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"plumb/lm/tiny"
)

// The figures are there, positive and agree with each other; how high they are is not a test's business.
func TestTrainMeasuresBothEpochs(t *testing.T) {
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	steps := 0
	b := Train{Model: m, Repetitions: 2, Pairs: 2, Tokens: 9, Rank: 2, Size: 64, Progress: func(done, all int, _ string) {
		if steps++; done != steps || all != 4 {
			t.Errorf("progress %d of %d at step %d", done, all, steps)
		}
	}}
	r, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if steps != 4 || r.Prompt != 4 || r.Parameters <= 0 || (r.RSS > 0) != (runtime.GOOS == "linux") {
		t.Errorf("%d steps, %+v", steps, r)
	}
	for name, f := range map[string]TrainFigure{"first epoch": r.First, "cached": r.Cached} {
		s := f.Pairs
		if !(0 < s.Low && s.Low <= s.Median && s.Median <= s.High) || f.Tokens != 18*s.Median || !(f.GFLOP > 0 && f.OfPeak > 0) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Run(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("after an end: %v", err)
	}
	b.Tokens = m.Config().Context + 1
	if _, err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "context") {
		t.Errorf("sides longer than the context: %v", err)
	}
}

// 3 seconds of a step and 1 of the reference for 4 pairs: 1 pair and 20 tokens a second.
func TestTrainFigure(t *testing.T) {
	r := &TrainResult{Pairs: 4, Tokens: 10, Peak: Spread{High: 8}}
	got := r.figure([]float64{3}, 1, 16e9)
	if want := (TrainFigure{Pairs: Spread{1, 1, 1}, Tokens: 20, GFLOP: 4, OfPeak: .5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
