package gate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// SignTest returns the exact probability of k or more successes in n trials of a fair coin: the one-sided sign test, and with
// k and n − k as the discordant counts McNemar's exact test. It is 1 for n = 0.
func SignTest(k, n int) float64 {
	if k <= 0 || n <= 0 {
		return 1
	}
	return 1 - distuv.Binomial{N: float64(n), P: .5}.CDF(float64(k-1))
}

// Wilson returns the interval for a share of k in n at z standard errors (1.96 for 95 %); the unit interval for n = 0.
//
// Wilson 1927, "Probable inference, the law of succession, and statistical inference".
func Wilson(k, n, z float64) (lo, hi float64) {
	if n <= 0 {
		return 0, 1
	}
	p := k / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return math.Max(0, middle-half), math.Min(1, middle+half)
}

// MeanSE returns the mean of independent values and its standard error; 0 and 0 of none, 0 as the error of one, which tells nothing of it.
func MeanSE(x []float64) (mean, se float64) {
	switch len(x) {
	case 0:
		return 0, 0
	case 1:
		return x[0], 0
	}
	mean, sd := stat.MeanStdDev(x, nil)
	return mean, stat.StdErr(sd, float64(len(x)))
}

// RankSum returns the probability that a value of up exceeds one of down (ties half), and the one-sided p-value that this is more
// than chance, by the normal approximation with ties corrected and continuity. Both sides need a value.
//
// Mann & Whitney 1947, "On a test of whether one of two random variables is stochastically larger than the other".
func RankSum(up, down []float64) (auc, p float64) {
	type ranked struct {
		x  float64
		up bool
	}
	var all []ranked
	for _, x := range up {
		all = append(all, ranked{x, true})
	}
	for _, x := range down {
		all = append(all, ranked{x, false})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		}
		return 0
	})
	n, m := float64(len(up)), float64(len(down))
	sum, ties := 0., 0.
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].x == all[i].x {
			j++
		}
		rank, t := float64(i+j+1)/2, float64(j-i) // ranks count from 1
		ties += t*t*t - t
		for ; i < j; i++ {
			if all[i].up {
				sum += rank
			}
		}
	}
	u := sum - n*(n+1)/2
	variance := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	if variance <= 0 {
		return u / (n * m), 1
	}
	z := (u - n*m/2 - .5) / math.Sqrt(variance)
	return u / (n * m), .5 * math.Erfc(z/math.Sqrt2)
}

// aucInterval returns the 95 % interval of an area under the curve from n values of one side and m of the other.
//
// Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Eq. 2.
func aucInterval(auc float64, n, m int) *[2]float64 {
	q1, q2 := auc/(2-auc), 2*auc*auc/(1+auc)
	variance := (auc*(1-auc) + float64(n-1)*(q1-auc*auc) + float64(m-1)*(q2-auc*auc)) / float64(n*m)
	half := 1.96 * math.Sqrt(math.Max(0, variance))
	return &[2]float64{math.Max(0, auc-half), math.Min(1, auc+half)}
}
