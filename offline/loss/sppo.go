package loss

// SPPO is self-play preference optimisation with hard labels, a regression of each reply's log-ratio on ±1/(2β):
//
//	L = (c − 1/(2β))² + (r + 1/(2β))².
//
// Wu et al. 2024, Eq. 4.5, https://arxiv.org/abs/2405.00675.
type SPPO struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l SPPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	c, r := p.ratios()
	target := 1 / (2 * or(l.Beta, DefaultBeta))
	u, v := c-target, r+target
	return u*u + v*v, 2 * u, 2 * v
}

// Reference implements [Pairwise].
func (SPPO) Reference() bool { return true }
