package overopt

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// planted returns points of a curve at the given distances, with normal noise.
func planted(c Curve, noise float64, seed uint64, distances ...float64) []Point {
	rng := rand.New(rand.NewPCG(seed, 1))
	var points []Point
	for _, d := range distances {
		points = append(points, Point{KL: d * d, Gold: c.At(d) + noise*rng.NormFloat64()})
	}
	return points
}

var grid = []float64{0, .44, .75, 1.1, 1.34, 1.55, 1.78}

func TestFitRecoversWhatWasPlanted(t *testing.T) {
	for _, want := range []Curve{
		{Form: BestOfN, Alpha: .386, Beta: .136}, {Form: BestOfN, Alpha: -.2, Beta: .3}, {Form: BestOfN, Alpha: .5, Beta: -.1},
		{Form: RL, Alpha: .8, Beta: .35}, {Form: RL, Alpha: -.4, Beta: .9},
	} {
		got, err := Fit(want.Form, planted(want, 0, 1, grid...))
		if err != nil || math.Abs(got.Alpha-want.Alpha) > 1e-9 || math.Abs(got.Beta-want.Beta) > 1e-9 {
			t.Errorf("%+v: got %+v, %v", want, got, err)
		}
		if !(got.AlphaSE < 1e-9 && got.BetaSE < 1e-9) {
			t.Errorf("without noise: standard errors %v and %v", got.AlphaSE, got.BetaSE)
		}
	}
}

// The standard errors are those of repeated measurements.
func TestStandardErrors(t *testing.T) {
	for _, want := range []Curve{{Form: BestOfN, Alpha: .4, Beta: .2}, {Form: RL, Alpha: .4, Beta: .2}} {
		const times = 4000
		var alpha, beta, alphaVar, betaVar float64
		for i := range times {
			got, err := Fit(want.Form, planted(want, .05, uint64(i), grid...))
			if err != nil {
				t.Fatal(err)
			}
			alpha += (got.Alpha - want.Alpha) * (got.Alpha - want.Alpha) / times
			beta += (got.Beta - want.Beta) * (got.Beta - want.Beta) / times
			alphaVar += got.AlphaSE * got.AlphaSE / times
			betaVar += got.BetaSE * got.BetaSE / times
		}
		if math.Abs(alphaVar/alpha-1) > .1 || math.Abs(betaVar/beta-1) > .1 {
			t.Errorf("form %d: mean squared standard errors %v and %v, the estimates' mean squared errors %v and %v", want.Form, alphaVar, betaVar, alpha, beta)
		}
	}
}

func TestPeak(t *testing.T) {
	for _, c := range []struct {
		name    string
		curve   Curve
		d, gold float64
		ok      bool
	}{
		{"best-of-n", Curve{Form: BestOfN, Alpha: .4, Beta: .1}, 2, .4, true},
		{"best-of-n, 500 pairs of an open reproduction", Curve{Form: BestOfN, Alpha: .386, Beta: .136}, 1.4191, .27389, true},
		{"best-of-n that rises", Curve{Form: BestOfN, Alpha: .4, Beta: -.1}, 0, 0, false},
		{"best-of-n without a bend", Curve{Form: BestOfN, Alpha: .4}, 0, 0, false},
		{"best-of-n that falls from the start", Curve{Form: BestOfN, Alpha: -.4, Beta: .1}, 0, 0, false},
		{"rl", Curve{Form: RL, Alpha: .5, Beta: .5}, 1, .5, true},
		{"rl, α < 0: a small hump near 0", Curve{Form: RL, Alpha: -.5, Beta: .5}, math.Exp(-2), .5 * math.Exp(-2), true},
		{"rl that rises", Curve{Form: RL, Alpha: .5, Beta: -.5}, 0, 0, false},
		{"rl whose peak is out of reach", Curve{Form: RL, Alpha: 1, Beta: 1e-4}, 0, 0, false},
		{"not a number", Curve{Form: RL, Alpha: 1, Beta: math.NaN()}, 0, 0, false},
	} {
		d, gold, ok := c.curve.Peak()
		if ok != c.ok {
			t.Errorf("%s: peak %v at %v, ok %v", c.name, gold, d, ok)
			continue
		}
		if !ok {
			continue
		}
		if math.Abs(d-c.d) > 1e-4 || math.Abs(gold-c.gold) > 1e-4 {
			t.Errorf("%s: peak %v at %v, want %v at %v", c.name, gold, d, c.gold, c.d)
		}
		for _, other := range []float64{d * .9, d * 1.1} {
			if c.curve.At(other) >= gold {
				t.Errorf("%s: %v at %v is not below the peak", c.name, c.curve.At(other), other)
			}
		}
	}
}

func TestFitRefusesWhatSaysNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []Point
		want   string
	}{
		{"nothing", nil, "0 points"},
		{"the base alone", []Point{{0, 0}, {0, .1}}, "0 points"},
		{"one point", []Point{{0, 0}, {1, .3}}, "1 points"},
		{"one distance", []Point{{1, .3}, {1, .4}, {1, .5}}, "two different distances"},
		{"negative", []Point{{1, .3}, {-1, .4}}, "point 1"},
		{"KL not a number", []Point{{math.NaN(), .3}, {1, .4}}, "point 0"},
		{"infinite gold", []Point{{1, math.Inf(1)}, {2, .4}}, "point 0"},
	} {
		for _, form := range []Form{BestOfN, RL} {
			if _, err := Fit(form, c.points); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, form %d: %v", c.name, form, err)
			}
		}
	}
}

// Two points are fitted exactly, and leave nothing to estimate errors from.
func TestTwoPoints(t *testing.T) {
	c, err := Fit(RL, []Point{{1, .3}, {4, .2}})
	if err != nil || math.Abs(c.At(1)-.3) > 1e-12 || math.Abs(c.At(2)-.2) > 1e-12 || !math.IsNaN(c.AlphaSE) || !math.IsNaN(c.BetaSE) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestDrop(t *testing.T) {
	for _, c := range []struct {
		values []float64
		peak   int
		drop   float64
	}{
		{[]float64{.5}, 0, 0}, {[]float64{.5, .7, .9}, 2, 0}, {[]float64{.5, .9, .3}, 1, .6}, {[]float64{.9, .5, .6}, 0, .3}, {[]float64{.5, .5}, 0, 0},
	} {
		if peak, drop := Drop(c.values); peak != c.peak || math.Abs(drop-c.drop) > 1e-12 {
			t.Errorf("%v: peak %d, drop %v", c.values, peak, drop)
		}
	}
}
