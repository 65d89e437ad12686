package loss

import "math"

// Entropy returns the entropy, in nats, of the distribution softmax(logits), and stores its partials −p_i·(log p_i + H) in dlogits
// if that is not nil. It is 0 of no logits; dlogits must be as long as logits.
func Entropy(logits, dlogits []float64) (entropy float64) {
	if len(logits) == 0 {
		return 0
	}
	largest := math.Inf(-1)
	for _, x := range logits {
		largest = max(largest, x)
	}
	sum := 0.
	for _, x := range logits {
		sum += math.Exp(x - largest)
	}
	lse := largest + math.Log(sum)
	for _, x := range logits {
		entropy -= math.Exp(x-lse) * (x - lse)
	}
	if dlogits != nil {
		for i, x := range logits {
			dlogits[i] = -math.Exp(x-lse) * (x - lse + entropy)
		}
	}
	return entropy
}
