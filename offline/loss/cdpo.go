package loss

// CDPO is conservative DPO, for votes of which a share Epsilon is flipped:
//
//	L = −(1−ε)·log σ(βΔ) − ε·log σ(−βΔ).
//
// Its optimum is the finite margin βΔ = log((1−ε)/ε). Mitchell 2023, "A note on DPO with noisy preferences",
// https://ericmitchell.ai/cdpo.pdf.
type CDPO struct {
	Beta    float64 // 0 means .1
	Epsilon float64 // [0, ½); 0 is [Sigmoid]
}

// Pair implements [Pairwise].
func (l CDPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	x := beta * p.delta()
	d := -beta * ((1-l.Epsilon)*sigmoid(-x) - l.Epsilon*sigmoid(x))
	return -(1-l.Epsilon)*logSigmoid(x) - l.Epsilon*logSigmoid(-x), d, -d
}

// Reference implements [Pairwise].
func (CDPO) Reference() bool { return true }
