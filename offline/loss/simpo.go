package loss

// SimPO needs no reference; the reward is the mean log-prob of a token, with a wanted margin γ:
//
//	L = −log σ(β(log π(y⁺)/n⁺ − log π(y⁻)/n⁻) − γ).
//
// Meng et al. 2024, Eq. 6, https://arxiv.org/abs/2405.14734. The paper's β is 2 to 10.
type SimPO struct {
	Beta  float64 // 0 means .1
	Gamma float64 // wanted margin, ≥ 0, not scaled by β
}

// Pair implements [Pairwise].
func (l SimPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	n, m := float64(p.NChosen), float64(p.NRejected)
	x := beta*(p.Chosen/n-p.Rejected/m) - l.Gamma
	d := -beta * sigmoid(-x)
	return -logSigmoid(x), d / n, -d / m
}

// Reference implements [Pairwise].
func (SimPO) Reference() bool { return false }
