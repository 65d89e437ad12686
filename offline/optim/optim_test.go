package optim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"plumb/lm/kernel"
)

// Two steps by hand, β₁ .9, β₂ .999, lr .1. Step 1, g = 2: m̂ = 2, v̂ = 4, so p falls by .1·2/(2 + 1e-8) = .1.
// Step 2, g = −1: m = .9·.2 − .1 = .08, m̂ = .08/.19; v = .999·.004 + .001 = .004996, v̂ = .004996/.001999.
func TestAdamByHand(t *testing.T) {
	p, a := []float32{1}, AdamW{}
	a.Step(p, []float32{2}, .1)
	if math.Abs(float64(p[0])-.9) > 1e-6 {
		t.Errorf("after one step %v, want .9", p[0])
	}
	a.Step(p, []float32{-1}, .1)
	want := .9 - .1*(.08/.19)/math.Sqrt(.004996/.001999)
	if math.Abs(float64(p[0])-want) > 1e-6 || a.T != 2 {
		t.Errorf("after two steps %v, want %v", p[0], want)
	}
}

// The same against float64 Adam over a longer run, on a bowl whose minimum is known.
func TestAdamFollowsFloat64(t *testing.T) {
	p, a := []float32{3, -2}, AdamW{}
	q, m, v := []float64{3, -2}, make([]float64, 2), make([]float64, 2)
	curve := []float64{1, 10}
	for step := 1; step <= 400; step++ {
		g := []float32{p[0], 10 * p[1]}
		a.Step(p, g, .05)
		for i := range q {
			d := curve[i] * q[i]
			m[i] = .9*m[i] + .1*d
			v[i] = .999*v[i] + .001*d*d
			q[i] -= .05 * m[i] / (1 - math.Pow(.9, float64(step))) / (math.Sqrt(v[i]/(1-math.Pow(.999, float64(step)))) + 1e-8)
		}
	}
	for i := range q {
		if math.Abs(float64(p[i])-q[i]) > 1e-3 || math.Abs(q[i]) > .1 {
			t.Errorf("parameter %d: %v, in float64 %v, want near 0", i, p[i], q[i])
		}
	}
}

func TestSameBytesOnAnyThreads(t *testing.T) {
	run := func(threads int) ([]float32, float64) {
		kernel.SetThreads(threads)
		defer kernel.SetThreads(0)
		random := rand.New(rand.NewPCG(1, 2))
		p, g := make([]float32, 3*tile+7), make([]float32, 3*tile+7)
		for i := range p {
			p[i], g[i] = random.Float32(), float32(random.NormFloat64())
		}
		a, norm := AdamW{}, 0.
		for range 3 {
			norm = Clip(g, .5)
			Decay(p, .01, .1)
			a.Step(p, g, .01)
		}
		return p, norm
	}
	one, n1 := run(1)
	two, n2 := run(5)
	if !slices.Equal(one, two) || n1 != n2 {
		t.Error("parameters depend on the number of threads")
	}
}

func TestClip(t *testing.T) {
	g := []float32{3, 4}
	if norm := Clip(g, 1); norm != 5 || math.Abs(Norm(g)-5/(5+1e-6)) > 1e-6 {
		t.Errorf("norm %v, then %v", norm, Norm(g))
	}
	g = []float32{.3, .4}
	if Clip(g, 1); g[0] != .3 || g[1] != .4 {
		t.Errorf("a small gradient was scaled: %v", g)
	}
	if Clip(g, 0); g[0] != .3 {
		t.Errorf("limit 0 scaled: %v", g)
	}
	if norm := Clip([]float32{1, float32(math.NaN())}, 1); !math.IsNaN(norm) {
		t.Errorf("norm with a NaN: %v", norm)
	}
	inf := []float32{1, float32(math.Inf(1))}
	if norm := Clip(inf, 1); !math.IsInf(norm, 1) || inf[0] != 1 {
		t.Errorf("norm with an Inf: %v, %v", norm, inf)
	}
	if norm := Clip(nil, 1); norm != 0 {
		t.Errorf("norm of nothing: %v", norm)
	}
}

func TestDecay(t *testing.T) {
	p := []float32{2}
	Decay(p, .1, .5)
	if math.Abs(float64(p[0])-1.9) > 1e-6 {
		t.Errorf("got %v, want 2·(1 − .05)", p[0])
	}
}

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Schedule
		want map[int]float64
	}{
		{"zero kind", Schedule{LR: 2}, map[int]float64{0: 2, 1e6: 2}},
		{"warm-up", Schedule{LR: 2, Warmup: 4}, map[int]float64{0: .5, 3: 2, 4: 2}},
		{"linear", Schedule{Kind: Linear, LR: 1, Warmup: 2, Total: 12}, map[int]float64{0: .5, 2: 1, 7: .5, 12: 0, 99: 0}},
		{"cosine", Schedule{Kind: Cosine, LR: 1, Total: 10, Final: .1}, map[int]float64{0: 1, 5: .55, 10: .1, 99: .1}},
		{"all warm-up", Schedule{Kind: Cosine, LR: 1, Warmup: 4, Total: 4}, map[int]float64{3: 1, 4: 1}},
	} {
		for step, want := range c.want {
			if got := c.s.At(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: step %d: %v, want %v", c.name, step, got, want)
			}
		}
	}
	for _, bad := range []Schedule{{}, {LR: -1}, {LR: math.NaN()}, {LR: 1, Kind: "step"}, {LR: 1, Warmup: -1}, {LR: 1, Final: 2}} {
		if bad.Check() == nil {
			t.Errorf("%+v passed", bad)
		}
	}
}

func BenchmarkAdamW(b *testing.B) {
	p, g, a := make([]float32, 5<<20), make([]float32, 5<<20), AdamW{}
	b.SetBytes(int64(4 * len(p)))
	for b.Loop() {
		a.Step(p, g, 1e-4)
	}
}
