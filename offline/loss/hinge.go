package loss

// Hinge is the margin loss of SLiC and RSO:
//
//	L = max(0, 1 − βΔ).
//
// At the kink the partials are 0. Liu et al. 2023 (RSO), Eq. 11, https://arxiv.org/abs/2309.06657.
type Hinge struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l Hinge) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	short := 1 - beta*p.delta()
	if short <= 0 {
		return 0, 0, 0
	}
	return short, -beta, beta
}

// Reference implements [Pairwise].
func (Hinge) Reference() bool { return true }
