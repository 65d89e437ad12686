package loss

// BCO is binary classifier optimisation for thumbs that have no partner, against a running threshold δ ([Delta]):
//
//	L = −λ_D·log σ(βc − δ)  for a liked reply,  −λ_U·log σ(−(βc − δ))  for a disliked one.
//
// Jung et al. 2024, Eq. 10, https://arxiv.org/abs/2404.04656.
type BCO struct {
	Beta        float64 // 0 means .1
	Desirable   float64 // λ_D, weight of liked replies; 0 means 1
	Undesirable float64 // λ_U; 0 means 1
}

// Example implements [Unpaired].
func (l BCO) Example(e Example, delta float64) (loss, dlogp float64) {
	beta := or(l.Beta, DefaultBeta)
	sign, weight := 1., or(l.Desirable, 1)
	if !e.Label {
		sign, weight = -1, or(l.Undesirable, 1)
	}
	x := sign * (beta*e.ratio() - delta)
	return -weight * logSigmoid(x), -weight * sign * beta * sigmoid(-x)
}

// Delta is BCO's running threshold: the mean of all implicit rewards β·log π/π_ref seen so far, or with Decay > 0 their
// exponential average from 0. Update it with the rewards of a batch before the batch's losses. Its fields are its whole state.
type Delta struct {
	Decay float64 `json:"decay,omitempty"` // share of the old value kept a batch; 0 averages all rewards alike
	Value float64 `json:"value"`
	Count int     `json:"count"` // rewards seen
}

// Update takes in the rewards of a batch and returns the new threshold.
func (d *Delta) Update(rewards []float64) float64 {
	if len(rewards) == 0 {
		return d.Value
	}
	sum := 0.
	for _, r := range rewards {
		sum += r
	}
	n := float64(len(rewards))
	if d.Decay > 0 {
		d.Value = d.Decay*d.Value + (1-d.Decay)*sum/n
	} else {
		d.Value = (d.Value*float64(d.Count) + sum) / (float64(d.Count) + n)
	}
	d.Count += len(rewards)
	return d.Value
}
