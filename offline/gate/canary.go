package gate

import (
	"fmt"
	"math"
)

// Votes counts thumbs on one release.
type Votes struct {
	Down int `json:"down"`
	All  int `json:"all"`
}

// CanaryLimits say when a canary is judged. Zero fields mean the defaults in their comments.
type CanaryLimits struct {
	Alpha float64 `json:"alpha,omitempty"` // chance that a canary as good as what is live is ever taken back; .05
	Tau   float64 `json:"tau,omitempty"`   // size of a difference in the rate of thumbs down that is expected, if there is one; .1
	Least int     `json:"least,omitempty"` // thumbs on the canary before it may go live; 100
	Worse float64 `json:"worse,omitempty"` // most by which its rate of thumbs down may then be above that of what is live; .02
}

// Verdicts on a canary.
const (
	Wait = "wait" // too early to say
	Good = "good" // it may go live
	Bad  = "bad"  // it is to be taken back
)

// JudgeCanary compares the rates of thumbs down on a canary and on what is live. It may be asked after every vote: the test is a
// mixture sequential probability ratio test, whose error over all looks together is at most Alpha.
//
//	Λ = √(V/(V+τ²))·exp(τ²d²/(2V(V+τ²))),  d the difference of the rates, V its variance;  bad once d > 0 and Λ ≥ 1/α.
//
// Johari, Pekelis & Walsh 2015, Eq. 8, https://arxiv.org/abs/1512.04922, with the variance from the pooled rate.
func JudgeCanary(canary, live Votes, l CanaryLimits) (verdict, why string) {
	def := func(x *float64, v float64) {
		if *x == 0 {
			*x = v
		}
	}
	def(&l.Alpha, .05)
	def(&l.Tau, .1)
	def(&l.Worse, .02)
	if l.Least == 0 {
		l.Least = 100
	}
	n, m := float64(canary.All), float64(live.All)
	if n == 0 || m == 0 {
		return Wait, fmt.Sprintf("%d thumbs on the canary, %d on what is live", canary.All, live.All)
	}
	pooled := (float64(canary.Down+live.Down) + 1) / (n + m + 2)
	v := pooled * (1 - pooled) * (1/n + 1/m)
	d := float64(canary.Down)/n - float64(live.Down)/m
	t := l.Tau * l.Tau
	ratio := .5*math.Log(v/(v+t)) + t*d*d/(2*v*(v+t))
	why = fmt.Sprintf("thumbs down: %d of %d on the canary, %d of %d on what is live, log Λ = %.2f", canary.Down, canary.All, live.Down, live.All, ratio)
	switch {
	case d > 0 && ratio >= -math.Log(l.Alpha):
		return Bad, why
	case canary.All >= l.Least && live.All >= l.Least && d <= l.Worse:
		return Good, why
	}
	return Wait, why
}
