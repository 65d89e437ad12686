package rm

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// LogLoss returns the mean of −y·log σ(s) − (1 − y)·log σ(−s) over scores s in log-odds and labels y in [0, 1].
func LogLoss(scores, labels []float64) float64 {
	sum := 0.0
	for i, s := range scores {
		loss, _, _ := BradleyTerry(s, labels[i])
		sum += loss
	}
	return sum / float64(len(scores))
}

// Temperature returns the T > 0 that minimises the mean log-loss of σ(score/T). It is at most maxTemperature, which is
// what scores get that tell nothing, and at least 1/maxTemperature.
//
// Guo et al. 2017, §4.2, https://arxiv.org/abs/1706.04599.
func Temperature(scores, labels []float64) float64 { return weightedTemperature(scores, labels, nil) }

// weightedTemperature is [Temperature] for a weighted mean; weights nil means all 1.
func weightedTemperature(scores, labels, weights []float64) float64 {
	// The loss is convex in b = 1/T: find the zero of its slope by Newton's steps inside a shrinking bracket.
	low, high, b := 1/maxTemperature, float64(maxTemperature), 1.0
	for range 200 {
		slope, curve := 0.0, 0.0
		for i, s := range scores {
			_, dz, dzz := BradleyTerry(b*s, labels[i])
			w := 1.0
			if weights != nil {
				w = weights[i]
			}
			slope += w * dz * s
			curve += w * dzz * s * s
		}
		if slope > 0 {
			high = b
		} else {
			low = b
		}
		next := b - slope/curve
		if !(next > low && next < high) {
			next = (low + high) / 2
		}
		if math.Abs(next-b) <= 1e-15*b {
			break
		}
		b = next
	}
	return 1 / b
}

const maxTemperature = 1e3

// Platt returns the a and b that minimise the mean log-loss of σ(a·score + b). Where labels are all alike, or told apart
// without error, there is no minimum; a penalty of 1e-9·(a² + b²) keeps the result finite.
//
// Platt 1999, without its label smoothing; Newton's method as in Lin, Lin & Weng 2007.
func Platt(scores, labels []float64) (a, b float64) {
	const ridge = 1e-9
	value := func(a, b float64) float64 {
		sum := ridge / 2 * (a*a + b*b) * float64(len(scores))
		for i, s := range scores {
			loss, _, _ := BradleyTerry(a*s+b, labels[i])
			sum += loss
		}
		return sum
	}
	for range 200 {
		n := float64(len(scores))
		ga, gb := ridge*a*n, ridge*b*n
		haa, hab, hbb := ridge*n+1e-300, 0.0, ridge*n+1e-300
		for i, s := range scores {
			_, d, dd := BradleyTerry(a*s+b, labels[i])
			ga, gb = ga+d*s, gb+d
			haa, hab, hbb = haa+dd*s*s, hab+dd*s, hbb+dd
		}
		det := haa*hbb - hab*hab
		if !(det > 0) {
			break
		}
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		step, now := 1.0, value(a, b)
		for step > 1e-12 && value(a-step*da, b-step*db) > now {
			step /= 2
		}
		a, b = a-step*da, b-step*db
		if math.Abs(da)+math.Abs(db) <= 1e-14*(1+math.Abs(a)+math.Abs(b)) {
			break
		}
	}
	return a, b
}

// Isotonic is a nondecreasing map from scores to probabilities: linear between thresholds, constant beyond them. The zero
// value maps all to 0. X is increasing, Y nondecreasing, both as long.
type Isotonic struct {
	X, Y []float64
}

