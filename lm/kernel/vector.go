package kernel

import (
	"fmt"
	"math"
)

func sameLength(name string, want int, slices ...[]float32) {
	for _, s := range slices {
		if len(s) != want {
			panic(fmt.Sprintf("kernel: %s: slices of %d and %d values", name, want, len(s)))
		}
	}
}

// Dot returns Σ a[i]·b[i], summed in a fixed order in float32. It panics if the lengths differ.
func Dot(a, b []float32) float32 {
	sameLength("Dot", len(a), b)
	return active.dot(a, b)
}

// Axpy adds alpha·x[i] to y[i]. It panics if the lengths differ.
func Axpy(alpha float32, x, y []float32) {
	sameLength("Axpy", len(x), y)
	active.axpy(alpha, x, y)
}

// Scale multiplies each x[i] by alpha.
func Scale(alpha float32, x []float32) { active.scale(alpha, x) }

func dotGo(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func axpyGo(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}

func scaleGo(alpha float32, x []float32) {
	for i := range x {
		x[i] *= alpha
	}
}

func maxGo(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}
