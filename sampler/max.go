package sampler

import "math"

// Max is the rule of best-of-n: probability 1 for the highest score, of equal ones that of the lowest index. It panics if
// scores is empty or holds a NaN.
//
// Over n draws from a base model its density in the rank u of a reply is n·uⁿ⁻¹: pressure n, divergence
// [BestOfNKLBound]. Stiennon et al. 2020, https://arxiv.org/abs/2009.01325.
func Max(scores []float64) []float64 {
	checkScores(scores)
	best := 0
	for i, s := range scores {
		if s > scores[best] {
			best = i
		}
	}
	p := make([]float64, len(scores))
	p[best] = 1
	return p
}

// checkScores panics on what no rule can rank.
func checkScores(scores []float64) {
	if len(scores) == 0 {
		panic("sampler: no scores")
	}
	for _, s := range scores {
		if math.IsNaN(s) {
			panic("sampler: score is NaN")
		}
	}
}
