package loss

import "math"

// EXO is efficient exact optimisation on pairs, the reverse KL between the policy's and the smoothed preference of a pair:
//
//	L = σ(βΔ)·(log σ(βΔ) − log(1−ε)) + σ(−βΔ)·(log σ(−βΔ) − log ε).
//
// Ji et al. 2024, Eq. 16, https://arxiv.org/abs/2402.00856.
type EXO struct {
	Beta    float64 // 0 means .1
	Epsilon float64 // (0, ½); 0 means .001, since log 0 is none
}

// Pair implements [Pairwise].
func (l EXO) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta, epsilon := or(l.Beta, DefaultBeta), or(l.Epsilon, 1e-3)
	x := beta * p.delta()
	up, down := math.Log1p(-epsilon), math.Log(epsilon)
	loss = sigmoid(x)*(logSigmoid(x)-up) + sigmoid(-x)*(logSigmoid(-x)-down)
	// log σ(x) − log σ(−x) = x, and the derivatives of the logarithms cancel.
	d := beta * dsigmoid(x) * (x - up + down)
	return loss, d, -d
}

// Reference implements [Pairwise].
func (EXO) Reference() bool { return true }
