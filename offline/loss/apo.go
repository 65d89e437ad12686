package loss

// APOZero is anchored preference optimisation for replies of which the chosen one is better than what the model would say
// itself; it raises the chosen and lowers the rejected one:
//
//	L = 1 − σ(βc) + σ(βr).
//
// D'Oosterlinck et al. 2024, Eq. 3, https://arxiv.org/abs/2408.06266.
type APOZero struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l APOZero) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	c, r := Rewards(beta, p)
	return sigmoid(-c) + sigmoid(r), -beta * dsigmoid(c), beta * dsigmoid(r)
}

// Reference implements [Pairwise].
func (APOZero) Reference() bool { return true }

// APODown is anchored preference optimisation for replies of which even the chosen one is worse than what the model would say
// itself; it lowers both, the rejected one more:
//
//	L = σ(βc) + 1 − σ(βΔ).
//
// D'Oosterlinck et al. 2024, Eq. 4, https://arxiv.org/abs/2408.06266.
type APODown struct {
	Beta float64 // 0 means .1
}

// Pair implements [Pairwise].
func (l APODown) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta := or(l.Beta, DefaultBeta)
	c, r := Rewards(beta, p)
	d := beta * dsigmoid(c-r)
	return sigmoid(c) + sigmoid(r-c), beta*dsigmoid(c) - d, d
}

// Reference implements [Pairwise].
func (APODown) Reference() bool { return true }

// APOUnpaired is [APOZero] for single replies with a thumb: λ_D·(1 − σ(βc)) for a liked one, λ_U·σ(βr) for a disliked one.
// It has no reference point.
type APOUnpaired struct {
	Beta        float64 // 0 means .1
	Desirable   float64 // λ_D, weight of liked replies; 0 means 1
	Undesirable float64 // λ_U; 0 means 1
}

// Example implements [Unpaired].
func (l APOUnpaired) Example(e Example, _ float64) (loss, dlogp float64) {
	return KTO(l).Example(e, 0)
}
