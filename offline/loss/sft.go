package loss

// SFT is fine-tuning on the chosen reply alone, the negative log-likelihood of a token:
//
//	L = −log π(y⁺)/n⁺.
//
// As a term of a [Mix] it holds the chosen reply's likelihood up where the difference alone would let it fall (Pang et al. 2024,
// Eq. 2, https://arxiv.org/abs/2404.19733).
type SFT struct{}

// Pair implements [Pairwise].
func (SFT) Pair(p Pair) (loss, dchosen, drejected float64) {
	n := float64(p.NChosen)
	return -p.Chosen / n, -1 / n, 0
}

// Reference implements [Pairwise].
func (SFT) Reference() bool { return false }
