package balance

import (
	"math"

	"plumb/offline/rows"
)

// Range of λ_D·n_D / (λ_U·n_U) in which KTO was found to work best, and how far one side is raised for it at most: a handful of votes must
// not outshout hundreds.
const (
	leastRatio = 1.
	mostRatio  = 4. / 3
	mostRaised = 10.
)

// Sides returns the weights λ_D of liked and λ_U of disliked replies that bring λ_D·n_D / (λ_U·n_U) into [1, 4/3], n being the sums of the
// rows' own weights: the side that is too small is raised to the nearer end, the other one stays at 1. No side is raised more than tenfold.
// Where one side is missing both weights are 1: there is nothing to balance.
//
// Ethayarajh et al. 2024, §4.2, Eq. 9, https://arxiv.org/abs/2402.01306; TRL warns outside the same range.
func Sides(replies []rows.Unpaired) (desirable, undesirable float64) {
	up, down := 0., 0.
	for _, r := range replies {
		if r.Label {
			up += weight(r)
		} else {
			down += weight(r)
		}
	}
	desirable, undesirable = 1, 1
	switch {
	case up <= 0 || down <= 0:
	case up/down < leastRatio:
		desirable = math.Min(mostRaised, leastRatio*down/up)
	case up/down > mostRatio:
		undesirable = math.Min(mostRaised, up/(mostRatio*down))
	}
	return desirable, undesirable
}

// weight is a row's own; rows without one weigh 1.
func weight(r rows.Unpaired) float64 {
	if r.Weight == nil {
		return 1
	}
	return *r.Weight
}
