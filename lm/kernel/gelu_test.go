package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// gelu is the approximation by tanh in float64, by its definition.
func gelu(x float64) float64 {
	return .5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+.044715*x*x*x)))
}

func TestGELUMul(t *testing.T) {
	gate := []float32{0, 1e-20, .5, -.5, 1, -1, 2.5, -2.5, 5, -5, 9, -9, 40, -40, 1e15, -1e15, math.MaxFloat32, -math.MaxFloat32}
	up, got := make([]float32, len(gate)), make([]float32, len(gate))
	for i := range up {
		up[i] = .5
	}
	GELUMul(got, gate, up)
	for i, x := range gate {
		if want := gelu(float64(x)) / 2; !(math.Abs(float64(got[i])-want) < 1e-6*math.Abs(want)+3e-7) {
			t.Errorf("gelu(%v)/2 is %v, want %v", x, got[i], want)
		}
	}
	GELUMul(gate, gate, up)
	if !sameBits(gate, got) {
		t.Error("in place the bits differ")
	}
}

func TestGELUMulBackwardAgreesWithDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	n := 200
	gate, up, dy := random(r, n), random(r, n), random(r, n)
	for i := range gate {
		gate[i] *= 3
	}
	dgate, dup := make([]float32, n), make([]float32, n)
	GELUMulBackward(dgate, dup, dy, gate, up)
	for i := range gate {
		y := func() float64 { return float64(dy[i]) * gelu(float64(gate[i])) * float64(up[i]) }
		for _, c := range []struct {
			name string
			x    *float32
			got  float32
		}{{"gate", &gate[i], dgate[i]}, {"up", &up[i], dup[i]}} {
			if want := difference(c.x, y); math.Abs(float64(c.got)-want) > 2e-5*(1+math.Abs(want)) {
				t.Errorf("%v·%v: the slope of %s is %v, want %v", gate[i], up[i], c.name, c.got, want)
			}
		}
	}
	// Where the gate is wide open or shut the slopes are 1 and 0, and no product overflows on the way.
	gate = []float32{50, -50, 1e25, -1e25, math.MaxFloat32, -math.MaxFloat32}
	ones := []float32{1, 1, 1, 1, 1, 1}
	GELUMulBackward(dgate[:6], dup[:6], ones, gate, ones)
	for i, want := range []float32{1, 0, 1, 0, 1, 0} {
		if dgate[i] != want || dup[i] != want*gate[i] {
			t.Errorf("at %v the slopes are %v and %v, want %v and %v", gate[i], dgate[i], dup[i], want, want*gate[i])
		}
	}
}

func TestSoftCap(t *testing.T) {
	inf := float32(math.Inf(1))
	x := []float32{0, 1e-6, .5, -2, 10, -100, 1e30, -inf}
	y, dx := append([]float32{}, x...), []float32{1, 1, 1, 1, 1, 1, 1, 1}
	SoftCap(5, y)
	SoftCapBackward(5, dx, y)
	for i, v := range x {
		tanh := math.Tanh(float64(v) / 5)
		if want := 5 * tanh; math.Abs(float64(y[i])-want) > 1e-6*math.Abs(want) {
			t.Errorf("soft cap of %v is %v, want %v", v, y[i], want)
		}
		if want := 1 - tanh*tanh; math.Abs(float64(dx[i])-want) > 1e-6 {
			t.Errorf("its slope at %v is %v, want %v", v, dx[i], want)
		}
	}
}
