package kernel

import "math"

// Softmax replaces x by exp(x[i]) / Σ exp(x[j]), and returns log Σ exp(x[j]) as LogSumExp does. The values add up to
// 1 within 1e-6. −Inf becomes 0, unless all are; NaN or +Inf anywhere, or −Inf everywhere, makes every value NaN. An
// empty x is left alone.
func Softmax(x []float32) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	top := active.max(x)
	sum := active.expSum(x, x, top)
	active.scale(float32(1/sum), x)
	return float64(top) + math.Log(sum)
}

// LogSumExp returns log Σ exp(x[i]) in float64: the exponentials, relative to the largest, are float32 with a
// relative error below 3e-7 where they matter, their sum is float64. It is −Inf if x is empty or all of it is −Inf,
// +Inf if one of x is +Inf, and NaN if one is NaN.
func LogSumExp(x []float32) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	top := float64(active.max(x))
	if math.IsInf(top, 0) && !hasNaN(x) {
		return top
	}
	return top + math.Log(active.expSum(nil, x, float32(top)))
}

func hasNaN(x []float32) bool {
	for _, v := range x {
		if v != v {
			return true
		}
	}
	return false
}
