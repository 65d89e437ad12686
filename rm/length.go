package rm

import (
	"math"
	"slices"
	"unicode"
)

// logLength returns log(1 + words).
func logLength(text string) float64 {
	words, inside := 0, false
	for _, r := range text {
		space := unicode.IsSpace(r)
		if !space && !inside {
			words++
		}
		inside = !space
	}
	return math.Log1p(float64(words))
}

// trend is how the reward goes with the log length over the training replies: a LOWESS curve at knots, less its mean over
// those replies, so that taking it off moves no average. The zero value is flat.
//
// Cleveland 1979; as a correction of rewards, Huang et al. 2024, https://arxiv.org/abs/2409.17407.
type trend struct {
	x, y []float64
}

const (
	trendKnots = 17
	trendSpan  = 2. / 3
	trendRows  = 20000 // evenly spaced replies are enough for a curve of 17 knots
)

// fitTrend fits y on x. Fewer than trendKnots values, or all the same x, give a flat trend.
func fitTrend(x, y []float64) trend {
	if len(x) > trendRows {
		step := float64(len(x)) / trendRows
		var sx, sy []float64
		for i := range trendRows {
			j := int(float64(i) * step)
			sx, sy = append(sx, x[j]), append(sy, y[j])
		}
		x, y = sx, sy
	}
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	if len(sorted) < trendKnots || sorted[0] == sorted[len(sorted)-1] {
		return trend{}
	}
	var t trend
	for k := range trendKnots {
		at := sorted[k*(len(sorted)-1)/(trendKnots-1)]
		if len(t.x) == 0 || at > t.x[len(t.x)-1] {
			t.x = append(t.x, at)
			t.y = append(t.y, lowess(x, y, at))
		}
	}
	mean := 0.0
	for _, xi := range x {
		mean += interpolate(t.x, t.y, xi) / float64(len(x))
	}
	for k := range t.y {
		t.y[k] -= mean
	}
	return t
}

// lowess returns the local linear fit at one point, with tri-cube weights over the nearest share trendSpan of the data.
func lowess(x, y []float64, at float64) float64 {
	distance := make([]float64, len(x))
	for i, xi := range x {
		distance[i] = math.Abs(xi - at)
	}
	sorted := slices.Clone(distance)
	slices.Sort(sorted)
	reach := max(sorted[int(trendSpan*float64(len(x)-1))]*1.0000001, 1e-9)
	var sw, sx, sy, sxx, sxy float64
	for i, d := range distance {
		if d >= reach {
			continue
		}
		u := d / reach
		w := math.Pow(1-u*u*u, 3)
		dx := x[i] - at
		sw, sx, sy, sxx, sxy = sw+w, sx+w*dx, sy+w*y[i], sxx+w*dx*dx, sxy+w*dx*y[i]
	}
	det := sw*sxx - sx*sx
	if det <= 1e-12*sw*sw {
		return sy / sw
	}
	return (sxx*sy - sx*sxy) / det
}

func (t trend) at(logLength float64) float64 { return interpolate(t.x, t.y, logLength) }
