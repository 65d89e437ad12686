package pairs

import (
	"math"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Lengths says how much longer chosen replies are than rejected ones, in words.
type Lengths struct {
	Pairs int     `json:"pairs"` // whose replies both have words; what behaviour implied is left out
	Ratio float64 `json:"ratio"` // geometric mean of chosen over rejected; 1 without pairs
	Lo    float64 `json:"lo"`    // 95 % interval, from Student's t on the logarithms; 0 and 0 with fewer than two pairs
	Hi    float64 `json:"hi"`
}

// Longer says whether chosen replies are systematically longer: by more than a tenth even at the lower end of the interval. A loss that
// compares sums of log-probs then learns length with content; the length-normalised one (sigmoid_norm) does not.
func (l Lengths) Longer() bool { return l.Lo > 1.1 }

// Lengths measures the pairs that people made.
func (s Set) Lengths() Lengths {
	var x []float64
	for _, p := range s.Preferences {
		if p.Class == Next {
			continue
		}
		if ratio, ok := lengthRatio(p); ok {
			x = append(x, ratio)
		}
	}
	l := Lengths{Pairs: len(x), Ratio: 1}
	if len(x) == 0 {
		return l
	}
	mean := stat.Mean(x, nil)
	l.Ratio = math.Exp(mean)
	if n := float64(len(x)); n >= 2 {
		half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(.975) * stat.StdDev(x, nil) / math.Sqrt(n)
		l.Lo, l.Hi = math.Exp(mean-half), math.Exp(mean+half)
	}
	return l
}

// lengthRatio is the log of chosen over rejected length in words; not ok where one has none.
func lengthRatio(p Preference) (log float64, ok bool) {
	chosen, rejected := len(strings.Fields(p.Chosen)), len(strings.Fields(p.Rejected))
	if chosen == 0 || rejected == 0 {
		return 0, false
	}
	return math.Log(float64(chosen) / float64(rejected)), true
}

// mostTilt bounds the log ratio that a row's weight is reckoned with, so that no row gets next to nothing or next to everything.
const mostTilt = 1.386 // log 4

// balanceLength reweights pairs so that the weighted mean of their log length ratios x is 0: each weight is multiplied with e^{−λx} and
// all are scaled back to their sum, which of all weights that balance departs least from those given (Hainmueller 2012, "Entropy
// balancing for causal effects", §3.2). |λ| is at most 2, so that two rows are never more than a factor of 16 × 16 apart, even if that
// leaves a rest. Where all chosen replies are longer, or all shorter, nothing can balance them, and nothing is changed. Weights stay
// within (0, 3].
func balanceLength(rows []Preference) {
	x, longer, shorter, total := make([]float64, len(rows)), false, false, 0.
	for i, p := range rows {
		ratio, _ := lengthRatio(p)
		x[i] = math.Max(-mostTilt, math.Min(mostTilt, ratio))
		longer, shorter = longer || ratio > 0, shorter || ratio < 0
		total += p.Weight
	}
	if !longer || !shorter {
		return
	}
	moment := func(lambda float64) (mean, sum float64) {
		for i, p := range rows {
			w := p.Weight * math.Exp(-lambda*x[i])
			sum += w
			mean += w * x[i]
		}
		return mean / sum, sum
	}
	lo, hi := -2., 2. // the mean falls in lambda
	for range 60 {
		middle := (lo + hi) / 2
		if mean, _ := moment(middle); mean > 0 {
			lo = middle
		} else {
			hi = middle
		}
	}
	_, sum := moment(lo)
	for i := range rows {
		rows[i].Weight = math.Min(weightMost, rows[i].Weight*math.Exp(-lo*x[i])*total/sum)
	}
}
