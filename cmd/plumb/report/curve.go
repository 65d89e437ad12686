package report

import (
	"fmt"
	"math"
	"strings"
)

// Size of a curve, in pixels.
const (
	curveWidth  = 320
	curveHeight = 120
	curveLeft   = 46
	curveBelow  = 18
	curveAbove  = 8
)

// curve is one figure over the steps of a training.
type curve struct {
	Name          string
	Width, Height int
	Path          string // SVG path of the figure
	Smooth        string // the same, as a running mean; "" where there are too few steps
	Low, High     string // labels of the ends of the axes
	First, Last   string
	Left, Bottom  int
	Top, Right    int
}

// drawn are the figures that are shown, where a training has them, in this order.
var drawn = []string{
	"loss", "rewards/accuracies", "rewards/margins", "rewards/chosen", "reward", "reward_watch", "kl", "entropy", "length", "clip_fraction",
	"explained_variance", "anchor_nll", "grad_norm",
}

// mostCurves bounds how many there are.
const mostCurves = 8

// curves draws the figures of a training that has at least two steps.
func curves(steps []map[string]float64) []curve {
	var all []curve
	for _, name := range drawn {
		var xs, ys []float64
		for _, s := range steps {
			if y, ok := s[name]; ok && !math.IsNaN(y) && !math.IsInf(y, 0) {
				xs, ys = append(xs, s["step"]), append(ys, y)
			}
		}
		if len(xs) >= 2 && xs[len(xs)-1] > xs[0] && len(all) < mostCurves {
			all = append(all, draw(name, xs, ys))
		}
	}
	return all
}

func draw(name string, xs, ys []float64) curve {
	lo, hi := ys[0], ys[0]
	for _, y := range ys {
		lo, hi = math.Min(lo, y), math.Max(hi, y)
	}
	c := curve{Name: name, Width: curveWidth, Height: curveHeight, Low: number(lo), High: number(hi), First: number(xs[0]), Last: number(xs[len(xs)-1]),
		Left: curveLeft, Bottom: curveHeight - curveBelow, Top: curveAbove, Right: curveWidth - 6}
	if hi == lo {
		lo, hi = lo-1, hi+1
	}
	path := func(ys []float64) string {
		var b strings.Builder
		for i, y := range ys {
			px := float64(c.Left) + (xs[i]-xs[0])/(xs[len(xs)-1]-xs[0])*float64(c.Right-c.Left)
			py := float64(c.Bottom) - (y-lo)/(hi-lo)*float64(c.Bottom-c.Top)
			letter := "L"
			if i == 0 {
				letter = "M"
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", letter, px, py)
		}
		return b.String()
	}
	c.Path = path(ys)
	if window := len(ys) / 10; window >= 2 {
		c.Smooth = path(smooth(ys, window))
	}
	return c
}

// smooth returns the mean of each value and its neighbours, up to half a window on either side.
func smooth(ys []float64, window int) []float64 {
	out := make([]float64, len(ys))
	for i := range ys {
		from, to := max(0, i-window/2), min(len(ys), i+window/2+1)
		for _, y := range ys[from:to] {
			out[i] += y / float64(to-from)
		}
	}
	return out
}

func number(x float64) string { return figure(&x) }
