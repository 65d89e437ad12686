package loss

import "math"

// sigmoid returns σ(x) = 1/(1 + e^{−x}) without overflow. 1 − σ(x) is sigmoid(−x), which keeps its digits.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// logSigmoid returns log σ(x) = −log(1 + e^{−x}) without overflow.
func logSigmoid(x float64) float64 {
	return math.Min(x, 0) - math.Log1p(math.Exp(-math.Abs(x)))
}

// dsigmoid returns σ′(x) = σ(x)·σ(−x).
func dsigmoid(x float64) float64 { return sigmoid(x) * sigmoid(-x) }
