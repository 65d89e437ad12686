package optim

import (
	"math"

	"plumb/lm/kernel"
)

// AdamW is Adam with the state it carries from step to step. The zero value works; M and V are made at the first step.
// Weight decay is apart, see [Decay].
//
// Kingma & Ba 2015, Algorithm 1, https://arxiv.org/abs/1412.6980; Loshchilov & Hutter 2019, Algorithm 2,
// https://arxiv.org/abs/1711.05101.
type AdamW struct {
	Beta1   float64 // [0, 1); 0 means .9
	Beta2   float64 // [0, 1); 0 means .999
	Epsilon float64 // 0 means 1e-8

	T    int       // steps made
	M, V []float32 // running means of gradient and squared gradient, as long as the parameters
}

// Step updates params by one step along grad at learning rate lr. Both must keep their length from step to step, else it
// panics. Cost: one pass over four slices.
func (a *AdamW) Step(params, grad []float32, lr float64) {
	if a.M == nil {
		a.M, a.V = make([]float32, len(params)), make([]float32, len(params))
	}
	if len(grad) != len(params) || len(a.M) != len(params) || len(a.V) != len(params) {
		panic("optim: AdamW.Step: slices differ in length")
	}
	a.T++
	beta1, beta2, epsilon := or(a.Beta1, .9), or(a.Beta2, .999), or(a.Epsilon, 1e-8)
	size := float32(lr / (1 - math.Pow(beta1, float64(a.T))))
	root := float32(1 / math.Sqrt(1-math.Pow(beta2, float64(a.T))))
	b1, b2, eps := float32(1-beta1), float32(1-beta2), float32(epsilon)
	kernel.Parallel(tiles(len(params)), func(i int) {
		from, to := span(i, len(params))
		p, g, m, v := params[from:to], grad[from:to], a.M[from:to], a.V[from:to]
		for k, gk := range g {
			// The conversions forbid fused multiply-adds, so that every machine gives the same bits.
			m[k] += float32(b1 * (gk - m[k]))
			v[k] += float32(b2 * (float32(gk*gk) - v[k]))
			denominator := float32(float32(math.Sqrt(float64(v[k])))*root) + eps
			p[k] -= float32(size*m[k]) / denominator
		}
	})
}

// Decay shrinks params by the share lr·weightDecay, the decoupled weight decay of AdamW; call it before [AdamW.Step], on the
// tensors that are to decay (matrices, not the scales of normalisations).
func Decay(params []float32, lr, weightDecay float64) {
	if weightDecay != 0 {
		kernel.Scale(float32(1-lr*weightDecay), params)
	}
}

func or(x, byDefault float64) float64 {
	if x == 0 {
		return byDefault
	}
	return x
}
