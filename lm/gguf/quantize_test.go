package gguf

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestQuantizeGivesTheBytesOfGGML(t *testing.T) {
	o := readOracle(t)
	if want := len(encoders) + 2; len(o.Quantise) != want {
		t.Fatalf("the oracle has %d types; want %d", len(o.Quantise), want)
	}
	for name, blocks := range o.Quantise {
		typ, err := ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks {
			t.Run(name+"/"+block.What, func(t *testing.T) {
				want := block.bytes(t)
				got := make([]byte, len(want))
				if err := Quantize(got, typ, block.Values); err != nil {
					t.Fatal(err)
				}
				for i := 0; typ.BlockSize() == 1 && i < len(want); i += 2 {
					if got[i] == 0 && got[i+1] == 0 && want[i] == 0 {
						want[i+1] &^= 0x80 // the oracle's JSON lost the sign of zero
					}
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("bytes are\n%x; want\n%x", got, want)
				}
			})
		}
	}
}

func TestHalfAndBrainRoundTrip(t *testing.T) {
	for h := range 1 << 16 {
		if x := half(uint16(h)); x == x && toHalf(x) != uint16(h) {
			t.Fatalf("half %#04x is %v, which becomes %#04x", h, x, toHalf(x))
		}
		if x := brain(uint16(h)); x == x && toBrain(x) != uint16(h) {
			t.Fatalf("bfloat16 %#04x is %v, which becomes %#04x", h, x, toBrain(x))
		}
	}
	for _, nan := range []float32{float32(math.NaN()), math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff)} {
		if x := half(toHalf(nan)); x == x {
			t.Errorf("NaN %#x becomes the half of %v", math.Float32bits(nan), x)
		}
		if x := brain(toBrain(nan)); x == x {
			t.Errorf("NaN %#x becomes the bfloat16 of %v", math.Float32bits(nan), x)
		}
	}
}

// Between two neighbouring halves, all float32 go to the nearer, and the one in the middle to the even.
func TestToHalfRoundsToNearestEven(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		lo, hi := half(h), half(h+1)
		mid := lo + (hi-lo)/2
		even := h + h&1
		if got := toHalf(mid); got != even {
			t.Fatalf("the middle of %#04x and its neighbour becomes %#04x; want %#04x", h, got, even)
		}
		if got := toHalf(math.Nextafter32(mid, lo)); got != h {
			t.Fatalf("just below the middle of %#04x and its neighbour becomes %#04x", h, got)
		}
		if got := toHalf(math.Nextafter32(mid, hi)); got != h+1 {
			t.Fatalf("just above the middle of %#04x and its neighbour becomes %#04x", h, got)
		}
	}
}

func TestQuantizeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	with := func(x float32) []float32 {
		v := make([]float32, 64)
		v[40] = x
		return v
	}
	for _, c := range []struct {
		typ    Type
		values []float32
		want   string
	}{
		{Q8_0, with(nan), "NaN at index 40"},
		{Q4_0, with(inf), "+Inf at index 40"},
		{Q4_1, with(-7e4), "-70000 at index 40"},
		{F16, with(7e4), "70000 at index 40"},
		{Q8_0, make([]float32, 33), "not a multiple"},
		{Q6_K, make([]float32, 256), "Q6_K: the type cannot be encoded"},
		{Type(77), make([]float32, 32), "type 77"},
	} {
		dst := make([]byte, 1<<12)
		if n, err := c.typ.Size(len(c.values)); err == nil {
			dst = dst[:n]
		}
		err := Quantize(dst, c.typ, c.values)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v; want one with %q", c.typ, err, c.want)
		}
	}
	if err := Quantize(make([]byte, 33), Q8_0, make([]float32, 32)); err == nil || !strings.Contains(err.Error(), "want 34 bytes, have 33") {
		t.Errorf("short destination: error %v", err)
	}
	if err := Dequantize(make([]float32, 32), Q8_0, make([]byte, 33)); err == nil || !strings.Contains(err.Error(), "want 34 bytes, have 33") {
		t.Errorf("short source: error %v", err)
	}
}

// The error of a block type is at most half a step, a step being the block's range over its levels, plus what the
// half-precision scale loses.
func TestQuantizeErrorIsBounded(t *testing.T) {
	for typ, steps := range map[Type]float64{Q8_0: 254, Q5_0: 31, Q5_1: 31, Q4_0: 15, Q4_1: 15} {
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			values := make([]float32, 32)
			for i := range values {
				values[i] = float32(math.Sin(float64(3*i + 1)))
			}
			size, _ := typ.Size(len(values))
			block, back := make([]byte, size), make([]float32, len(values))
			if err := Quantize(block, typ, values); err != nil {
				t.Fatal(err)
			}
			if err := Dequantize(back, typ, block); err != nil {
				t.Fatal(err)
			}
			bound := 2/steps + 2e-3 // a full step: the symmetric types lose one level at the side of the smaller extreme
			for i, v := range values {
				if d := math.Abs(float64(back[i] - v)); d > bound {
					t.Errorf("value %d: %v becomes %v, off by %v > %v", i, v, back[i], d, bound)
				}
			}
		})
	}
}

func BenchmarkDequantize(b *testing.B) {
	const n = 1 << 16
	dst := make([]float32, n)
	for _, typ := range []Type{F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4} {
		size, err := typ.Size(n)
		if err != nil {
			b.Fatal(err)
		}
		src := make([]byte, size)
		for i := range src {
			src[i] = byte(i*i>>3) & 0xbf // no NaN among the halves
		}
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(n * 4)
			b.ReportAllocs()
			for b.Loop() {
				if err := Dequantize(dst, typ, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
