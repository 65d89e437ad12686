package kernel

import "math"

// SoftCap replaces each x[i] by limit·tanh(x[i]/limit), which lies between −limit and limit (Bello et al. 2016,
// https://arxiv.org/abs/1611.09940; Gemma 2's soft caps).
func SoftCap(limit float32, x []float32) {
	for i, v := range x {
		x[i] = limit * float32(math.Tanh(float64(v/limit)))
	}
}

// SoftCapBackward multiplies each gradient dx[i] by the slope of SoftCap, 1 − (y[i]/limit)², where y is its result. It panics
// if the lengths differ.
func SoftCapBackward(limit float32, dx, y []float32) {
	sameLength("SoftCapBackward", len(y), dx)
	for i, v := range y {
		r := v / limit
		dx[i] *= (1 - r) * (1 + r)
	}
}
