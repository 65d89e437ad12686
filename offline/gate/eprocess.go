package gate

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// eProcess is an e-process against the hypothesis that the canary's rate of thumbs down p and that of what is live, q, satisfy
// p ≤ q (margin 0), or p ≥ q + margin (margin > 0):
//
//	E = Σ_i w_i·L(p_i, q_i) / sup { L(p, q) : (p, q) in the hypothesis },  L(p, q) = p^d·(1−p)^u · q^d'·(1−q)^u'
//
// with d, u thumbs down and up on the canary, d', u' on what is live, and weights w fixed before the first vote, Σ w = 1. Whatever
// rates in the hypothesis are the true ones, E is at most the likelihood ratio of the mixture to them, which is a martingale that begins
// at 1 in whatever order and on whichever side votes come. So the chance that E ever reaches 1/α is at most α: exactly, for any rates,
// from the first vote (Ville 1939).
//
// Wasserman, Ramdas & Balakrishnan 2020, "Universal inference", section "Anytime p-values and confidence sequences",
// https://arxiv.org/abs/1912.11436, with a mixture in the numerator (Robbins 1970, "Statistical methods related to the law of the
// iterated logarithm"); Ramdas et al. 2023, https://arxiv.org/abs/2210.01948, on e-processes at large.
type eProcess struct {
	wanted float64 // ln(1/α)
	margin float64
	points []point
}

// point is one alternative.
type point struct {
	weight               float64 // ln w
	down, up, down2, up2 float64 // ln p, ln(1−p), ln q, ln(1−q)
}

// shift is one p − q with its weight.
type shift struct{ by, weight float64 }

// rates is how many rates of what is live the mixture has: .005 apart, which is no more than the standard error after 8,000 votes.
const rates = 200

// newEProcess sets up the mixture: p − q is one of shifts; q has half its weight spread evenly, and half where earlier votes on what is
// live put it. If these mislead, because people or prompts have changed, the test still has the other half.
func newEProcess(alpha, margin float64, before Votes, shifts []shift) eProcess {
	e := eProcess{wanted: -math.Log(alpha), margin: margin}
	known := distuv.Beta{Alpha: 1 + float64(before.Down), Beta: 1 + float64(before.All-before.Down)}
	sum := 0.
	for _, s := range shifts {
		for i := range rates {
			q := (float64(i) + .5) / rates
			p := q + s.by
			if p <= 0 || p >= 1 {
				continue
			}
			w := s.weight * (1 + math.Exp(known.LogProb(q))) / 2
			sum += w
			e.points = append(e.points, point{math.Log(w), math.Log(p), math.Log1p(-p), math.Log(q), math.Log1p(-q)})
		}
	}
	for i := range e.points {
		e.points[i].weight -= math.Log(sum)
	}
	return e
}

// counts is thumbs down and up.
type counts struct{ down, up float64 }

func countsOf(v Votes) counts { return counts{float64(v.Down), float64(v.All - v.Down)} }

func (c counts) rate() float64 { return c.down / (c.down + c.up) }

// at returns the log-likelihood of a rate.
func (c counts) at(rate float64) float64 {
	return times(c.down, math.Log(rate)) + times(c.up, math.Log1p(-rate))
}

// best returns the largest log-likelihood of any rate.
func (c counts) best() float64 {
	if c.down == 0 || c.up == 0 {
		return 0
	}
	return c.at(c.rate())
}

// times is n·x, and 0 for n = 0 whatever x is.
func times(n, x float64) float64 {
	if n == 0 {
		return 0
	}
	return n * x
}

// enough says whether E ≥ 1/α. The mixture is no more than the largest likelihood, which mostly settles it at little cost.
func (e eProcess) enough(canary, live counts) bool {
	null := e.null(canary, live)
	return canary.best()+live.best()-null >= e.wanted && e.mixture(canary, live)-null >= e.wanted
}

// log returns ln E.
func (e eProcess) log(canary, live counts) float64 {
	return e.mixture(canary, live) - e.null(canary, live)
}

func (e eProcess) mixture(canary, live counts) float64 {
	at := func(p *point) float64 {
		return p.weight + canary.down*p.down + canary.up*p.up + live.down*p.down2 + live.up*p.up2
	}
	most := math.Inf(-1)
	for i := range e.points {
		most = max(most, at(&e.points[i]))
	}
	sum := 0.
	for i := range e.points {
		if x := at(&e.points[i]) - most; x > -40 { // what is left out would not change the sum
			sum += math.Exp(x)
		}
	}
	return most + math.Log(sum)
}

// null returns the largest log-likelihood in the hypothesis: that of the observed rates where they are in it, else that of the best
// point on its edge p = q + margin.
func (e eProcess) null(canary, live counts) float64 {
	seen := canary.down+canary.up > 0 && live.down+live.up > 0
	switch d := canary.rate() - live.rate(); {
	case !seen, e.margin == 0 && d <= 0, e.margin > 0 && d >= e.margin:
		return canary.best() + live.best()
	case e.margin == 0:
		return counts{canary.down + live.down, canary.up + live.up}.best()
	}
	// The likelihood is concave along the edge: look for where its slope changes sign.
	low, high := 0., 1-e.margin
	for range 45 {
		q := (low + high) / 2
		p := q + e.margin
		if canary.down/p-canary.up/(1-p)+live.down/q-live.up/(1-q) > 0 {
			low = q
		} else {
			high = q
		}
	}
	q := (low + high) / 2
	return canary.at(q+e.margin) + live.at(q)
}
