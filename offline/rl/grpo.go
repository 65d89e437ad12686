package rl

import "plumb/offline/loss"

// GRPO is group relative policy optimisation: a reply is as good as it is above the mean of its group, in the group's standard
// deviations. That makes Beta count in deviations of the present policy's rewards, which shrink as it learns; Unscaled keeps the unit
// of the reference. The loss is a mean over the tokens of a minibatch, not first over each reply: dividing by a reply's own
// length would favour long replies among the bad ones (Liu et al. 2025, §3.1).
//
// Shao et al. 2024, Eq. 3 and §4.1.2, https://arxiv.org/abs/2402.03300; Liu et al. 2025 (Dr. GRPO), https://arxiv.org/abs/2503.20783.
type GRPO struct {
	Unscaled bool // not divided by the standard deviation
}

func (g GRPO) estimate(batch []rollout, group int, beta float64) {
	perGroup(batch, group, beta, loss.GroupRelative{Unscaled: g.Unscaled}.Advantages)
}

func (GRPO) critic() bool { return false }
