package rl

// control adapts the KL coefficient so that the KL holds a target, proportionally to the error in log space:
//
//	e = clip((KL − target)/target, −.2, .2),  β ← β·(1 + gain·e).
//
// Ziegler et al. 2019, §2.2, https://arxiv.org/abs/1909.08593.
type control struct {
	Target float64 // nats a reply; −1 leaves β as it is
	Gain   float64 // K_β
}

func (c control) next(beta, kl float64) float64 {
	if c.Target < 0 {
		return beta
	}
	e := max(-.2, min(.2, (kl-c.Target)/c.Target))
	return beta * (1 + c.Gain*e)
}
