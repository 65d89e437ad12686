package loss

// BCOPair is binary classifier optimisation on a pair, each reply against the fixed threshold 0:
//
//	L = −log σ(βc) − log σ(−βr).
//
// [BCO] has the running threshold. Jung et al. 2024, Eq. 5, https://arxiv.org/abs/2404.04656.
type BCOPair struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l BCOPair) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	c, r := Rewards(beta, p)
	return -logSigmoid(c) - logSigmoid(-r), -beta * sigmoid(-c), beta * sigmoid(r)
}

// Reference implements [Pairwise].
func (BCOPair) Reference() bool { return true }
