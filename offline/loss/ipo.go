package loss

// IPO is identity preference optimisation, a regression of the log-ratio difference on the margin 1/(2β):
//
//	L = (c/n⁺ − r/n⁻ − 1/(2β))²,  or with Sum  (Δ − 1/(2β))².
//
// The length-mean form is TRL's, the sum is the paper's. Azar et al. 2023, Eq. 17, https://arxiv.org/abs/2310.12036.
type IPO struct {
	Beta float64 // 0 means .1
	Sum  bool    // log-ratios summed over tokens, not averaged
}

// Pair implements [Pairwise].
func (l IPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	n, m := float64(p.NChosen), float64(p.NRejected)
	if l.Sum {
		n, m = 1, 1
	}
	c, r := p.ratios()
	u := c/n - r/m - 1/(2*or(l.Beta, DefaultBeta))
	return u * u, 2 * u / n, -2 * u / m
}

// Reference implements [Pairwise].
func (IPO) Reference() bool { return true }
