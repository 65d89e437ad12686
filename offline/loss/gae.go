package loss

// GAE is generalised advantage estimation: how much better a step of an episode turned out than its value said,
//
//	A_t = Σ_k (γλ)^k·δ_{t+k},  δ_t = r_t + γ·V_{t+1} − V_t.
//
// λ = 1 is the return less the value, without bias; smaller λ trusts the values more, which takes variance away.
//
// Schulman et al. 2016, Eq. 16, https://arxiv.org/abs/1506.02438.
type GAE struct {
	Gamma  float64 // γ, discount a step, (0, 1]; 0 means 1
	Lambda float64 // λ, (0, 1]; 0 means .95, −1 means none: the values alone say what follows
}

// Estimate returns the advantages of an episode's steps, and their returns A_t + V_t, which the values are to be fitted to. last is the
// value after the last step, 0 where the episode ends there. It panics if rewards and values differ in length.
func (g GAE) Estimate(rewards, values []float64, last float64) (advantages, returns []float64) {
	if len(rewards) != len(values) {
		panic("loss: GAE.Estimate: rewards and values differ in length")
	}
	gamma, lambda := or(g.Gamma, 1), max(0, or(g.Lambda, .95))
	advantages, returns = make([]float64, len(rewards)), make([]float64, len(rewards))
	next, sum := last, 0.
	for t := len(rewards) - 1; t >= 0; t-- {
		sum = rewards[t] + gamma*next - values[t] + gamma*lambda*sum
		advantages[t], returns[t] = sum, sum+values[t]
		next = values[t]
	}
	return advantages, returns
}
