package rl

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"plumb/offline/loss"
)

func randomStates(n int, random *rand.Rand) []float32 {
	states := make([]float32, n)
	for i := range states {
		states[i] = float32(10 * random.NormFloat64())
	}
	return states
}

func TestValueHeadGradient(t *testing.T) {
	const width, n = 5, 4
	random := rand.New(rand.NewPCG(1, 2))
	states := randomStates(width*n, random)
	clear(states[width : 2*width]) // a state of zeros has the bias alone
	v := newValueHead(width)
	for i := range v.weights {
		v.weights[i] = float32(random.NormFloat64())
	}
	old, target := []float64{.1, -.4, 2, .3}, []float64{1, -2, 1.5, .25}
	clipped := loss.ClippedValue{Range: 5}
	total := func() (sum float64, d []float64) {
		for i, x := range v.values(states, n) {
			value, dvalue := clipped.Token(x, old[i], target[i])
			sum, d = sum+value, append(d, dvalue)
		}
		return sum, d
	}
	_, d := total()
	v.backward(states, d)
	for i := range v.weights {
		at := v.weights[i]
		const h = 1. / 256
		v.weights[i] = at + h
		up, _ := total()
		v.weights[i] = at - h
		down, _ := total()
		v.weights[i] = at
		if want := (up - down) / (2 * h); math.Abs(float64(v.grad[i])-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("weight %d: %v, differences give %v", i, v.grad[i], want)
		}
	}
	if x := v.values(states, n)[1]; x != float64(v.weights[width]) {
		t.Errorf("a state of zeros is worth %v, the bias is %v", x, v.weights[width])
	}
	// The length of a state does not matter.
	longer := append([]float32(nil), states...)
	for i := range longer {
		longer[i] *= 8
	}
	for i, x := range v.values(longer, n) {
		if math.Abs(x-v.values(states, n)[i]) > 1e-6 {
			t.Errorf("state %d, eight times as long: %v", i, x)
		}
	}
}

// Prompts whose rewards differ: the head learns what each is worth.
func TestValuesAreLearned(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	policy, rewards := newTabular(3, 6, random), randomTable(3, 6, random)
	for p := range rewards {
		for a := range rewards[p] {
			rewards[p][a] += 2 * float64(p)
		}
	}
	r := newRun(Config{Steps: 60, Group: 4, LR: 1e-4, ValueLR: .05, KLTarget: -1, RewardClip: -1}.WithDefaults(), policy, numbered(3))
	r.reward = rewards
	var last Step
	r.each = func(s Step) error {
		if s.Updates > 0 {
			last = s
		}
		return nil
	}
	if err := r.train(context.Background()); err != nil {
		t.Fatal(err)
	}
	if last.Explained == nil || *last.Explained < .6 || *last.ValueLoss < 0 {
		t.Errorf("explained variance %v", *last.Explained)
	}
}
