package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var lengths = []int{0, 1, 2, 7, 8, 9, 15, 16, 31, 32, 33, 40, 63, 64, 100, 257}

func TestDotAxpyScale(t *testing.T) {
	forEach(t, func(t *testing.T, s *isa) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, n := range lengths {
			x, y := random(r, n), random(r, n)
			var want, abs float64
			for i := range x {
				want += float64(x[i]) * float64(y[i])
				abs += math.Abs(float64(x[i]) * float64(y[i]))
			}
			if got := float64(s.dot(x, y)); math.Abs(got-want) > 1e-6*abs {
				t.Errorf("dot of %d: %v; want %v", n, got, want)
			}
			sum, scaled := guarded(y), guarded(x)
			s.axpy(-0.7, x, sum[:n])
			s.scale(0.3, scaled[:n])
			for i := range x {
				if d := math.Abs(float64(sum[i]) - (float64(y[i]) - 0.7*float64(x[i]))); d > 1e-6 {
					t.Errorf("axpy of %d at %d is off by %v", n, i, d)
				}
				if scaled[i] != 0.3*x[i] {
					t.Errorf("scale of %d at %d: %v; want %v", n, i, scaled[i], 0.3*x[i])
				}
			}
			checkGuard(t, sum, scaled)
		}
	})
}

// guarded returns a copy of x with a value after it that no kernel may touch.
func guarded(x []float32) []float32 { return append(slices.Clone(x), 12345) }

func checkGuard(t *testing.T, slices ...[]float32) {
	t.Helper()
	for i, s := range slices {
		if s[len(s)-1] != 12345 {
			t.Errorf("slice %d of %d values was written behind its end", i, len(s)-1)
		}
	}
}

func TestMax(t *testing.T) {
	forEach(t, func(t *testing.T, s *isa) {
		r := rand.New(rand.NewPCG(2, 1))
		for _, n := range lengths[1:] {
			for at := range n {
				x := random(r, n)
				for i := range x {
					x[i] -= 100
				}
				x[at] = -50
				if got := s.max(x); got != -50 {
					t.Fatalf("%d values, largest at %d: %v", n, at, got)
				}
			}
		}
	})
}

func TestExp(t *testing.T) {
	inf := float32(math.Inf(1))
	forEach(t, func(t *testing.T, s *isa) {
		var x []float32
		for v := -86.0; v < 88.7; v += 0.00137 {
			x = append(x, float32(v))
		}
		dst := make([]float32, len(x))
		sum, want := s.expSum(dst, x, 0.25), 0.0
		worst := 0.0
		for i, v := range x {
			exact := math.Exp(float64(v - 0.25))
			worst = max(worst, math.Abs(float64(dst[i])-exact)/exact)
			want += float64(dst[i])
		}
		if worst > 2e-7 {
			t.Errorf("relative error %v", worst)
		}
		if math.Abs(sum-want) > 1e-12*want || s.expSum(nil, x, 0.25) != sum {
			t.Errorf("sum %v; without a destination %v; want %v", sum, s.expSum(nil, x, 0.25), want)
		}
		// Every place of a register and of the rest sees every special value.
		for _, c := range []struct{ x, want float32 }{{0, 1}, {-inf, 0}, {-104, 0}, {-1e30, 0}, {inf, inf}, {88.8, inf}, {1e30, inf}, {float32(math.NaN()), float32(math.NaN())}} {
			special := make([]float32, 21)
			for i := range special {
				special[i] = c.x
			}
			s.expSum(special, special, 0)
			for i, got := range special {
				if got != c.want && !(got != got && c.want != c.want) {
					t.Errorf("exp(%v) at %d = %v; want %v", c.x, i, got, c.want)
				}
			}
		}
	})
}

// The public functions below run on each instruction set in turn.
func withEach(t *testing.T, f func(t *testing.T)) {
	was := active
	defer func() { active = was }()
	forEach(t, func(t *testing.T, s *isa) {
		active = s
		f(t)
	})
}

func TestSoftmaxAndLogSumExp(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	withEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		for _, n := range append(lengths[1:], 49152) {
			for _, shift := range []float32{0, 1e3, -1e3, 3e38} {
				x := random(r, n)
				for i := range x {
					x[i] = 4*x[i] + shift
				}
				checkSoftmax(t, x)
			}
		}
		for name, c := range map[string]struct {
			x   []float32
			lse float64
		}{
			"empty": {nil, math.Inf(-1)}, "one": {[]float32{5}, 5}, "all −Inf": {[]float32{-inf, -inf}, math.Inf(-1)},
			"one −Inf": {[]float32{0, -inf}, 0}, "+Inf": {[]float32{0, inf, 1}, math.Inf(1)}, "NaN": {[]float32{0, nan, 1}, math.NaN()},
			"NaN first": {[]float32{nan, 1, 2, 3, 4, 5, 6, 7, 8, 9}, math.NaN()}, "NaN and +Inf": {[]float32{inf, nan}, math.NaN()},
			"all NaN": {[]float32{nan, nan, nan}, math.NaN()},
		} {
			if got := LogSumExp(c.x); got != c.lse && !(math.IsNaN(got) && math.IsNaN(c.lse)) {
				t.Errorf("%s: LogSumExp = %v; want %v", name, got, c.lse)
			}
		}
		x := []float32{1, -inf, 1}
		if Softmax(x); !slices.Equal(x, []float32{0.5, 0, 0.5}) {
			t.Errorf("softmax with −Inf: %v", x)
		}
		for _, bad := range []float32{nan, inf} {
			x := []float32{1, bad, 1}
			if Softmax(x); slices.ContainsFunc(x, func(v float32) bool { return v == v }) {
				t.Errorf("softmax with %v: %v", bad, x)
			}
		}
	})
}

func checkSoftmax(t *testing.T, x []float32) {
	t.Helper()
	top, sum := float64(slices.Max(x)), 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	want := top + math.Log(sum)
	if got := LogSumExp(x); math.Abs(got-want) > 3e-7 {
		t.Errorf("%d values: LogSumExp = %v; want %v", len(x), got, want)
	}
	p, total := slices.Clone(x), 0.0
	if got := Softmax(p); got != LogSumExp(x) {
		t.Errorf("%d values: Softmax returns %v; LogSumExp %v", len(x), got, LogSumExp(x))
	}
	for i, v := range p {
		total += float64(v)
		// The difference to the largest is rounded too: half a unit of it in the last place.
		bound := 3e-7 + 6e-8*(top-float64(x[i]))
		if want := math.Exp(float64(x[i])-top) / sum; math.Abs(float64(v)-want) > bound*want+1e-37 {
			t.Fatalf("%d values: p[%d] = %v; want %v", len(x), i, v, want)
		}
	}
	if math.Abs(total-1) > 1e-6 {
		t.Errorf("%d values add up to %v", len(x), total)
	}
}

func BenchmarkVector(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	x, y, z := random(r, 49152), random(r, 49152), make([]float32, 49152)
	for _, s := range available() {
		run := func(name string, f func()) {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/value")
			})
		}
		run("dot", func() { s.dot(x, y) })
		run("axpy", func() { s.axpy(1e-9, x, y) })
		run("max", func() { s.max(x) })
		run("sumExp", func() { s.expSum(nil, x, 1) })
		run("siluMul", func() { s.siluMul(z, x, y) })
		run("siluMulBackward", func() { s.siluMulBackward(z, z, x, x, y) })
	}
}
