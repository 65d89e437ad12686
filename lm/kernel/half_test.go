package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// All 65,536 halves survive the way to float32 and back, and have the value that their bits say.
func TestHalvesGoThereAndBack(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	forEach(t, func(t *testing.T, s *isa) {
		values, back := make([]float32, len(all)), make([]uint16, len(all))
		s.fromHalf(values, all)
		s.toHalf(back, values)
		for i, h := range all {
			exponent, fraction := int(h>>10&31), float64(h&1023)
			want := math.Ldexp(fraction, -24)
			if exponent > 0 {
				want = math.Ldexp(1024+fraction, exponent-25)
			}
			if h>>15 == 1 {
				want = math.Copysign(want, -1)
			}
			switch {
			case exponent == 31 && fraction != 0:
				if values[i] == values[i] || back[i] != h|0x200 {
					t.Fatalf("%04x is NaN; it is %v and %04x again", h, values[i], back[i])
				}
			case exponent == 31 && math.IsInf(float64(values[i]), 1-2*int(h>>15)) && back[i] == h:
			case float64(values[i]) != want || back[i] != h || math.Signbit(float64(values[i])) != (h>>15 == 1):
				t.Fatalf("%04x is %v, want %v; %04x again", h, values[i], want, back[i])
			}
		}
	})
}

// Rounding goes to the nearest half, of two equally near ones to the even one.
func TestFloatToHalfRoundsToNearestEven(t *testing.T) {
	named := map[float32]uint16{
		0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65519.99: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00, -1e30: 0xfc00,
		1 + 1./2048: 0x3c00, 1 + 3./2048: 0x3c02, 1 + 1./2048 + 1e-6: 0x3c01,
		0x1p-24: 1, 0x1p-25: 0, 0x1p-25 * 1.001: 1, 0x1.8p-24: 2, 0x1p-14: 0x400, 0x1.ffep-15: 0x400, 0x1.ff8p-15: 0x3ff, -0x1p-26: 0x8000, 1e-40: 0,
	}
	r := rand.New(rand.NewPCG(2, 2))
	x := make([]float32, 20003)
	for i := range x {
		x[i] = math.Float32frombits(r.Uint32())
		if i%2 == 0 {
			x[i] = float32(r.NormFloat64() * math.Exp(4*r.NormFloat64()))
		}
	}
	want := make([]uint16, len(x))
	toHalfGo(want, x)
	forEach(t, func(t *testing.T, s *isa) {
		for v, h := range named {
			got := make([]uint16, 9)
			s.toHalf(got, []float32{v, v, v, v, v, v, v, v, v})
			if got[0] != h || got[8] != h {
				t.Errorf("%g is %04x and %04x, want %04x", v, got[0], got[8], h)
			}
		}
		got := make([]uint16, len(x))
		s.toHalf(got, x)
		for i := range x {
			if got[i] != want[i] {
				t.Fatalf("%g (%08x) is %04x, want %04x", x[i], math.Float32bits(x[i]), got[i], want[i])
			}
		}
	})
}
