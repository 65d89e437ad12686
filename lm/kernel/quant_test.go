package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// quantMatrix is a random matrix as PackQuant takes it, with −128 and rows of zeros among its codes.
type quantMatrix struct {
	codes      Codes
	in         int
	code       []int8
	scale, min []float32
}

func newQuantMatrix(r *rand.Rand, codes Codes, out, in int) *quantMatrix {
	blocks := out * in / QuantBlock
	m := &quantMatrix{codes, in, make([]int8, out*in), random(r, blocks*codes.scales()), random(r, blocks)}
	for i := range m.code {
		switch {
		case i/in%5 == 4:
		case codes == Nibbles:
			m.code[i] = int8(r.IntN(16))
		case codes == Halves && r.IntN(3) == 0:
			m.code[i] = -32
		case codes == Halves:
			m.code[i] = int8(r.IntN(64) - 32)
		case r.IntN(3) == 0:
			m.code[i] = -128
		default:
			m.code[i] = int8(r.IntN(256) - 128)
		}
	}
	if codes == Bytes {
		clear(m.min)
	}
	return m
}

func (m *quantMatrix) row(i int, code []int8, scale, min []float32) {
	blocks := m.in / QuantBlock
	copy(code, m.code[i*m.in:])
	copy(scale, m.scale[i*blocks*m.codes.scales():])
	copy(min, m.min[i*blocks:])
}

// weight is the value of a weight.
func (m *quantMatrix) weight(i, j int) float64 {
	at := i*m.in + j
	return float64(m.code[at])*float64(m.scale[at*m.codes.scales()/QuantBlock]) + float64(m.min[at/QuantBlock])
}

func eachCodes(t *testing.T, f func(t *testing.T, codes Codes)) {
	t.Run("nibbles", func(t *testing.T) { f(t, Nibbles) })
	t.Run("bytes", func(t *testing.T) { f(t, Bytes) })
	t.Run("halves", func(t *testing.T) { f(t, Halves) })
}

func TestQuantisedIsTheProductOfWhatWasRounded(t *testing.T) {
	eachCodes(t, func(t *testing.T, codes Codes) {
		r := rand.New(rand.NewPCG(11, 1))
		for _, shape := range [][3]int{{1, 1, 32}, {2, 7, 64}, {3, 8, 96}, {5, 9, 32}, {17, 33, 576}} {
			n, out, in := shape[0], shape[1], shape[2]
			m, x := newQuantMatrix(r, codes, out, in), random(r, n*in)
			var a Activations
			a.Set(x, n, in, false)
			y := make([]float32, n*out)
			Quantised(&a, QuantProduct{PackQuant(codes, out, in, m.row), y})
			for i := range y {
				var want, size float64
				for k := range in {
					at := i/out*in + k
					v := float64(a.codes[at]) * float64(a.scale[at/QuantBlock*2])
					if d := math.Abs(v - float64(x[at])); d > float64(a.scale[at/QuantBlock*2])*.50001 {
						t.Fatalf("%v: x[%d] = %v is rounded to %v", shape, at, x[at], v)
					}
					want += v * m.weight(i%out, k)
					size += math.Abs(v * m.weight(i%out, k))
				}
				if d := math.Abs(float64(y[i]) - want); d > 2e-6*size {
					t.Fatalf("%v: y[%d] is %v; want %v", shape, i, y[i], want)
				}
			}
		}
	})
}

