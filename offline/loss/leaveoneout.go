package loss

// LeaveOneOut returns RLOO's advantages of replies to one prompt: each reward less the mean of the others', a baseline without bias,
//
//	A_i = r_i − Σ_{j≠i} r_j/(n − 1).
//
// A single reply has advantage 0: there is nothing to compare it with.
//
// Kool et al. 2019, Eq. 8, https://openreview.net/forum?id=r1lgTGL5DE; Ahmadian et al. 2024, Eq. 6, https://arxiv.org/abs/2402.14740.
func LeaveOneOut(rewards []float64) []float64 {
	n, sum := float64(len(rewards)), 0.
	for _, r := range rewards {
		sum += r
	}
	advantages := make([]float64, len(rewards))
	if len(rewards) < 2 {
		return advantages
	}
	for i, r := range rewards {
		advantages[i] = r - (sum-r)/(n-1)
	}
	return advantages
}
