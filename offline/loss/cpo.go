package loss

// CPO is DPO against a uniform reference, with a likelihood term on the chosen reply that keeps it probable:
//
//	L = −log σ(β(log π(y⁺) − log π(y⁻))) − log π(y⁺)/n⁺.
//
// Xu et al. 2024, Eq. 5, https://arxiv.org/abs/2401.08417.
type CPO struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l CPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	x := beta * (p.Chosen - p.Rejected)
	d := -beta * sigmoid(-x)
	n := float64(p.NChosen)
	return -logSigmoid(x) - p.Chosen/n, d - 1/n, -d
}

// Reference implements [Pairwise].
func (CPO) Reference() bool { return false }
