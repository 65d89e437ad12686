package loss

import "math"

// Clipped is PPO's policy loss of one token that an older policy drew, ρ = π/π_old being the ratio of its probabilities:
//
//	L = −min(ρ·A, clip(ρ, 1 − ε, 1 + ε)·A).
//
// Once a token's ratio has moved ε in the direction of its advantage it pulls no further; the other way it always pulls back.
//
// Schulman et al. 2017, Eq. 7, https://arxiv.org/abs/1707.06347.
type Clipped struct {
	Range float64 // ε; 0 means .2
}

// Token returns the loss with its partial in logp, log π of the token; old is log π_old, in nats both. held says that the clip holds
// the token, which then does not pull; the share of such tokens tells how hard the clipping works.
func (l Clipped) Token(logp, old, advantage float64) (loss, dlogp float64, held bool) {
	epsilon, ratio := or(l.Range, .2), ratioOf(logp, old)
	free, bound := ratio*advantage, max(1-epsilon, min(1+epsilon, ratio))*advantage
	if free <= bound {
		return -free, -free, false // dρ/dlogp = ρ
	}
	return -bound, 0, true
}

// largestLogRatio is where ratios of probabilities stop growing, so that they and products of two stay finite. No policy in training
// gets there.
const largestLogRatio = 300

// ratioOf returns e^(a − b).
func ratioOf(a, b float64) float64 { return math.Exp(min(a-b, largestLogRatio)) }
