package report

import (
	"math"

	"plumb/offline/gate"
)

// Size of a bar, in pixels.
const (
	barWidth  = 220
	barHeight = 26
	barMargin = 6
)

// absurd is from where a number is no figure of a check; it is drawn at the end of the line.
const absurd = 1e12

// bar is a value with its interval on a line, against what passes. All places are pixels from the left.
type bar struct {
	Width, Height, Middle int
	Value, Lo, Hi         float64
	HasInterval           bool
	PassFrom, PassWidth   float64 // the stretch that passes
	HasPass               bool
	Limits                []float64
	Left, Right           float64 // ends of the line
}

// barOf draws a check over a stretch that holds its value, interval and bounds; nil where there is no value.
func barOf(c gate.Check) *bar {
	if c.Value == nil {
		return nil
	}
	lo, hi := 0., 0.
	see := func(x float64) {
		if math.Abs(x) < absurd {
			lo, hi = math.Min(lo, x), math.Max(hi, x)
		}
	}
	see(*c.Value)
	if c.Interval != nil {
		see(c.Interval[0])
		see(c.Interval[1])
	}
	for _, limit := range []*float64{c.AtLeast, c.AtMost} {
		if limit != nil {
			see(*limit)
		}
	}
	if hi-lo < 1e-12 {
		lo, hi = lo-1, hi+1
	}
	room := .08 * (hi - lo)
	return barIn(c, lo-room, hi+room)
}

// barIn draws a check between lo and hi.
func barIn(c gate.Check, lo, hi float64) *bar {
	at := func(x float64) float64 {
		share := math.Max(0, math.Min(1, (x-lo)/(hi-lo)))
		return barMargin + share*(barWidth-2*barMargin)
	}
	b := &bar{Width: barWidth, Height: barHeight, Middle: barHeight / 2, Value: at(*c.Value), Left: barMargin, Right: barWidth - barMargin}
	if c.Interval != nil {
		b.HasInterval, b.Lo, b.Hi = true, at(c.Interval[0]), at(c.Interval[1])
	}
	from, to := float64(barMargin), float64(barWidth-barMargin)
	if c.AtLeast != nil {
		from = at(*c.AtLeast)
		b.Limits = append(b.Limits, from)
	}
	if c.AtMost != nil {
		to = at(*c.AtMost)
		b.Limits = append(b.Limits, to)
	}
	if b.HasPass = b.Limits != nil && to > from; b.HasPass {
		b.PassFrom, b.PassWidth = from, to-from
	}
	return b
}
