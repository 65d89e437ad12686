package sampler

// ChiSquare is the rule of inference-time pessimism on one pool: probability of i ∝ max(0, score_i − λ), where λ solves
// (1/n)·Σ max(0, (score_i − λ)/β) = 1. β → 0 is [Max] with ties shared, β → ∞ uniform. Adding a constant to all scores
// changes nothing. It panics if scores is empty or holds a NaN or an infinity, or unless β > 0. O(n log n).
//
// It is the best response to rewards that are wrong by χ²-bounded amounts. Huang et al. 2025, Algorithm 1, with the pool
// in the place of the second draw, https://arxiv.org/abs/2503.21878.
func ChiSquare(scores []float64, beta float64) []float64 {
	lambda := ChiSquareLambda(scores, beta)
	p := make([]float64, len(scores))
	sum := 0.
	for i, s := range scores {
		p[i] = max(0, s-lambda)
		sum += p[i]
	}
	if sum == 0 { // β is below the resolution of the scores: λ is the best score itself
		return Soft(scores, tiny)
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// tiny is a temperature at which only what ties for the best has weight.
const tiny = 1e-300

// ChiSquareLambda is the λ of [ChiSquare], exact by one pass over the sorted scores: with the best k above λ,
// λ = (Σ of the best k − n·β)/k.
func ChiSquareLambda(scores []float64, beta float64) float64 {
	checkScores(scores)
	if !(beta > 0) {
		panic("sampler: beta must be above 0")
	}
	sorted := descending(scores)
	top := sorted[0]
	budget := float64(len(scores)) * beta
	lambda, sum := 0., 0.
	for k, s := range sorted {
		sum += s - top // below the best, so that nothing cancels
		lambda = (sum - budget) / float64(k+1)
		if k+1 == len(sorted) || sorted[k+1]-top <= lambda {
			break
		}
	}
	return lambda + top
}
