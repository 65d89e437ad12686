package loss

// ClippedValue is the loss of one value of a value function, which is kept near the value it had when the episode was drawn:
//
//	L = ½·max((V − R)², (V_old + clip(V − V_old, −ε, ε) − R)²).
//
// The value's unit is the reward's, and so is ε's.
//
// Schulman et al. 2016 keep values near by a trust region (Eq. 28 of https://arxiv.org/abs/1506.02438); this form is that of OpenAI Baselines
// (ppo2) and of TRL.
type ClippedValue struct {
	Range float64 // ε; 0 means .2
}

// Token returns the loss with its partial in value. target is the return R.
func (l ClippedValue) Token(value, old, target float64) (loss, dvalue float64) {
	epsilon := or(l.Range, .2)
	free, held := value-target, max(old-epsilon, min(old+epsilon, value))-target
	if free*free >= held*held {
		return .5 * free * free, free
	}
	return .5 * held * held, 0
}
