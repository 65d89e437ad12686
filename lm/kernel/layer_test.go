package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

func TestSiLUMul(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 1))
		for _, n := range lengths {
			gate, up := random(r, n), random(r, n)
			for i := range gate {
				gate[i] *= 5
			}
			dst := guarded(gate)
			SiLUMul(dst[:n], gate, up)
			for i, g := range gate {
				want := silu(float64(g)) * float64(up[i])
				if d := math.Abs(float64(dst[i]) - want); d > 1e-6*math.Abs(want)+1e-12 {
					t.Fatalf("%d values: %d is %v; want %v", n, i, dst[i], want)
				}
			}
			checkGuard(t, dst)
			inPlace := slices.Clone(gate)
			SiLUMul(inPlace, inPlace, up)
			if !sameBits(inPlace, dst[:n]) {
				t.Fatalf("%d values: in place the bits differ", n)
			}
		}
		extremes := []float32{1e30, -1e30, 200, -200, 0, float32(math.NaN())}
		up := []float32{1, 1, 1, 1, 1, 1}
		SiLUMul(extremes, extremes, up)
		if extremes[0] != 1e30 || extremes[1] != 0 || extremes[2] != 200 || math.Abs(float64(extremes[3])) > 1e-30 || extremes[4] != 0 || extremes[5] == extremes[5] {
			t.Errorf("extremes give %v", extremes)
		}
	})
}

func TestSiLUMulBackwardAgreesWithDifferences(t *testing.T) {
	withEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 1))
		for _, n := range lengths {
			dy, gate, up := random(r, n), random(r, n), random(r, n)
			for i := range gate {
				gate[i] *= 4
			}
			dgate, dup := guarded(gate), guarded(up)
			SiLUMulBackward(dgate[:n], dup[:n], dy, gate, up)
			for i := range gate {
				const h = 1e-5
				g, u, d := float64(gate[i]), float64(up[i]), float64(dy[i])
				wantGate := d * u * (silu(g+h) - silu(g-h)) / (2 * h)
				wantUp := d * silu(g)
				if math.Abs(float64(dgate[i])-wantGate) > 2e-6 || math.Abs(float64(dup[i])-wantUp) > 2e-6 {
					t.Fatalf("%d values: gradients at %d are %v, %v; want %v, %v", n, i, dgate[i], dup[i], wantGate, wantUp)
				}
			}
			checkGuard(t, dgate, dup)
			SiLUMulBackward(gate, up, dy, gate, up)
			if !sameBits(gate, dgate[:n]) || !sameBits(up, dup[:n]) {
				t.Fatalf("%d values: in place the bits differ", n)
			}
		}
	})
}

// rmsNorm is RMSNorm in float64, by its definition.
func rmsNorm(x, w []float32, eps float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	s := 1 / math.Sqrt(sum/float64(len(x))+eps)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) * s * float64(w[i])
	}
	return out
}

func TestRMSNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	for _, n := range []int{1, 2, 5, 64, 576} {
		for _, size := range []float32{1, 1e-6, 1e15} {
			x, w := random(r, n), random(r, n)
			Scale(size, x)
			want := rmsNorm(x, w, 1e-5)
			dst := make([]float32, n)
			RMSNorm(dst, x, w, 1e-5)
			for i := range dst {
				if d := math.Abs(float64(dst[i]) - want[i]); d > 1e-6*math.Abs(want[i])+1e-30 {
					t.Fatalf("%d values of size %v: %d is %v; want %v", n, size, i, dst[i], want[i])
				}
			}
			RMSNorm(x, x, w, 1e-5)
			if !sameBits(x, dst) {
				t.Fatalf("%d values: in place the bits differ", n)
			}
		}
	}
	zero := make([]float32, 8)
	if RMSNorm(zero, zero, zero, 1e-5); slices.ContainsFunc(zero, func(v float32) bool { return v != 0 }) {
		t.Errorf("zeros become %v", zero)
	}
}

func TestRMSNormBackwardAgreesWithDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for _, n := range []int{1, 3, 8, 61} {
		x, w, dy := random(r, n), random(r, n), random(r, n)
		loss := func() (sum float64) {
			for i, y := range rmsNorm(x, w, 1e-3) {
				sum += y * float64(dy[i])
			}
			return sum
		}
		dst, dx, dw := make([]float32, n), make([]float32, n), make([]float32, n)
		s := RMSNorm(dst, x, w, 1e-3)
		dx[0], dw[n-1] = 3, 4 // gradients are added
		RMSNormBackward(dx, dw, dy, x, w, s)
		dx[0], dw[n-1] = dx[0]-3, dw[n-1]-4
		for i := range x {
			if want := difference(&x[i], loss); math.Abs(float64(dx[i])-want) > 1e-4*(1+math.Abs(want)) {
				t.Errorf("%d values: dx[%d] = %v; want %v", n, i, dx[i], want)
			}
			if want := difference(&w[i], loss); math.Abs(float64(dw[i])-want) > 1e-4*(1+math.Abs(want)) {
				t.Errorf("%d values: dw[%d] = %v; want %v", n, i, dw[i], want)
			}
		}
		without := make([]float32, n)
		RMSNormBackward(without, nil, dy, x, w, s)
		if d := math.Abs(float64(without[n-1] - dx[n-1])); d > 1e-5 {
			t.Errorf("%d values: without dw, dx is off by %v", n, d)
		}
	}
}

// difference returns the central difference of f over *x.
func difference(x *float32, f func() float64) float64 {
	was := *x
	defer func() { *x = was }()
	*x = was + 1.0/512
	up, hi := f(), float64(*x)
	*x = was - 1.0/512
	return (up - f()) / (hi - float64(*x))
}
