package loss

import "math"

// DiscoPOP is the log-ratio modulated loss that a language model found, a blend of the logistic and the exponential loss:
//
//	L = −log σ(βΔ)·(1−m) + e^{−βΔ}·m,  m = σ(βΔ/τ).
//
// Lu et al. 2024, Eq. 5, https://arxiv.org/abs/2406.08414.
type DiscoPOP struct {
	Beta float64 // 0 means .1
	Tau  float64 // 0 means .05
}

// Pair implements [Pairwise].
func (l DiscoPOP) Pair(p Pair) (loss, dchosen, drejected float64) {
	beta, tau := or(l.Beta, DefaultBeta), or(l.Tau, .05)
	x := beta * p.delta()
	m, rest := sigmoid(x/tau), sigmoid(-x/tau)
	// e^{−x} overflows where m vanishes: multiply in logarithms.
	exponential := math.Exp(-x + logSigmoid(x/tau))
	logistic := -logSigmoid(x)
	dm := m * rest / tau
	dx := -sigmoid(-x)*rest - logistic*dm - exponential + exponential*rest/tau
	return logistic*rest + exponential, beta * dx, -beta * dx
}

// Reference implements [Pairwise].
func (DiscoPOP) Reference() bool { return true }
