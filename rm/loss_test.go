package rm

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
)

// slope is the central difference of f at x.
func slope(f func(float64) float64, x float64) float64 {
	return fd.Derivative(f, x, &fd.Settings{Formula: fd.Central, Step: 1e-6})
}

func TestDerivativesOfLosses(t *testing.T) {
	for _, z := range []float64{-3.7, -.4, .013, 1.9, 11} {
		for _, target := range []float64{0, .13, .5, 1} {
			_, dz, dzz := BradleyTerry(z, target)
			if want := slope(func(z float64) float64 { l, _, _ := BradleyTerry(z, target); return l }, z); math.Abs(dz-want) > 1e-8 {
				t.Errorf("BradleyTerry(%v, %v): slope %v, want %v", z, target, dz, want)
			}
			if want := slope(func(z float64) float64 { _, d, _ := BradleyTerry(z, target); return d }, z); math.Abs(dzz-want) > 1e-8 {
				t.Errorf("BradleyTerry(%v, %v): curvature %v, want %v", z, target, dzz, want)
			}
			_, dr := Thumb(z, .7, target)
			if want := slope(func(r float64) float64 { l, _ := Thumb(r, .7, target); return l }, z); math.Abs(dr-want) > 1e-8 {
				t.Errorf("Thumb(%v, .7, %v): slope %v, want %v", z, target, dr, want)
			}
		}
		for _, eta := range []float64{-2.3, .4, 3.1} {
			for _, o := range []Outcome{{Win: 1}, {Tie: 1}, {Win: .6, Lose: .3, Tie: .1}} {
				_, dd, deta := Davidson(z, eta, o)
				if want := slope(func(d float64) float64 { l, _, _ := Davidson(d, eta, o); return l }, z); math.Abs(dd-want) > 1e-8 {
					t.Errorf("Davidson(%v, %v, %v): slope %v, want %v", z, eta, o, dd, want)
				}
				if want := slope(func(e float64) float64 { l, _, _ := Davidson(z, e, o); return l }, eta); math.Abs(deta-want) > 1e-8 {
					t.Errorf("Davidson(%v, %v, %v): slope in eta %v, want %v", z, eta, o, deta, want)
				}
			}
		}
	}
	for _, tau := range []float64{.3, 1, 2.5} {
		r := []float64{.4, -1.2, 3.3, .05}
		grad := make([]float64, len(r))
		Listwise(r, tau, grad)
		want := fd.Gradient(nil, func(x []float64) float64 { return Listwise(x, tau, make([]float64, len(x))) }, r, &fd.Settings{Formula: fd.Central, Step: 1e-6})
		if d := floats.Distance(grad, want, math.Inf(1)); d > 1e-8 {
			t.Errorf("Listwise at tau %v: gradient %v, want %v", tau, grad, want)
		}
	}
}

func TestLossesAtTheEdges(t *testing.T) {
	inf := math.Inf(-1)
	for _, z := range []float64{-1e3, -40, 0, 40, 1e3} {
		l, d, dd := BradleyTerry(z, 1)
		if want := max(-z, 0); math.Abs(l-want) > math.Log(2)+1e-12 || math.IsNaN(d+dd) {
			t.Errorf("BradleyTerry(%v, 1) = %v, %v, %v", z, l, d, dd)
		}
		// Without ties Davidson's model is Bradley and Terry's.
		dl, dd1, deta := Davidson(z, inf, Outcome{Win: 1})
		if math.Abs(dl-l) > 1e-12*(1+l) || math.Abs(dd1-d) > 1e-12 || deta != 0 {
			t.Errorf("Davidson(%v, -Inf) = %v, %v, %v; want %v, %v, 0", z, dl, dd1, deta, l, d)
		}
		// A list of two is a comparison, less log 2.
		grad := make([]float64, 2)
		if got := Listwise([]float64{z, 0}, 1, grad); math.Abs(got-(l-math.Log(2))) > 1e-12*(1+l) || math.Abs(grad[0]-d) > 1e-12 || math.Abs(grad[0]+grad[1]) > 1e-15 {
			t.Errorf("Listwise({%v, 0}) = %v, %v; want %v, %v", z, got, grad, l-math.Log(2), d)
		}
		// The chances of winning, losing and a tie sum to one, and swapping sides swaps the first two.
		sum := 0.0
		for _, o := range []Outcome{{Win: 1}, {Lose: 1}, {Tie: 1}} {
			l, _, _ := Davidson(z, 1.3, o)
			sum += math.Exp(-l)
			if s, _, _ := Davidson(-z, 1.3, Outcome{Win: o.Lose, Lose: o.Win, Tie: o.Tie}); math.Abs(l-s) > 1e-9 {
				t.Errorf("Davidson(%v, 1.3, %v) = %v, swapped %v", z, o, l, s)
			}
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("probabilities at %v sum to %v", z, sum)
		}
	}
	if got := Listwise([]float64{2}, 1, make([]float64, 1)); got != 0 {
		t.Errorf("a list of one costs %v", got)
	}
}

