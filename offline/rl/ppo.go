package rl

import (
	"plumb/offline/loss"
)

// PPO is proximal policy optimisation as RLHF uses it: each token is an action; its reward is −β·log π/π_ref, and the last one's also
// the reply's score; advantages are generalised advantage estimates over a value function, whitened over the batch.
//
// Schulman et al. 2017, https://arxiv.org/abs/1707.06347; Ziegler et al. 2019, §2.2, https://arxiv.org/abs/1909.08593.
type PPO struct {
	Gamma  float64 // discount a token; 0 means 1
	Lambda float64 // of the generalised advantage; 0 means .95
}

func (p PPO) estimate(batch []rollout, _ int, beta float64) {
	gae := loss.GAE{Gamma: p.Gamma, Lambda: p.Lambda}
	var all []float64
	for i := range batch {
		r := &batch[i]
		rewards := make([]float64, len(r.tokens))
		for t := range rewards {
			rewards[t] = -beta * (r.old[t] - r.ref[t])
		}
		rewards[len(rewards)-1] += r.score
		r.advantages, r.returns = gae.Estimate(rewards, r.values, 0)
		all = append(all, r.advantages...)
	}
	all = loss.Whiten(all)
	for i := range batch {
		n := len(batch[i].advantages)
		batch[i].advantages, all = all[:n:n], all[n:]
	}
}

func (PPO) critic() bool { return true }
