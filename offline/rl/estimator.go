package rl

// estimator is an algorithm: it makes advantages of rewards.
type estimator interface {
	// estimate sets the advantages of a batch, in which each group of neighbours answers one prompt, and the returns if it is a
	// critic. beta is what a nat of KL costs within the reward; 0 where the KL stands in the loss.
	estimate(batch []rollout, group int, beta float64)
	// critic says whether it needs the values of the rollouts.
	critic() bool
}

// perGroup sets the advantage of all tokens of a reply to what compare makes of the rewards of its group, each the score less
// beta times its KL.
func perGroup(batch []rollout, group int, beta float64, compare func(rewards []float64) []float64) {
	rewards := make([]float64, group)
	for from := 0; from < len(batch); from += group {
		replies := batch[from : from+group]
		for i := range replies {
			rewards[i] = replies[i].score - beta*replies[i].kl()
		}
		for i, a := range compare(rewards) {
			r := &replies[i]
			r.advantages = make([]float64, len(r.tokens))
			for t := range r.advantages {
				r.advantages[t] = a
			}
		}
	}
}
