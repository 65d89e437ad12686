package loss

// SFT is fine-tuning on the chosen reply alone, the negative log-likelihood of a token, or with Sum of the reply:
//
//	L = −log π(y⁺)/n⁺,  or with Sum  −log π(y⁺).
//
// As a term of a [Mix] it holds the chosen reply's likelihood up where the difference alone would let it fall (Pang et al. 2024,
// Eq. 2, https://arxiv.org/abs/2404.19733). BoNBoN mixes the sum.
type SFT struct {
	Sum bool // over tokens, not their mean
}

// Pair implements [Pairwise].
func (l SFT) Pair(p Pair) (loss, dchosen, drejected float64) {
	n := float64(p.NChosen)
	if l.Sum {
		n = 1
	}
	return -p.Chosen / n, -1 / n, 0
}

// Reference implements [Pairwise].
func (SFT) Reference() bool { return false }
