package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// forEach runs a test once for every instruction set this processor has.
func forEach(t *testing.T, f func(t *testing.T, s *isa)) {
	for _, s := range available() {
		t.Run(s.name, func(t *testing.T) { f(t, s) })
	}
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// randomMatrix returns op(M) of rows×columns in memory with a few values between and after the rows.
func randomMatrix(r *rand.Rand, rows, columns int, trans bool) matrix {
	if trans {
		rows, columns = columns, rows
	}
	stride := columns + r.IntN(4)
	return matrix{random(r, rows*stride), stride, trans}
}

func (m matrix) at(i, j int) float64 {
	if m.trans {
		i, j = j, i
	}
	return float64(m.data[i*m.stride+j])
}

// wants computes one element of a product in float64, and the bound on what float32 may be off.
func (p *product) want(i, j int) (value, bound float64) {
	var sum, abs float64
	if p.alpha != 0 {
		for q := range p.k {
			x := p.a.at(i, q) * p.b.at(q, j)
			sum += x
			abs += math.Abs(x)
		}
		sum *= float64(p.alpha)
		abs *= math.Abs(float64(p.alpha))
	}
	if p.beta != 0 {
		c := float64(p.beta) * float64(p.c[i*p.ldc+j])
		sum += c
		abs += math.Abs(c)
	}
	const unit = 1.0 / (1 << 24) // relative error of one rounding
	return sum, abs * unit * float64(p.k+4)
}

func randomProduct(r *rand.Rand, m, n, k int, transA, transB bool) product {
	scalars := []float32{0, 1, -1, 0.3}
	ldc := n + r.IntN(4)
	return product{
		m: m, n: n, k: k, alpha: scalars[(1+r.IntN(5))%4], beta: scalars[r.IntN(4)],
		a: randomMatrix(r, m, k, transA), b: randomMatrix(r, k, n, transB), c: random(r, m*ldc), ldc: ldc,
	}
}

func checkProduct(t *testing.T, s *isa, p product) {
	t.Helper()
	got := p
	got.c = slices.Clone(p.c)
	s.gemm(got)
	for i := range p.m {
		for l := range p.ldc {
			at := i*p.ldc + l
			if l >= p.n {
				if got.c[at] != p.c[at] {
					t.Fatalf("%s: C changed outside at row %d, column %d of %d", p.shape(), i, l, p.n)
				}
				continue
			}
			want, bound := p.want(i, l)
			if d := math.Abs(float64(got.c[at]) - want); !(d <= bound) {
				t.Fatalf("%s: C[%d,%d] = %v; want %v ± %v", p.shape(), i, l, got.c[at], want, bound)
			}
		}
	}
	packed := p
	packed.c = slices.Clone(p.c)
	packed.packed = s.packMatrix(p.n, p.k, p.b)
	packed.b = matrix{}
	s.gemm(packed)
	if !sameBits(packed.c, got.c) {
		t.Fatalf("%s: packed B gives other bits", p.shape())
	}
	for j := range p.n {
		column := make([]float32, p.k)
		packed.packed.Column(column, j)
		for q, v := range column {
			if float64(v) != p.b.at(q, j) {
				t.Fatalf("%s: element %d, %d of the packed B is %v; want %v", p.shape(), q, j, v, p.b.at(q, j))
			}
		}
	}
	back := p
	back.c = slices.Clone(p.c)
	back.packed = s.packMatrix(p.k, p.n, matrix{p.b.data, p.b.stride, !p.b.trans})
	back.transposed, back.b = true, matrix{}
	s.gemm(back)
	if !sameBits(back.c, got.c) {
		t.Fatalf("%s: the transpose of a packed matrix gives other bits", p.shape())
	}
	if !p.a.trans {
		checkRows(t, s, p, packed.packed, back.packed, got.c)
	}
}

// checkRows computes the product p, whose values are want, from rows that are packed once: with the plain B, which comes first and last, and
// with B and its transpose packed.
func checkRows(t *testing.T, s *isa, p product, packed, back *Packed, want []float32) {
	t.Helper()
	rows := s.newRows(p.m, p.k, p.a)
	defer rows.Release()
	for i, multiply := range []func(c []float32){
		func(c []float32) { rows.Gemm(p.b.trans, p.n, p.alpha, p.b.data, p.b.stride, p.beta, c, p.ldc) },
		func(c []float32) { rows.GemmPacked(p.alpha, packed, p.beta, c, p.ldc) },
		func(c []float32) { rows.GemmPackedT(p.alpha, back, p.beta, c, p.ldc) },
		func(c []float32) { rows.Gemm(p.b.trans, p.n, p.alpha, p.b.data, p.b.stride, p.beta, c, p.ldc) },
	} {
		c := slices.Clone(p.c)
		multiply(c)
		if !sameBits(c, want) {
			t.Fatalf("%s: product %d of the same packed rows has other bits", p.shape(), i)
		}
	}
}

func TestRowsOfTheWrongLengthPanic(t *testing.T) {
	rows := PackRows(2, 3, make([]float32, 6), 3)
	defer rows.Release()
	b := Pack(false, 5, 4, make([]float32, 20), 5) // 4×5
	for name, f := range map[string]func(){
		"packed":            func() { rows.GemmPacked(1, b, 0, make([]float32, 10), 5) },
		"packed transposed": func() { rows.GemmPackedT(1, b, 0, make([]float32, 8), 4) },
		"short A":           func() { PackRows(2, 3, make([]float32, 5), 3) },
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

func (p *product) shape() string {
	return fmt.Sprintf("%d×%d×%d transA %v transB %v alpha %v beta %v", p.m, p.n, p.k, p.a.trans, p.b.trans, p.alpha, p.beta)
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestGemmAgreesWithFloat64(t *testing.T) {
	forEach(t, func(t *testing.T, s *isa) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, shape := range [][3]int{
			{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {1, 1, 1}, {1, 100, 70}, {2, 33, 65}, {5, 16, 8}, {6, 16, 9}, {7, 17, 31}, {8, 32, 40},
			{12, 32, 16}, {13, 31, 63}, {14, 64, 24}, {16, 16, 300}, {25, 1, 17}, {31, 47, 513}, {3, 50, 1025}, {250, 40, 30}, {61, 130, 96},
		} {
			for transposed := range 4 {
				checkProduct(t, s, randomProduct(r, shape[0], shape[1], shape[2], transposed&1 != 0, transposed&2 != 0))
			}
		}
		for range 150 {
			checkProduct(t, s, randomProduct(r, r.IntN(40), r.IntN(70), r.IntN(90), r.IntN(2) == 0, r.IntN(2) == 0))
		}
	})
}

func TestGemmResultsDependOnNeitherThreadsNorNeighbours(t *testing.T) {
	forEach(t, func(t *testing.T, s *isa) {
		r := rand.New(rand.NewPCG(3, 4))
		m, n, k := 45, 333, 600
		if s.whole != nil {
			m, n = 345, 733 // several tiles either way
		}
		for transposed := range 4 {
			p := randomProduct(r, m, n, k, transposed&1 != 0, transposed&2 != 0)
			p.alpha, p.beta = 0.7, 0.3
			whole := runWith(s, p, 1)
			for _, threads := range []int{2, 3, 8} {
				if !sameBits(runWith(s, p, threads), whole) {
					t.Fatalf("%s: %d threads give other bits than one", p.shape(), threads)
				}
			}
			if s.whole != nil {
				continue // the library's bits depend on the shape
			}
			for _, rows := range []int{1, 2, 5, 13} {
				checkPart(t, s, p, whole, r.IntN(m-rows), rows)
			}
		}
	})
}

func runWith(s *isa, p product, threads int) []float32 {
	SetThreads(threads)
	defer SetThreads(0)
	p.c = slices.Clone(p.c)
	s.gemm(p)
	return p.c
}

// checkPart computes some rows of p alone and compares them with the whole.
func checkPart(t *testing.T, s *isa, p product, whole []float32, from, rows int) {
	t.Helper()
	part := p
	part.m = rows
	if p.a.trans {
		part.a.data = p.a.data[from:]
	} else {
		part.a.data = p.a.data[from*p.a.stride:]
	}
	part.c = slices.Clone(p.c[from*p.ldc:])
	s.gemm(part)
	for i := range rows {
		if !sameBits(part.c[i*p.ldc:][:p.n], whole[(from+i)*p.ldc:][:p.n]) {
			t.Fatalf("%s: row %d computed among %d gives other bits", p.shape(), from+i, rows)
		}
	}
}

// AVX2 and AVX-512 fuse and cut the chains alike: their bits are the same.
func TestNativeInstructionSetsAgreeBitForBit(t *testing.T) {
	all := native()
	if len(all) < 2 {
		t.Skipf("this processor has %d native instruction sets", len(all))
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		p := randomProduct(r, 1+r.IntN(40), 1+r.IntN(200), 1+r.IntN(1200), r.IntN(2) == 0, r.IntN(2) == 0)
		want := runWith(all[0], p, 1)
		for _, s := range all[1:] {
			if !sameBits(runWith(s, p, 2), want) {
				t.Fatalf("%s: %s and %s differ", p.shape(), s.name, all[0].name)
			}
		}
	}
}

func TestGemmSpreadsNaNAndInfinity(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	forEach(t, func(t *testing.T, s *isa) {
		for _, bad := range []float32{nan, inf} {
			const m, n, k = 15, 37, 20
			a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
			a[4*k+3] = bad // row 4 of C: 0·bad is NaN
			b[7*n+35] = bad
			for i := range c {
				c[i] = nan // beta = 0 forgets it
			}
			s.gemm(product{m: m, n: n, k: k, alpha: 1, a: matrix{a, k, false}, b: matrix{b, n, false}, c: c, ldc: n})
			for i := range m {
				for j := range n {
					isNaN := c[i*n+j] != c[i*n+j]
					if want := i == 4 || j == 35; isNaN != want {
						t.Fatalf("%v: C[%d,%d] = %v; NaN wanted: %v", bad, i, j, c[i*n+j], want)
					}
				}
			}
			s.gemm(product{m: m, n: n, k: k, alpha: 0, a: matrix{a, k, false}, b: matrix{b, n, false}, beta: 0, c: c, ldc: n})
			if slices.ContainsFunc(c, func(x float32) bool { return x != 0 }) {
				t.Fatalf("alpha 0: C is not zero")
			}
		}
	})
}

func TestGemmPanicsOnWrongShapes(t *testing.T) {
	x := make([]float32, 12)
	for name, f := range map[string]func(){
		"A too short":       func() { Gemm(false, false, 4, 2, 4, 1, x, 4, x, 2, 0, x, 2) },
		"B too short":       func() { Gemm(false, false, 2, 5, 4, 1, x, 4, x, 5, 0, x, 5) },
		"C too short":       func() { Gemm(false, false, 4, 4, 3, 1, x, 3, x, 4, 0, x, 4) },
		"stride too small":  func() { Gemm(false, false, 2, 2, 4, 1, x, 3, x, 2, 0, x, 2) },
		"negative":          func() { Gemm(false, false, -1, 2, 4, 1, x, 4, x, 2, 0, x, 2) },
		"packed, A short":   func() { GemmPacked(false, 4, 1, x, 4, Pack(true, 3, 4, x, 4), 0, x, 3) },
		"packed, no matrix": func() { GemmPacked(false, 1, 1, x, 4, nil, 0, x, 3) },
		"packed T, A short": func() { GemmPackedT(false, 5, 1, x, 3, Pack(true, 3, 4, x, 4), 0, make([]float32, 20), 4) },
		"packed T, C short": func() { GemmPackedT(false, 4, 1, x, 3, Pack(true, 3, 4, x, 4), 0, x, 4) },
		"Column outside":    func() { Pack(true, 3, 4, x, 4).Column(make([]float32, 4), 3) },
		"Column too short":  func() { Pack(true, 3, 4, x, 4).Column(make([]float32, 3), 0) },
		"Pack, B short":     func() { Pack(true, 4, 4, x, 4) },
		"Dot":               func() { Dot(x, x[1:]) },
		"Axpy":              func() { Axpy(1, x, x[1:]) },
		"SetThreads":        func() { SetThreads(-1) },
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

func TestPackedTellsItsShape(t *testing.T) {
	p := Pack(true, 7, 5, make([]float32, 35), 5)
	if p.Columns() != 7 || p.Rows() != 5 {
		t.Errorf("%d×%d; want 5×7", p.Rows(), p.Columns())
	}
}
