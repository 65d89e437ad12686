package sampler

import "math"

// Soft is the rule of soft best-of-n: softmax(score/λ). λ → 0 is [Max] with ties shared, λ → ∞ uniform. Adding a constant
// to all scores changes nothing. It panics if scores is empty or holds a NaN, or unless λ > 0; infinite scores are as
// limits: all the weight to +Inf, none to −Inf.
//
// For many draws it comes to the tilted model π·exp(r/λ). Verdun et al. 2025, https://arxiv.org/abs/2505.03156.
func Soft(scores []float64, lambda float64) []float64 {
	checkScores(scores)
	if !(lambda > 0) {
		panic("sampler: lambda must be above 0")
	}
	top := scores[0]
	for _, s := range scores {
		top = max(top, s)
	}
	p := make([]float64, len(scores))
	sum := 0.
	for i, s := range scores {
		p[i] = 1
		if s != top { // also where both are infinite, whose difference is no number
			p[i] = math.Exp((s - top) / lambda)
		}
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
