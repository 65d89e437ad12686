package gate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a figure with what chance leaves open of it.
type Estimate struct {
	Value       float64
	Interval    [2]float64 // 95 %, two-sided
	Least, Most float64    // one-sided 95 % bounds
}

// rounds is how often a bootstrap resamples: 50 of 2,000 lie beyond each end of a 95 % interval.
const rounds = 2000

// Bootstrap returns stat of n things and its percentile intervals over resampled things: stat is given which of them are in, with
// repetitions, and returns NaN where it says nothing of these. The things are what is independent: prompts, texts or probes, not the
// replies or tokens in them. It draws from a fixed seed, so the same measures give the same report. n = 0 gives NaN, n = 1 no width.
// Cost: 2,001 calls of stat.
//
// Efron & Tibshirani 1993, "An Introduction to the Bootstrap", §13.3.
func Bootstrap(n int, stat func(picked []int) float64) Estimate {
	value, samples := resample(n, stat)
	nan := math.NaN()
	e := Estimate{Value: value, Interval: [2]float64{nan, nan}, Least: nan, Most: nan}
	if samples != nil {
		e.Interval = [2]float64{quantile(samples, .025), quantile(samples, .975)}
		e.Least, e.Most = quantile(samples, .05), quantile(samples, .95)
	}
	return e
}

// resample returns stat of the things as they are, NaN for none, and of rounds of resampled ones, sorted; nil where most of those say
// nothing.
func resample(n int, stat func(picked []int) float64) (value float64, samples []float64) {
	if n == 0 {
		return math.NaN(), nil
	}
	picked := make([]int, n)
	for i := range picked {
		picked[i] = i
	}
	value = stat(picked)
	random := rand.New(rand.NewPCG(uint64(n), 0x67617465))
	for range rounds {
		for i := range picked {
			picked[i] = random.IntN(n)
		}
		if v := stat(picked); !math.IsNaN(v) {
			samples = append(samples, v)
		}
	}
	if len(samples) < rounds/2 {
		return value, nil
	}
	slices.Sort(samples)
	return value, samples
}

// quantile returns the value below which a share p of the sorted samples lies.
func quantile(samples []float64, p float64) float64 {
	return samples[int(math.Round(p*float64(len(samples)-1)))]
}

// meanOf is Bootstrap's statistic for the mean of x.
func meanOf(x []float64) func([]int) float64 {
	return func(picked []int) float64 {
		sum := 0.
		for _, i := range picked {
			sum += x[i]
		}
		return sum / float64(len(picked))
	}
}

// ratioOf is Bootstrap's statistic for Σ above / Σ below; NaN where nothing is below.
func ratioOf(above, below []float64) func([]int) float64 {
	return func(picked []int) float64 {
		a, b := 0., 0.
		for _, i := range picked {
			a += above[i]
			b += below[i]
		}
		if b == 0 {
			return math.NaN()
		}
		return a / b
	}
}

// Newcombe returns the difference of two shares, k of n less l of m, with the intervals that come of the Wilson intervals of both;
// NaN where one of n and m is 0. The shares are taken as independent, which for replies under equal seeds errs on the wide side.
//
// Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
func Newcombe(k, n, l, m int) Estimate {
	p, q := float64(k)/float64(n), float64(l)/float64(m)
	bounds := func(z float64) (lo, hi float64) {
		pl, ph := Wilson(float64(k), float64(n), z)
		ql, qh := Wilson(float64(l), float64(m), z)
		return p - q - math.Hypot(p-pl, qh-q), p - q + math.Hypot(ph-p, q-ql)
	}
	e := Estimate{Value: p - q}
	e.Interval[0], e.Interval[1] = bounds(1.96)
	e.Least, e.Most = bounds(1.645)
	return e
}

// interval returns the 95 % interval, nil where it is not known.
func (e Estimate) interval() *[2]float64 {
	if math.IsNaN(e.Interval[0]) || math.IsInf(e.Interval[0], 0) || math.IsNaN(e.Interval[1]) || math.IsInf(e.Interval[1], 0) {
		return nil
	}
	return &e.Interval
}

// within reports whether the figure is at most limit, or its excess over 0 no more than chance. What is no number is not.
func (e Estimate) within(limit float64) bool { return e.Value <= limit || e.Least <= 0 }
