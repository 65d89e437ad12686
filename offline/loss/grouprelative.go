package loss

import "gonum.org/v1/gonum/stat"

// GroupRelative is GRPO's advantage of replies to one prompt, A_i = (r_i − mean)/(sd + ε), over the group; Dr. GRPO's, A_i = r_i − mean, where
// Unscaled is set. Groups of equal rewards get zeros.
//
// Shao et al. 2024, §4.1.2, https://arxiv.org/abs/2402.03300; Liu et al. 2025, https://arxiv.org/abs/2503.20783.
type GroupRelative struct {
	Unscaled   bool
	Population bool    // sd over n, not over n − 1
	Epsilon    float64 // ε; 0 means 1e-4, TRL's
}

// Advantages returns an advantage for each reward.
func (g GroupRelative) Advantages(rewards []float64) []float64 {
	advantages := make([]float64, len(rewards))
	if len(rewards) < 2 {
		return advantages
	}
	mean, sd := deviation(stat.MeanVariance(rewards, nil))
	if g.Population {
		mean, sd = deviation(stat.PopMeanVariance(rewards, nil))
	}
	scale := 1.
	if !g.Unscaled {
		scale = sd + or(g.Epsilon, 1e-4)
	}
	for i, r := range rewards {
		advantages[i] = (r - mean) / scale
	}
	return advantages
}
