package loss

import "math"

// KTO is Kahneman–Tversky optimisation, for thumbs that have no partner:
//
//	L = λ_D·(1 − σ(β(c − z)))  for a liked reply,  λ_U·(1 − σ(β(z − c)))  for a disliked one,
//
// c being the reply's log-ratio and z an estimate of the KL of policy to reference ([KTO.Point]).
//
// Ethayarajh et al. 2024, Eq. 8, https://arxiv.org/abs/2402.01306.
type KTO struct {
	Beta        float64 // 0 means .1
	Desirable   float64 // λ_D, weight of liked replies; 0 means 1
	Undesirable float64 // λ_U; 0 means 1
}

// Example implements [Unpaired].
func (l KTO) Example(e Example, kl float64) (loss, dlogp float64) {
	beta := or(l.Beta, DefaultBeta)
	sign, weight := 1., or(l.Desirable, 1)
	if !e.Label {
		sign, weight = -1, or(l.Undesirable, 1)
	}
	x := sign * beta * (e.ratio() - kl)
	return weight * sigmoid(-x), -weight * sign * beta * dsigmoid(x)
}

// Point returns z = max(0, mean log-ratio) over replies that belong to other prompts than the ones they are read after.
// It is 0 for none.
func (KTO) Point(mismatched []Example) float64 {
	sum := 0.
	for _, e := range mismatched {
		sum += e.ratio()
	}
	return math.Max(0, sum/math.Max(1, float64(len(mismatched))))
}