// FitIsotonic returns the nondecreasing map of least weighted squared error, by pooling adjacent violators; equal scores
// are averaged first. Weights nil means all 1.
//
// Barlow et al. 1972; thresholds as in scikit-learn's IsotonicRegression.
func FitIsotonic(scores, labels, weights []float64) Isotonic {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(scores[i], scores[j]) })
	type block struct {
		low, high, mean, weight float64
	}
	var blocks []block
	for _, i := range order {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if w == 0 {
			continue
		}
		if n := len(blocks); n > 0 && blocks[n-1].high == scores[i] {
			last := &blocks[n-1]
			last.mean = (last.mean*last.weight + labels[i]*w) / (last.weight + w)
			last.weight += w
		} else {
			blocks = append(blocks, block{scores[i], scores[i], labels[i], w})
		}
	}
	var pooled []block
	for _, b := range blocks {
		for len(pooled) > 0 && pooled[len(pooled)-1].mean >= b.mean {
			last := pooled[len(pooled)-1]
			pooled = pooled[:len(pooled)-1]
			weight := last.weight + b.weight
			b = block{last.low, b.high, (last.mean*last.weight + b.mean*b.weight) / weight, weight}
		}
		pooled = append(pooled, b)
	}
	var f Isotonic
	for _, b := range pooled {
		f.X, f.Y = append(f.X, b.low), append(f.Y, b.mean)
		if b.high > b.low {
			f.X, f.Y = append(f.X, b.high), append(f.Y, b.mean)
		}
	}
	return f
}

// At returns the value of the map at score.
func (f Isotonic) At(score float64) float64 { return interpolate(f.X, f.Y, score) }

// interpolate is piecewise linear through (x, y), x increasing, and constant beyond the ends.
func interpolate(x, y []float64, at float64) float64 {
	n := len(x)
	i := sort.SearchFloat64s(x, at)
	switch {
	case n == 0 || math.IsNaN(at):
		return 0
	case i == 0:
		return y[0]
	case i == n:
		return y[n-1]
	}
	return y[i-1] + (y[i]-y[i-1])*(at-x[i-1])/(x[i]-x[i-1])
}

// Bin is a row of a reliability table: what was said and what came true of the predictions in [Low, High).
type Bin struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     int     `json:"n"`
	Said  float64 `json:"said"`  // mean probability
	True  float64 `json:"true"`  // mean label
	Gap   float64 `json:"gap"`   // |Said − True|
	Share float64 `json:"share"` // N over all
}

// Reliability sorts probabilities into equal bins (the last one closed) and returns the table, empty bins included.
func Reliability(p, labels []float64, bins int) []Bin {
	table := make([]Bin, bins)
	for i := range table {
		table[i].Low, table[i].High = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for i, x := range p {
		b := &table[max(0, min(int(x*float64(bins)), bins-1))]
		b.N++
		b.Said += x
		b.True += labels[i]
	}
	for i := range table {
		if b := &table[i]; b.N > 0 {
			b.Said /= float64(b.N)
			b.True /= float64(b.N)
			b.Gap = math.Abs(b.Said - b.True)
			b.Share = float64(b.N) / float64(len(p))
		}
	}
	return table
}

// ECE returns the expected calibration error over equal bins of p: the mean gap between what was said and what came true.
//
// Naeini, Cooper & Hauskrecht 2015; for the error of the predicted class see [Confidence].
func ECE(p, labels []float64, bins int) float64 {
	sum := 0.0
	for _, b := range Reliability(p, labels, bins) {
		sum += b.Share * b.Gap
	}
	return sum
}

// Confidence returns max(p, 1 − p) and whether that prediction came true (p ≥ ½ predicts 1), ready for [ECE].
func Confidence(p, labels []float64) (confidence, correct []float64) {
	confidence, correct = make([]float64, len(p)), make([]float64, len(p))
	for i, x := range p {
		if x >= .5 {
			confidence[i], correct[i] = x, labels[i]
		} else {
			confidence[i], correct[i] = 1-x, 1-labels[i]
		}
	}
	return confidence, correct
}

// Brier returns the mean of (p − y)².
func Brier(p, labels []float64) float64 {
	sum := 0.0
	for i, x := range p {
		sum += (x - labels[i]) * (x - labels[i])
	}
	return sum / float64(len(p))
}
