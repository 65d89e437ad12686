package loss

// Sigmoid is direct preference optimisation:
//
//	L = −log σ(βΔ).
//
// It is log 2 at Δ = 0. Rafailov et al. 2023, Eq. 7, https://arxiv.org/abs/2305.18290.
type Sigmoid struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l Sigmoid) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	x := beta * p.delta()
	d := -beta * sigmoid(-x)
	return -logSigmoid(x), d, -d
}

// Reference implements [Pairwise].
func (Sigmoid) Reference() bool { return true }
