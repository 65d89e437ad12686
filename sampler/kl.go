package sampler

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
)

// BestOfNKLBound returns log n − (n−1)/n nats, an upper bound of the divergence of best-of-n from the base model; it is
// attained where no single reply has weight. n must be at least 1. Beirami et al. 2024, Theorem 1,
// https://arxiv.org/abs/2401.01879.
func BestOfNKLBound(n int) float64 {
	return math.Log(float64(n)) - float64(n-1)/float64(n)
}

// BestOfNKLEstimate estimates the divergence of best-of-n, in nats, from the log-prob (≤ 0) that the base model gives the
// chosen reply, ε = exp(logprob):
//
//	(1−ε)ⁿ·(log n + (n−1)·log(1−ε) − (n−1)/n) + (1−(1−ε)ⁿ)·log((1−(1−ε)ⁿ)/ε).
//
// It is at most [BestOfNKLBound], which it meets for small ε. Beirami et al. 2024, Equation 11.
func BestOfNKLEstimate(logprob float64, n int) float64 {
	if n == 1 {
		return 0
	}
	epsilon := math.Exp(logprob)
	if epsilon == 0 {
		return BestOfNKLBound(n)
	}
	if epsilon >= 1 {
		return 0
	}
	missed := math.Log1p(-epsilon)          // log of the probability that one draw is another reply
	hit := -math.Expm1(float64(n) * missed) // that one of n is this one
	miss := math.Exp(float64(n) * missed)   // that none is
	spread := BestOfNKLBound(n) + float64(n-1)*missed
	return miss*spread + hit*(math.Log(hit)-logprob)
}

// TopMKLBound returns an upper bound of the divergence of [TopM] on n draws, in nats: that of its rank density, attained
// where no single reply has weight. It is at most log M.
func TopMKLBound(n int, m float64) float64 {
	k := TopMKept(n, m)
	if k == 1 {
		return BestOfNKLBound(n)
	}
	return rankKL(func(u float64) float64 { return topKDensity(n, k, u) })
}

// BestOfPoissonKLBound returns an upper bound of the divergence of [BestOfPoisson] on a pool of n, in nats.
func BestOfPoissonKLBound(n int, mu float64) float64 {
	sizes := poissonSizes(n, mu)
	return rankKL(func(u float64) float64 {
		g := 0.
		for k := n - 1; k >= 0; k-- { // Horner: Σ w_k·(k+1)·u^k
			g = g*u + sizes[k]*float64(k+1)
		}
		return g
	})
}

// PoolKL returns Σ p·log(n·p) nats, the divergence of the choice among n candidates from a uniform one. Its mean over
// pools bounds the divergence of the sampler from the base model, since a uniform choice among draws is a draw.
func PoolKL(probabilities []float64) float64 {
	n := float64(len(probabilities))
	sum := 0.
	for _, p := range probabilities {
		if p > 0 {
			sum += p * math.Log(n*p)
		}
	}
	return max(0, sum)
}

// KL returns Σ q·log(q/p) in nats. Terms with q = 0 are 0; q > 0 where p = 0 gives +Inf. q and p must have one length.
func KL(q, p []float64) float64 {
	if len(q) != len(p) {
		panic("sampler: distributions of different length")
	}
	sum := 0.
	for i := range q {
		if q[i] > 0 {
			sum += q[i] * math.Log(q[i]/p[i])
		}
	}
	return sum
}

// rankKL returns ∫ g·log g over [0, 1] for a density g in the rank. The divergence between the laws of the replies is at
// most this, since a reply is a function of its rank.
func rankKL(g func(u float64) float64) float64 {
	integrand := func(u float64) float64 {
		d := g(u)
		if d <= 0 {
			return 0
		}
		return d * math.Log(d)
	}
	return max(0, quad.Fixed(integrand, 0, 1, quadraturePoints, quad.Legendre{}, 0))
}

// quadraturePoints of Gauss and Legendre give the densities here to 1e-10 up to n = 1024.
const quadraturePoints = 256