// mixed is an objective with every kind of term over a few dense and sparse columns.
func mixed() *objective {
	m := &matrix{nd: 3, ns: 4, start: []int{0},
		dense: []float64{.3, -1, .2, 1.4, .5, -.7, -.2, .9, 1.1, .6, -.4, .8}}
	for i := range 4 {
		m.index = append(m.index, int32(i), int32((i+1)%4))
		m.value = append(m.value, .5+.3*float32(i), -.8)
		m.start = append(m.start, len(m.index))
	}
	return &objective{m: m, anchor: []float64{.4, -.3, 1.2}, denseL2: .7, sparseL2: .2, centre: .05, ties: true, scale: []float64{1.3, .4},
		comparisons: []comparison{{a: 0, b: 1, target: .9, weight: 1.5, margin: .3}, {a: 2, b: 0, group: 1, tie: true, weight: .8}, {a: 3, b: 2, target: 1, weight: 1}},
		judgements:  []judgement{{row: 1, target: 1, weight: 1}, {row: 3, group: 1, target: .25, weight: 2}},
		choices: []choice{{rows: []int32{2, 0, 1, 3}, tau: .7, weight: 1.2},
			{rows: []int32{1, 3, 0}, shares: logShares([]float64{.9, -.4}, 0), tau: 1.6, weight: .7, group: 1, demonstration: true}}}
}

func TestGradientOfTheObjective(t *testing.T) {
	o := mixed()
	for _, at := range [][]float64{
		{0, 0, 0, 0, 0, 0, 0, 0, 0},
		{.4, -.7, 1.1, .2, -.9, .35, 1.7, .6, -.8},
		{-2.2, 1.3, .4, 3.1, -.2, -1.4, .9, -1.5, 1.9},
	} {
		grad, scratch := make([]float64, o.dims()), make([]float64, o.dims())
		o.value(at, grad)
		want := fd.Gradient(nil, func(w []float64) float64 { return o.value(w, scratch) }, at, &fd.Settings{Formula: fd.Central, Step: 1e-6})
		if d := floats.Distance(grad, want, math.Inf(1)); d > 1e-7 {
			t.Errorf("at %v: gradient\n%v, want\n%v", at, grad, want)
		}
	}
}

func TestOptimumHasNoSlope(t *testing.T) {
	o := mixed()
	w, err := o.minimise(nil, 1e-9, 1000)
	if err != nil {
		t.Fatal(err)
	}
	grad := make([]float64, o.dims())
	o.value(w, grad)
	if n := floats.Norm(grad, math.Inf(1)); n > 1e-6 {
		t.Errorf("largest partial at the optimum %g", n)
	}
}

func TestStripesAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := &matrix{nd: 2, ns: 5, start: []int{0}}
	n := stripes*stripeRows + 3
	for range n {
		m.dense = append(m.dense, rng.NormFloat64(), rng.NormFloat64())
		m.index, m.value = append(m.index, int32(rng.IntN(5))), append(m.value, rng.Float32())
		m.start = append(m.start, len(m.index))
	}
	w, g, rewards := []float64{1, -2, 3, .5, -1, 2, .1}, make([]float64, n), make([]float64, n)
	for i := range g {
		g[i] = rng.NormFloat64()
	}
	m.mul(rewards, w)
	grad := []float64{9, 9, 9, 9, 9, 9, 9} // what is there already stays
	m.addMulT(grad, g)
	// gᵀ(Xw) = (Xᵀg)ᵀw, and single rows are what they are.
	floats.AddConst(-9, grad)
	if a, b := floats.Dot(g, rewards), floats.Dot(grad, w); math.Abs(a-b) > 1e-8*math.Abs(a) {
		t.Errorf("gᵀ(Xw) = %v, (Xᵀg)ᵀw = %v", a, b)
	}
	for _, i := range []int{0, n / 2, n - 1} {
		want := m.dense[2*i]*w[0] + m.dense[2*i+1]*w[1] + float64(m.value[i])*w[2+m.index[i]]
		if math.Abs(rewards[i]-want) > 1e-12 {
			t.Errorf("row %d: %v, want %v", i, rewards[i], want)
		}
	}
}
