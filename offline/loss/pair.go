package loss

// Pair is one preference pair as a loss sees it. Log-probs are sums over completion tokens, in nats, ≤ 0; the lengths are
// ≥ 1. Losses without a reference ignore the Ref fields.
type Pair struct {
	Chosen, Rejected       float64 // log π(y⁺|x), log π(y⁻|x)
	RefChosen, RefRejected float64 // the same under the reference
	NChosen, NRejected     int     // tokens of the completions
}

// ratios returns c and r, the log-ratios of policy to reference.
func (p Pair) ratios() (c, r float64) { return p.Chosen - p.RefChosen, p.Rejected - p.RefRejected }

// delta returns c − r.
func (p Pair) delta() float64 {
	c, r := p.ratios()
	return c - r
}

// Pairwise is the loss of one preference pair. Implementations are values without state, safe for concurrent use.
type Pairwise interface {
	// Pair returns the loss with its partials in p.Chosen and p.Rejected.
	Pair(p Pair) (loss, dchosen, drejected float64)
	// Reference says whether the loss needs the reference's log-probs.
	Reference() bool
}

// Rewards returns the implicit rewards β·log π/π_ref of the two replies (Rafailov et al. 2023, Eq. 5 up to a constant of the
// prompt). Without a reference (Ref fields 0) they are β·log π.
func Rewards(beta float64, p Pair) (chosen, rejected float64) {
	c, r := p.ratios()
	return or(beta, DefaultBeta) * c, or(beta, DefaultBeta) * r
}

// DefaultBeta is β where a loss has none set.
const DefaultBeta = .1

// or returns x, or the default where x is 0.
func or(x, byDefault float64) float64 {
	if x == 0 {
		return byDefault
	}
	return x
}
