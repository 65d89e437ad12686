package lm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sketchTrees is a batch in which everything differs: prompts, numbers of branches, lengths, an empty branch.
var sketchTrees = []Tree{
	{[]int32{0, 5, 9, 30}, [][]int32{{40, 41, 42, 1}, {50, 1}, {}, {60}}},
	{[]int32{7}, [][]int32{{80, 81, 82, 83, 40, 40, 1}}},
}

// weighted returns Σ w·logprob, with weights that depend on the place, and those weights.
func weighted(logprobs [][][]float64) (sum float64, w [][][]float64) {
	k := 0.
	for _, tree := range logprobs {
		var wt [][]float64
		for _, branch := range tree {
			wb := make([]float64, len(branch))
			for i, logp := range branch {
				k++
				wb[i] = math.Sin(1.7 * k)
				sum += wb[i] * logp
			}
			wt = append(wt, wb)
		}
		w = append(w, wt)
	}
	return sum, w
}

// Analytic gradients equal central differences, tensor by tensor, along the gradient and along random directions.
func TestGradientsEqualCentralDifferences(t *testing.T) {
	for name, s := range sketches() {
		t.Run(name, func(t *testing.T) {
			m := s.open(t, 3)
			ad, err := m.NewAdapter(LoRA{Rank: 3, Alpha: 5, Seed: 8})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(5, 5))
			for i := range ad.Data { // B is zero when made; at zero the gradient of A would be zero too
				ad.Data[i] += float32(.3 * r.NormFloat64())
			}
			t.Run("adapter", func(t *testing.T) { checkGradient(t, m, ad, ad.Params, r) })
			t.Run("weights", func(t *testing.T) { checkGradient(t, m, nil, m.Weights(), r) })
		})
	}
}

func checkGradient(t *testing.T, m *Model, ad *Adapter, params *Params, r *rand.Rand) {
	value := func() float64 {
		p := forward(t, m, ad, false, sketchTrees...)
		defer p.Release()
		v, _ := weighted(p.Logprobs)
		return v
	}
	p := forward(t, m, ad, true, sketchTrees...)
	_, w := weighted(p.Logprobs)
	grad := params.ZeroLike()
	p.Backward(w, grad)
	p.Release()
	for _, tensor := range params.Tensors {
		x, g := params.Tensor(tensor.Name), grad.Tensor(tensor.Name)
		norm := math.Sqrt(float64(dot64(g, g)))
		if norm == 0 {
			t.Errorf("%s: the gradient is zero", tensor.Name)
			continue
		}
		before := slices.Clone(x)
		for try := range 3 {
			direction := make([]float64, len(x))
			length := 0.
			for i := range direction {
				direction[i] = r.NormFloat64()
				if try == 0 {
					direction[i] = float64(g[i])
				}
				length += direction[i] * direction[i]
			}
			const h = 2e-3 // differences of fourth order, since the values are float32 and h cannot be small
			step := func(sign float64) float64 {
				for i := range x {
					x[i] = before[i] + float32(sign*h*direction[i]/math.Sqrt(length))
				}
				return value()
			}
			numeric := (8*(step(1)-step(-1)) - (step(2) - step(-2))) / (12 * h)
			copy(x, before)
			analytic := 0.
			for i := range g {
				analytic += float64(g[i]) * direction[i] / math.Sqrt(length)
			}
			if !(math.Abs(numeric-analytic) < 4e-3*norm+2e-3) {
				t.Errorf("%s: direction %d: slope %v, by differences %v (norm of the gradient %v)", tensor.Name, try, analytic, numeric, norm)
			}
		}
	}
}

func dot64(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Activations that are computed again give the same bits as those that were kept.
func TestActivationsComputedAgainGiveTheSameGradient(t *testing.T) {
	for name, s := range sketches() {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, all weights %v", name, full), func(t *testing.T) { checkAgain(t, s, full) })
		}
	}
}

func checkAgain(t *testing.T, s sketch, full bool) {
	s.layers = 4
	run := func(bytes int) ([]float32, [][][]float64) {
		m := s.open(t, 9)
		m.ActivationBytes = bytes
		var ad *Adapter
		params := m.params
		if !full {
			var err error
			if ad, err = m.NewAdapter(LoRA{Rank: 2}); err != nil {
				t.Fatal(err)
			}
			params = ad.Params
		}
		grad := params.ZeroLike()
		p := forward(t, m, ad, true, sketchTrees...)
		if again := p.layers[0].n1 == nil; again != (bytes == 1) {
			t.Errorf("%d bytes: computed again: %v", bytes, again)
		}
		_, w := weighted(p.Logprobs)
		p.Backward(w, grad)
		p.Release()
		return grad.Data, p.Logprobs
	}
	kept, logprobs := run(0)
	again, logprobsAgain := run(1)
	if !slices.Equal(kept, again) {
		t.Error("the gradients differ")
	}
	a, _ := weighted(logprobs)
	b, _ := weighted(logprobsAgain)
	if a != b {
		t.Errorf("the log-probs differ: %v, %v", a, b)
	}
}

// Gradients of trees add up: a batch has the gradient of its parts, and branches of one tree that of trees of their own.
func TestGradientsOfTreesAddUp(t *testing.T) {
	m := sketch{}.open(t, 11)
	whole, parts := m.params.ZeroLike(), m.params.ZeroLike()
	p := forward(t, m, nil, true, sketchTrees...)
	_, w := weighted(p.Logprobs)
	p.Backward(w, whole)
	p.Release()
	for i, tree := range sketchTrees {
		for j, branch := range tree.Branches {
			p := forward(t, m, nil, true, Tree{tree.Prompt, [][]int32{branch}})
			p.Backward([][][]float64{{w[i][j]}}, parts)
			p.Release()
		}
	}
	for i := range parts.Data {
		parts.Data[i] -= whole.Data[i]
	}
	if rel := math.Sqrt(dot64(parts.Data, parts.Data) / dot64(whole.Data, whole.Data)); !(rel < 1e-5) {
		t.Errorf("relative difference %v", rel)
	}
}

func TestBackwardPanicsOnMisuse(t *testing.T) {
	m := sketch{}.open(t, 1)
	ad, err := m.NewAdapter(LoRA{Rank: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"not kept":     func() { forward(t, m, ad, false, sketchTrees...).Backward(nil, ad.ZeroLike()) },
		"wrong layout": func() { forward(t, m, ad, true, sketchTrees...).Backward(nil, m.params.ZeroLike()) },
		"twice": func() {
			p := forward(t, m, ad, true, sketchTrees...)
			_, w := weighted(p.Logprobs)
			p.Backward(w, ad.ZeroLike())
			p.Backward(w, ad.ZeroLike())
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
