package optim

import (
	"math"

	"plumb/lm/kernel"
)

// Norm returns the Euclidean norm of grad, summed in float64; NaN or +Inf if an element is not finite.
func Norm(grad []float32) float64 {
	sums := make([]float64, tiles(len(grad)))
	kernel.Parallel(len(sums), func(i int) {
		from, to := span(i, len(grad))
		for _, g := range grad[from:to] {
			sums[i] += float64(g) * float64(g)
		}
	})
	total := 0.
	for _, s := range sums {
		total += s
	}
	return math.Sqrt(total)
}

// Clip scales grad by min(1, limit/(norm + 1e-6)) and returns the norm before; limit 0 only measures. The 1e-6 is
// PyTorch's. A gradient that is not finite is left as it is: the caller sees the norm.
func Clip(grad []float32, limit float64) (norm float64) {
	norm = Norm(grad)
	scale := limit / (norm + 1e-6)
	if limit > 0 && scale < 1 && !math.IsInf(norm, 0) {
		kernel.Parallel(tiles(len(grad)), func(i int) {
			from, to := span(i, len(grad))
			kernel.Scale(float32(scale), grad[from:to])
		})
	}
	return norm
}
