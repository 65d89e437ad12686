package advise

import (
	"math"

	"plumb/offline/pairs"
)

// Power is what held-out votes can tell, now and with a hundred more votes.
type Power struct {
	Now  Precision `json:"now"`
	Then Precision `json:"then"`
}

// Precision is what so many held-out votes can tell.
type Precision struct {
	HeldOut    int     `json:"held_out"`
	HalfWidth  float64 `json:"half_width"` // of the 95 % interval of an accuracy near ½, at most ½
	Detectable float64 `json:"detectable"` // the smallest true win rate over ½ that is found with 80 % power at 5 %, at most 1
}

// Quantiles of the standard normal distribution.
const (
	z80  = .8416212
	z95  = 1.6448536
	z975 = 1.9599640
)

// heldOutShare is what a run holds out of votes that are yet to come.
const heldOutShare = .2

// power works out what the held-out votes can tell, and a hundred more votes of which the same share would be held out.
func (e Evidence) power() Power {
	votes := func(s pairs.Set) int { return len(s.Preferences) + len(s.Unpaired) }
	now, all := votes(e.HeldOut), votes(e.All)
	share := heldOutShare
	if now > 0 && all >= now {
		share = float64(now) / float64(all)
	}
	noise := 0.
	if n := e.All.Voters.Noise; n != nil {
		noise = n.Epsilon
	}
	return Power{precision(now, noise), precision(now+int(100*share+.5), noise)}
}

// precision is the normal approximation for one proportion p near ½, whose standard error is ½/√n: the interval's half-width is
// z₀.₉₇₅·½/√n, and a one-sided test at 5 % finds with power 80 % a difference of δ = (z₀.₉₅ + z₀.₈)·½/√n (n = 618 for 55 %, 155 for 60 %).
// Votes of which a share ε is wrong show only 1 − 2ε of a difference.
//
// Fleiss, Levin & Paik 2003, "Statistical Methods for Rates and Proportions", ch. 2 and 4.
func precision(n int, noise float64) Precision {
	if n == 0 {
		return Precision{0, .5, 1}
	}
	se := .5 / math.Sqrt(float64(n))
	clean := math.Max(leastClean, 1-2*noise)
	return Precision{n, math.Min(.5, z975*se), math.Min(1, .5+(z95+z80)*se/clean)}
}
