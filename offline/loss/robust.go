package loss

// Robust is rDPO, an unbiased estimate of the DPO loss on clean votes where a share Epsilon is flipped:
//
//	L = [−(1−ε)·log σ(βΔ) + ε·log σ(−βΔ)] / (1−2ε).
//
// It can be negative. Ray Chowdhury et al. 2024, Eq. 11, https://arxiv.org/abs/2403.00409.
type Robust struct {
	Beta    float64 // 0 means .1
	Epsilon float64 // [0, ½); 0 is [Sigmoid]
}

// Pair implements [Pairwise].
func (l Robust) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	x := beta * p.delta()
	scale := 1 / (1 - 2*l.Epsilon)
	d := -beta * scale * ((1-l.Epsilon)*sigmoid(-x) + l.Epsilon*sigmoid(x))
	return scale * (-(1-l.Epsilon)*logSigmoid(x) + l.Epsilon*logSigmoid(-x)), d, -d
}

// Reference implements [Pairwise].
func (Robust) Reference() bool { return true }
