package sampler

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
)

// The functions here say what a rule does to a whole base model, not to one pool: p[i] is the base probability of reply i
// and reward[i] its reward; n replies are drawn and the rule picks one, ties by chance. They are what the rules are
// tested against and what budgets are planned with.

// BestOfNPMF returns the law of the best of n draws. A group of equal rewards has F(group)ⁿ − F(below)ⁿ, shared in
// proportion to p, where F is the base probability up to a reward. Beirami et al. 2024, Lemma 1.
func BestOfNPMF(p, reward []float64, n int) []float64 {
	return rankPMF(p, reward, func(u float64) float64 { return math.Pow(u, float64(n)) })
}

// TopMPMF returns the law of [TopM] on n draws.
func TopMPMF(p, reward []float64, n int, m float64) []float64 {
	k := TopMKept(n, m)
	return rankPMF(p, reward, func(u float64) float64 { return topKCDF(n, k, u) })
}

// BestOfPoissonPMF returns the law of the best of 1 + Poisson(μ) draws.
func BestOfPoissonPMF(p, reward []float64, mu float64) []float64 {
	return rankPMF(p, reward, func(u float64) float64 { return PoissonCDF(u, mu) })
}

// rankPMF returns the law of a rule that is a reweighting of ranks with the cumulative distribution cdf.
func rankPMF(p, reward []float64, cdf func(u float64) float64) []float64 {
	if len(p) != len(reward) {
		panic("sampler: probabilities and rewards of different length")
	}
	order := ascendingOrder(reward)
	law := make([]float64, len(p))
	below := 0.
	eachTie(reward, order, func(from, to int) {
		weight := 0.
		for _, i := range order[from:to] {
			weight += p[i]
		}
		upto := min(1, below+weight)
		if to == len(order) {
			upto = 1
		}
		mass := cdf(upto) - cdf(below)
		for _, i := range order[from:to] {
			if weight > 0 {
				law[i] = mass * p[i] / weight
			}
		}
		below = upto
	})
	return law
}

// ExpectedBest returns the expectation of value of the best by score of n of the N scored replies, over all subsets,
// Σ C(i−1, n−1)/C(N, n)·value₍ᵢ₎, without bias and without drawing. With value = score it is the proxy's curve, with
// another model's rewards the gold curve; equal scores share. It panics unless 1 ≤ n ≤ N. O(N log N).
// Coste et al. 2023, https://arxiv.org/abs/2310.02743.
func ExpectedBest(score, value []float64, n int) float64 {
	if n < 1 || n > len(score) || len(score) != len(value) {
		panic("sampler: want 1 ≤ n ≤ len(score) = len(value)")
	}
	sum := 0.
	for i, p := range bestOfSubset(score, n) {
		sum += p * value[i]
	}
	return sum
}

// TopMOfPool returns the probability of each of N scored replies to be chosen by [TopM] on n of them taken at random
// without replacement; equal scores share. It panics unless 1 ≤ n ≤ N. O(N·n/M).
func TopMOfPool(scores []float64, n int, m float64) []float64 {
	size := len(scores)
	if n < 1 || n > size {
		panic("sampler: want 1 ≤ n ≤ len(scores)")
	}
	k := TopMKept(n, m)
	byRank := make([]float64, size)
	for r := range byRank { // rank r has size−1−r better ones: it is kept if it is taken with fewer than k of them
		for better := 0; better < k; better++ {
			byRank[r] += math.Exp(logChoose(size-1-r, better) + logChoose(r, n-1-better) - logChoose(size, n))
		}
		byRank[r] /= float64(k)
	}
	return shareTies(scores, byRank)
}

// topKDensity is the density in the rank u of a uniform choice among the best k of n: (n/k)·P(Binomial(n−1, 1−u) < k).
func topKDensity(n, k int, u float64) float64 {
	return float64(n) / float64(k) * binomialBelow(n-1, k, 1-u)
}

// topKCDF is its integral: (1/k)·Σ_{j<k} P(the j-th best of n has rank ≤ u), the j-th best from 0 being below u when at
// most j of n are above it.
func topKCDF(n, k int, u float64) float64 {
	sum := 0.
	for j := range k {
		sum += binomialBelow(n, j+1, 1-u)
	}
	return sum / float64(k)
}

// binomialBelow is P(Binomial(n, q) < k).
func binomialBelow(n, k int, q float64) float64 {
	switch {
	case k > n || q <= 0:
		return 1
	case q >= 1:
		return 0
	}
	sum := 0.
	odds := math.Log(q) - math.Log1p(-q)
	term := float64(n) * math.Log1p(-q) // log P(j), since P(0) alone may be too small for a float
	for j := range k {
		sum += math.Exp(term)
		term += odds + math.Log(float64(n-j)/float64(j+1))
	}
	return min(1, sum)
}

// logChoose is log C(n, k), −Inf where there is none.
func logChoose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// PoissonDensity is best-of-Poisson's density in the rank u: (μu+1)·exp(μ(u−1)), at most μ+1.
func PoissonDensity(u, mu float64) float64 { return (mu*u + 1) * math.Exp(mu*(u-1)) }

// PoissonCDF is its integral, u·exp(μ(u−1)).
func PoissonCDF(u, mu float64) float64 { return u * math.Exp(mu*(u-1)) }

// PoissonPsi is ∂ log density/∂μ = u/(μu+1) + u − 1: where the mean of gold·ψ is 0, μ is best. Khalaf et al. 2025 call the
// search for it HedgeTune.
func PoissonPsi(u, mu float64) float64 { return u/(mu*u+1) + u - 1 }

// BestOfNPsi is the same for best-of-n, 1/n + log u.
func BestOfNPsi(u float64, n int) float64 { return 1/float64(n) + math.Log(u) }

// PoissonMeanRank is the expected rank of best-of-Poisson's reply, its win rate against the base model:
// 1 − ∫ u·exp(μ(u−1)) du = 1 − (1/μ − (1 − exp(−μ))/μ²).
func PoissonMeanRank(mu float64) float64 {
	if mu < .01 { // the closed form cancels
		return 1 - quad.Fixed(func(u float64) float64 { return PoissonCDF(u, mu) }, 0, 1, 16, quad.Legendre{}, 0)
	}
	return 1 - (1/mu + math.Expm1(-mu)/(mu*mu))
}

// PoissonKL is the divergence of best-of-Poisson from the base model, in nats, where no single reply has weight.
func PoissonKL(mu float64) float64 {
	return rankKL(func(u float64) float64 { return PoissonDensity(u, mu) })
}
