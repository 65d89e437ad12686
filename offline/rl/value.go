package rl

import (
	"math"

	"plumb/offline/optim"
)

// valueHead is PPO's value function: what reward is still to come, linear in what the policy knows before a token,
//
//	V = w·h/‖h‖ + b,
//
// h being the final hidden state. The state is scaled to length 1 so that one rate of learning suits all models. No gradient goes on
// from here into the policy: the adapter is moved by the policy's loss alone, whose KL is what budget and target are about; a value
// loss that reached it would move the policy for reasons that neither of them sees.
type valueHead struct {
	weights []float32 // width + 1, the last of them b
	grad    []float32
	adam    optim.AdamW
}

func newValueHead(width int) *valueHead {
	zeros := func() []float32 { return make([]float32, width+1) }
	return &valueHead{weights: zeros(), grad: zeros(), adam: optim.AdamW{M: zeros(), V: zeros()}}
}

// values returns the values of n states.
func (v *valueHead) values(states []float32, n int) []float64 {
	width := len(v.weights) - 1
	all := make([]float64, n)
	for t := range all {
		h := states[t*width : (t+1)*width]
		dot := 0.
		for i, x := range h {
			dot += float64(v.weights[i]) * float64(x)
		}
		all[t] = dot*inverseNorm(h) + float64(v.weights[width])
	}
	return all
}

// backward adds the gradient of Σ dvalues·V of the states.
func (v *valueHead) backward(states []float32, dvalues []float64) {
	width := len(v.weights) - 1
	for t, d := range dvalues {
		h := states[t*width : (t+1)*width]
		scaled := d * inverseNorm(h)
		for i, x := range h {
			v.grad[i] += float32(scaled * float64(x))
		}
		v.grad[width] += float32(d)
	}
}

// step moves the weights along the gradient.
func (v *valueHead) step(lr float64) { v.adam.Step(v.weights, v.grad, lr) }

// inverseNorm is 1/‖h‖, 0 for a state of zeros.
func inverseNorm(h []float32) float64 {
	sum := 0.
	for _, x := range h {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return 0
	}
	return 1 / math.Sqrt(sum)
}
