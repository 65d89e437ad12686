package rl

import "plumb/offline/loss"

// RLOO is REINFORCE with a leave-one-out baseline: a reply is as good as it is better than the mean of the other replies to its prompt.
// The reply as a whole is the action, so all its tokens have one advantage. It needs no value function. Beyond the paper, several
// updates are made of a batch, with the ratio of each token clipped.
//
// Kool et al. 2019, Eq. 8, https://openreview.net/forum?id=r1lgTGL5DE; Ahmadian et al. 2024, Eq. 6, https://arxiv.org/abs/2402.14740.
type RLOO struct{}

func (RLOO) estimate(batch []rollout, group int, beta float64) {
	perGroup(batch, group, beta, loss.LeaveOneOut)
}

func (RLOO) critic() bool { return false }
