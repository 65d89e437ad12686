package loss

// Mix is a weighted sum of losses, such as MPO's .8·sigmoid + .2·bco_pair + sft (Wang et al. 2024, Eq. 2,
// https://arxiv.org/abs/2411.10442).
type Mix []Term

// Term is one summand of a [Mix].
type Term struct {
	Weight float64
	Loss   Pairwise
}

// Pair implements [Pairwise].
func (m Mix) Pair(p Pair) (loss, dchosen, drejected float64) {
	for _, t := range m {
		l, dc, dr := t.Loss.Pair(p)
		loss, dchosen, drejected = loss+t.Weight*l, dchosen+t.Weight*dc, drejected+t.Weight*dr
	}
	return loss, dchosen, drejected
}

// Reference implements [Pairwise].
func (m Mix) Reference() bool {
	for _, t := range m {
		if t.Loss.Reference() {
			return true
		}
	}
	return false
}
