package loss

// SigmoidNorm is DPO on log-ratios averaged over tokens, so that length alone earns nothing:
//
//	L = −log σ(β(c/n⁺ − r/n⁻)).
//
// Lambert et al. 2024 (Tülu 3), §5.1.2, https://arxiv.org/abs/2411.15124. Its β is 5 to 10 there, as the ratios are of tokens.
type SigmoidNorm struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l SigmoidNorm) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	c, r := p.ratios()
	n, m := float64(p.NChosen), float64(p.NRejected)
	x := beta * (c/n - r/m)
	d := -beta * sigmoid(-x)
	return -logSigmoid(x), d / n, -d / m
}

// Reference implements [Pairwise].
func (SigmoidNorm) Reference() bool { return true }
