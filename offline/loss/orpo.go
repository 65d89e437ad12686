package loss

import "math"

// ORPO is fine-tuning on the chosen reply with an odds-ratio penalty, without a reference:
//
//	L = −a − β·log σ(log odds(a) − log odds(b)),  log odds(x) = x − log(1 − e^x),
//
// where a = log π(y⁺)/n⁺ and b = log π(y⁻)/n⁻. Certainty (a or b = 0) has infinite odds; both are kept ≤ −1e-10.
//
// Hong et al. 2024, Eq. 6, https://arxiv.org/abs/2403.07691.
type ORPO struct {
	Beta float64 // weight of the penalty, λ in the paper; 0 means .1
}

// Pair implements [Pairwise].
func (l ORPO) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	n, m := float64(p.NChosen), float64(p.NRejected)
	a, b := p.Chosen/n, p.Rejected/m
	up, dup := logOdds(a)
	down, ddown := logOdds(b)
	d := -beta * sigmoid(down-up)
	return -a - beta*logSigmoid(up-down), (d*dup - 1) / n, -d * ddown / m
}

// logOdds returns log(e^a/(1 − e^a)) and its derivative 1/(1 − e^a).
func logOdds(a float64) (value, derivative float64) {
	a = math.Min(a, -1e-10)
	rest := -math.Expm1(a) // 1 − e^a
	return a - math.Log(rest), 1 / rest
}

// Reference implements [Pairwise].
func (ORPO) Reference() bool { return false }
