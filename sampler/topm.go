package sampler

import (
	"math"
	"slices"
)

// TopM is the rule of truncated best-of-n: one of the best k = ⌈n/M⌉ of n, uniformly; those that tie at the cut share what
// is left. M ≤ 1 is uniform, M ≥ n the best. It panics if scores is empty or holds a NaN, or if M is NaN.
//
// Whatever n is, a reply y is chosen with probability ≤ E[times y was drawn]/k = n·π(y)/k ≤ M·π(y): the density ratio to
// the base model is at most M and the divergence at most log M, so a larger n is never more risk.
// Sriraman and Block 2026, https://arxiv.org/abs/2603.05739.
func TopM(scores []float64, m float64) []float64 {
	checkScores(scores)
	k := TopMKept(len(scores), m)
	cut := descending(scores)[k-1]
	above, level := 0, 0
	for _, s := range scores {
		switch {
		case s > cut:
			above++
		case s == cut:
			level++
		}
	}
	share := float64(k-above) / float64(level) / float64(k)
	p := make([]float64, len(scores))
	for i, s := range scores {
		switch {
		case s > cut:
			p[i] = 1 / float64(k)
		case s == cut:
			p[i] = share
		}
	}
	return p
}

// TopMKept is k = ⌈n/M⌉, held to 1 … n.
func TopMKept(n int, m float64) int {
	if math.IsNaN(m) {
		panic("sampler: M is NaN")
	}
	if m <= 1 {
		return n
	}
	return max(1, int(math.Ceil(float64(n)/m)))
}

func descending(scores []float64) []float64 {
	sorted := slices.Clone(scores)
	slices.Sort(sorted)
	slices.Reverse(sorted)
	return sorted
}