// All bits are the same on every instruction set, with any rows beside and on any number of threads.
func TestQuantisedIsTheSameEverywhere(t *testing.T) {
	eachCodes(t, func(t *testing.T, codes Codes) {
		r := rand.New(rand.NewPCG(12, 1))
		const out, in = 203, 160
		m := newQuantMatrix(r, codes, out, in)
		for n := 1; n <= 17; n++ {
			x := random(r, n*in)
			var all, one Activations
			all.Set(x, n, in, false)
			want := make([]float32, n*out)
			Quantised(&all, QuantProduct{portable.packQuant(codes, out, in, m.row), want})
			for _, s := range available() {
				w := s.packQuant(codes, out, in, m.row)
				for _, threads := range []int{1, 2, 3} {
					SetThreads(threads)
					y := guarded(want)
					Quantised(&all, QuantProduct{w, y[:len(want)]})
					SetThreads(0)
					if !sameBits(y[:len(want)], want) {
						t.Fatalf("%s, %d rows, %d threads: other bits", s.name, n, threads)
					}
					checkGuard(t, y)
				}
				row := make([]float32, out)
				one.Set(x[(n-1)*in:], 1, in, false)
				if Quantised(&one, QuantProduct{w, row}); !sameBits(row, want[(n-1)*out:]) {
					t.Fatalf("%s: row %d has other bits alone", s.name, n-1)
				}
			}
		}
	})
}

// Products asked for at once are those asked for one after the other, however their panels are dealt out.
func TestQuantisedAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	const n, in = 5, 96
	var a Activations
	a.Set(random(r, n*in), n, in, false)
	var products []QuantProduct
	var want [][]float32
	for i, out := range []int{1, 403, 8, 64, 7} {
		codes := Codes(i % 3)
		p := QuantProduct{PackQuant(codes, out, in, newQuantMatrix(r, codes, out, in).row), make([]float32, n*out)}
		Quantised(&a, p)
		products, want = append(products, p), append(want, slices.Clone(p.Y))
	}
	defer SetThreads(0)
	for threads := 1; threads <= 5; threads++ {
		SetThreads(threads)
		for _, p := range products {
			clear(p.Y)
		}
		Quantised(&a, products...)
		for i, p := range products {
			if !sameBits(p.Y, want[i]) {
				t.Fatalf("%d threads: product %d has other bits at once", threads, i)
			}
		}
	}
}

func TestFineActivationsAreNearlyExact(t *testing.T) {
	eachCodes(t, func(t *testing.T, codes Codes) {
		r := rand.New(rand.NewPCG(13, 1))
		const n, out, in = 5, 21, 96
		m, x := newQuantMatrix(r, codes, out, in), random(r, n*in)
		var all, one Activations
		all.Set(x, n, in, true)
		forEach(t, func(t *testing.T, s *isa) {
			w, y, row := s.packQuant(codes, out, in, m.row), make([]float32, n*out), make([]float32, out)
			Quantised(&all, QuantProduct{w, y})
			for i := range n {
				one.Set(x[i*in:], 1, in, true)
				if Quantised(&one, QuantProduct{w, row}); !sameBits(row, y[i*out:(i+1)*out]) {
					t.Fatalf("row %d has other bits alone", i)
				}
				for j, got := range row {
					var want, size float64
					for k := range in {
						v := float64(x[i*in+k]) * m.weight(j, k)
						want += v
						size += math.Abs(v)
					}
					if d := math.Abs(float64(got) - want); d > 1e-4*size {
						t.Fatalf("y[%d][%d] is %v; want %v", i, j, got, want)
					}
				}
			}
		})
	})
}

func TestQuantisedTakesExtremes(t *testing.T) {
	large := float32(1e38)
	cases := map[string]struct {
		x    float32
		zero bool
		nan  bool
	}{
		"zero": {x: 0, zero: true}, "subnormal": {x: 1e-44, zero: true}, "small": {x: 1e-30}, "large": {x: large},
		"NaN": {x: float32(math.NaN()), nan: true}, "infinite": {x: float32(math.Inf(-1)), nan: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			x := make([]float32, 64)
			x[33] = c.x
			var a Activations
			a.Set(x, 1, 64, false)
			forEach(t, func(t *testing.T, s *isa) {
				w := s.packQuant(Bytes, 9, 64, func(_ int, code []int8, scale, _ []float32) {
					code[33], scale[0], scale[1] = 1, 1, 1
				})
				y := make([]float32, 9)
				Quantised(&a, QuantProduct{w, y})
				for i, v := range y {
					switch {
					case c.nan && v == v, c.zero && v != 0, !c.nan && !c.zero && math.Abs(float64(v/c.x-1)) > 1e-6:
						t.Fatalf("output %d of %v is %v", i, c.x, v)
					}
				}
			})
		})
	}
}

