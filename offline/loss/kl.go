package loss

import "math"

// Estimates of KL(π‖q) from one token that π drew, logp and ref being its log-probs under π and q, in nats. Each returns the estimate
// with its partial in logp. Sums over the tokens of a reply estimate the KL of whole replies.
//
// Schulman 2020, http://joschu.net/blog/kl-approx.html.

// K1 is log π − log q: without bias, but of high variance and negative half of the time. Its place is the reward: as a loss its
// partial says nothing, for the expected gradient of log π is 0.
func K1(logp, ref float64) (kl, dlogp float64) { return logp - ref, 1 }

// K3 is e^d − 1 − d with d = log q − log π: without bias, never negative, of low variance where π is near q. As a loss term (Shao et al.
// 2024, Eq. 4, https://arxiv.org/abs/2402.03300) its partial 1 − e^d follows the KL's gradient near q alone: see [ReverseKL].
func K3(logp, ref float64) (kl, dlogp float64) {
	d := min(ref-logp, largestLogRatio)
	return math.Expm1(d) - d, -math.Expm1(d)
}

// ReverseKL is [K3] as a loss term for a token that an older policy drew: ρ·k3, ρ = π/π_old. Its partial is −ρ·d, so that its expected
// gradient is that of KL(π‖q), which the partial of k3 alone is not; with it the optimum is π ∝ q·e^(A/β).
//
// Tang & Munos 2025, https://arxiv.org/abs/2506.09477; DeepSeek-AI 2025 (V3.2), §3.1, https://arxiv.org/abs/2512.02556.
func ReverseKL(logp, old, ref float64) (kl, dlogp float64) {
	ratio := ratioOf(logp, old)
	k3, _ := K3(logp, ref)
	return ratio * k3, -ratio * min(ref-logp, largestLogRatio)
}

// ApproxKL estimates KL(π_old‖π) a token from tokens that π_old drew: how far an update has moved the policy. k1 is the mean of log π_old
// − log π, k3 that of ρ − 1 − log ρ, which is never negative. Both are 0 of no tokens.
func ApproxKL(logp, old []float64) (k1, k3 float64) {
	n := float64(max(1, len(logp)))
	for t := range logp {
		a, _ := K1(old[t], logp[t])
		b, _ := K3(old[t], logp[t])
		k1, k3 = k1+a/n, k3+b/n
	}
	return k1, k3
}
