package rm

import "math"

// The losses of this file are pure: a value in nats and its partial derivatives, by the stable forms. Each is convex in
// the rewards, and rewards are linear in the weights, so that every fit has one optimum.

// softplus returns log(1 + e^x) without overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// sigmoid returns 1/(1 + e^−x) without overflow.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// BradleyTerry returns the loss of a comparison whose reward difference, less the margin wanted, is z,
//
//	−t·log σ(z) − (1 − t)·log σ(−z),
//
// with its first and second derivative in z. The target t in [0, 1] is the probability that the first reply is the
// better one: 1 for a clean vote, 1 − ε under label smoothing, ½ for a tie taken as half a win each.
//
// Bradley & Terry 1952; margin as in Touvron et al. 2023, Eq. 2, https://arxiv.org/abs/2307.09288.
func BradleyTerry(z, t float64) (loss, dz, dzz float64) {
	s := sigmoid(z)
	return t*softplus(-z) + (1-t)*softplus(z), s - t, s * sigmoid(-z)
}

// Outcome says how a comparison ended.
type Outcome struct {
	Win, Lose, Tie float64 // probabilities that sum to 1
}

// Davidson returns the loss of a comparison that may end in a tie, d being the reward difference and eta = log ν how
// common ties are,
//
//	P(win) = e^{d/2}/Z,  P(lose) = e^{−d/2}/Z,  P(tie) = ν/Z,  Z = e^{d/2} + e^{−d/2} + ν,
//
// −Σ o·log P(o), with the partials in d and eta. It is convex in (d, eta) together; eta = −Inf is [BradleyTerry].
//
// Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments", §2.
func Davidson(d, eta float64, o Outcome) (loss, dd, deta float64) {
	top := max(math.Abs(d)/2, eta)
	win, lose, tie := math.Exp(d/2-top), math.Exp(-d/2-top), math.Exp(eta-top)
	sum := win + lose + tie
	logZ := top + math.Log(sum)
	win, lose, tie = win/sum, lose/sum, tie/sum
	loss = logZ - (o.Win-o.Lose)*d/2
	if o.Tie > 0 {
		loss -= o.Tie * eta
	}
	return loss, (win - lose - o.Win + o.Lose) / 2, tie - o.Tie
}

// Thumb returns the loss of a thumb (target 1 up, 0 down, or between) on a reply of reward r,
//
//	−t·log σ(r − o) − (1 − t)·log σ(o − r),
//
// with its partial in r; that in o is −dr. The outside option o is the reward at which a reply is as often liked as not:
// a best candidate below it is not good enough.
func Thumb(r, o, t float64) (loss, dr float64) {
	loss, dr, _ = BradleyTerry(r-o, t)
	return loss, dr
}

// Listwise returns the loss of choosing reply 0 out of a list with the given rewards,
//
//	−r₀/τ + log( (1/n) Σⱼ e^{rⱼ/τ} ),
//
// and stores its partials in grad, which must be as long. With a demonstration as reply 0 and own candidates of the base
// model as the others it is maximum-entropy inverse reinforcement learning with a prior: the candidates are draws from
// the base model, so that its probabilities cancel (Finn et al. 2016, Eq. 4, https://arxiv.org/abs/1603.00448). Of two
// replies it is [BradleyTerry] at τ = 1, less log 2. It panics if rewards is empty or tau is not positive.
func Listwise(rewards []float64, tau float64, grad []float64) float64 {
	if len(rewards) == 0 || !(tau > 0) {
		panic("rm: listwise loss: no rewards, or tau ≤ 0")
	}
	top := rewards[0]
	for _, r := range rewards {
		top = max(top, r)
	}
	sum := 0.0
	for i, r := range rewards {
		grad[i] = math.Exp((r - top) / tau)
		sum += grad[i]
	}
	for i := range grad[:len(rewards)] {
		grad[i] /= sum * tau
	}
	grad[0] -= 1 / tau
	return (top-rewards[0])/tau + math.Log(sum/float64(len(rewards)))
}
