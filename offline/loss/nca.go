package loss

// NCA is noise contrastive alignment on pairs, which also holds the chosen reply's own likelihood up:
//
//	L = −log σ(βc) − ½·log σ(−βc) − ½·log σ(−βr).
//
// Chen et al. 2024, Eq. 13, https://arxiv.org/abs/2402.05369.
type NCA struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l NCA) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	c, r := Rewards(beta, p)
	loss = -logSigmoid(c) - .5*logSigmoid(-c) - .5*logSigmoid(-r)
	return loss, beta * (.5*sigmoid(c) - sigmoid(-c)), .5 * beta * sigmoid(r)
}

// Reference implements [Pairwise].
func (NCA) Reference() bool { return true }
