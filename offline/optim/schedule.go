package optim

import (
	"fmt"
	"math"

	"plumb/chat"
)

// Kinds of [Schedule].
const (
	Constant = "constant"
	Linear   = "linear"
	Cosine   = "cosine"
)

// Schedule is a learning rate over the steps of a run: it climbs linearly to LR over the first Warmup steps, then falls to
// Final·LR at the last of Total steps, or stays.
type Schedule struct {
	Kind   string  // constant, linear or cosine; "" means constant
	LR     float64 // highest rate, > 0
	Warmup int     // steps ≥ 0; step k of them has (k+1)/Warmup of LR, so that none is wasted on a rate of 0
	Total  int     // steps in all; needed unless constant
	Final  float64 // share of LR at the end, [0, 1]
}

// Check reports the first field that is out of its range, as an error of kind Invalid.
func (s Schedule) Check() error {
	invalid := func(param, format string, args ...any) error {
		return &chat.Error{Kind: chat.Invalid, Param: param, Msg: "schedule learning rate: " + param + ": " + fmt.Sprintf(format, args...)}
	}
	switch s.Kind {
	case "", Constant, Linear, Cosine:
	default:
		return invalid("schedule", "got %q, want constant, linear or cosine", s.Kind)
	}
	switch {
	case !(s.LR > 0 && s.LR <= 10):
		return invalid("lr", "got %v, want (0, 10]", s.LR)
	case s.Warmup < 0:
		return invalid("warmup", "got %d steps, want 0 or more", s.Warmup)
	case !(s.Final >= 0 && s.Final <= 1):
		return invalid("final_lr", "got %v, want a share in [0, 1]", s.Final)
	}
	return nil
}

// At returns the rate of a step, counted from 0.
func (s Schedule) At(step int) float64 {
	if step < s.Warmup {
		return s.LR * float64(step+1) / float64(s.Warmup)
	}
	if s.Kind == "" || s.Kind == Constant {
		return s.LR
	}
	done := math.Min(1, float64(step-s.Warmup)/math.Max(1, float64(s.Total-s.Warmup)))
	if s.Kind == Linear {
		return s.LR * (s.Final + (1-s.Final)*(1-done))
	}
	return s.LR * (s.Final + (1-s.Final)*.5*(1+math.Cos(math.Pi*done)))
}