func TestQuantisedRefusesWrongShapes(t *testing.T) {
	none := func(int, []int8, []float32, []float32) {}
	var a Activations
	a.Set(make([]float32, 32), 1, 32, false)
	for name, f := range map[string]func(){
		"columns":     func() { PackQuant(Bytes, 1, 33, none) },
		"no columns":  func() { PackQuant(Bytes, 1, 0, none) },
		"activations": func() { new(Activations).Set(make([]float32, 31), 1, 31, false) },
		"short":       func() { new(Activations).Set(make([]float32, 63), 2, 32, false) },
		"other":       func() { Quantised(&a, QuantProduct{PackQuant(Bytes, 8, 64, none), make([]float32, 8)}) },
		"no room":     func() { Quantised(&a, QuantProduct{PackQuant(Bytes, 8, 32, none), make([]float32, 7)}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// BenchmarkQuantised has the shapes of SmolLM2-135M, and one that no cache holds. MB/s is weights read.
func BenchmarkQuantised(b *testing.B) {
	for _, shape := range [][3]int{{1, 576, 576}, {1, 1536, 576}, {1, 576, 1536}, {1, 49152, 576}, {8, 49152, 576}, {8, 1536, 576}, {128, 1536, 576}, {1, 151936, 896}} {
		for codes, form := range []string{"nibbles", "bytes", "halves"} {
			for _, threads := range threadCounts() {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", shape[0], shape[1], shape[2], form, threads), func(b *testing.B) {
					SetThreads(threads)
					defer SetThreads(0)
					r := rand.New(rand.NewPCG(1, 1))
					n, out, in := shape[0], shape[1], shape[2]
					w := PackQuant(Codes(codes), out, in, newQuantMatrix(r, Codes(codes), out, in).row)
					x, y := random(r, n*in), make([]float32, n*out)
					var a Activations
					b.ReportAllocs()
					b.SetBytes(int64(len(w.data)))
					for b.Loop() {
						a.Set(x, n, in, false)
						Quantised(&a, QuantProduct{w, y})
					}
					reportSpeed(b, n, out, in)
				})
			}
		}
	}
}

// All instruction sets give the same codes, scales and rests, whatever the values.
func TestQuantiseSameBits(t *testing.T) {
	forEach(t, func(t *testing.T, s *isa) {
		r := rand.New(rand.NewPCG(7, 7))
		special := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-45, 1e-38, 3e38, -3e38, .5, 127, -127}
		for blocks := 1; blocks <= 7; blocks++ {
			for trial := range 200 {
				n := blocks * QuantBlock
				x := random(r, n)
				for b := range blocks {
					switch r.IntN(4) {
					case 0:
						clear(x[b*QuantBlock : (b+1)*QuantBlock])
					case 1:
						x[b*QuantBlock+r.IntN(QuantBlock)] = special[r.IntN(len(special))]
					case 2: // halves, which are rounded to even
						for k := range QuantBlock {
							x[b*QuantBlock+k] = float32(r.IntN(255)-127) / 2
						}
						x[b*QuantBlock] = 127
					}
				}
				want, got := make([]int8, n), make([]int8, n)
				wantScale, gotScale := make([]float32, 2*blocks), make([]float32, 2*blocks)
				wantRest, gotRest := make([]float32, n), slices.Clone(x)
				quantiseGo(want, wantScale, wantRest, x)
				s.quantise(got, gotScale, gotRest, gotRest) // in place
				if !slices.Equal(want, got) || !sameBits(wantScale, gotScale) || !sameBits(wantRest, gotRest) {
					t.Fatalf("%d blocks, trial %d: of %v\ncodes %v\nwant  %v\nscales %v\nwant   %v\nrest %v\nwant %v", blocks, trial, x, got, want, gotScale, wantScale, gotRest, wantRest)
				}
			}
		}
	})
}
