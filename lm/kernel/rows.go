package kernel

import "fmt"

// Rows is the left side of matrix products, m×k, rearranged once for several of them, as a layer multiplies one input by the
// weights of q, k and v and by those of an adapter. Products of Rows have the bits of Gemm's. Any number of goroutines may use
// it. It is valid while the matrix stays as it is, and until Release.
type Rows struct {
	m, k   int
	a      matrix
	isa    *isa
	data   []float32 // nil for an isa without panels, which reads a
	buffer *[]float32
}

// PackRows rearranges A, m rows of k values that lie lda apart. It panics if a is too short.
func PackRows(m, k int, a []float32, lda int) Rows {
	return active.newRows(m, k, matrix{data: a, stride: lda})
}

func (s *isa) newRows(m, k int, a matrix) Rows {
	checkMatrix("A", a.data, m, k, a.stride, false)
	r := Rows{m: m, k: k, a: a, isa: s}
	if s.whole != nil || m == 0 || k == 0 {
		return r
	}
	r.buffer = rowBuffers.Get().(*[]float32)
	p := product{m: m, k: k, a: a}
	s.layRows(&p, r.buffer)
	r.data = p.rows
	return r
}

// Release gives the memory to later products. r must not be used after it.
func (r *Rows) Release() {
	if r.buffer != nil {
		rowBuffers.Put(r.buffer)
	}
	*r = Rows{}
}

// Gemm computes C ← alpha·A·op(B) + beta·C: see the function of that name.
func (r *Rows) Gemm(transB bool, n int, alpha float32, b []float32, ldb int, beta float32, c []float32, ldc int) {
	checkMatrix("B", b, r.k, n, ldb, transB)
	r.isa.gemm(product{m: r.m, n: n, k: r.k, alpha: alpha, beta: beta, a: r.a, rows: r.data, b: matrix{b, ldb, transB}, c: c, ldc: ldc})
}

// GemmPacked computes C ← alpha·A·B + beta·C: see the function of that name. It panics unless B has k rows.
func (r *Rows) GemmPacked(alpha float32, b *Packed, beta float32, c []float32, ldc int) {
	b.isa.gemm(product{m: r.m, n: b.n, k: b.k, alpha: alpha, beta: beta, a: r.a, rows: r.of(b, b.k), packed: b, c: c, ldc: ldc})
}

// GemmPackedT computes C ← alpha·A·Bᵀ + beta·C: see the function of that name. It panics unless B has k columns.
func (r *Rows) GemmPackedT(alpha float32, b *Packed, beta float32, c []float32, ldc int) {
	b.isa.gemm(product{m: r.m, n: b.k, k: b.n, alpha: alpha, beta: beta, a: r.a, rows: r.of(b, b.n), packed: b, transposed: true, c: c, ldc: ldc})
}

// of returns the panels for a product over k with a packed matrix, nil if that is for other kernels: the product then makes its own.
func (r *Rows) of(b *Packed, k int) []float32 {
	if k != r.k {
		panic(fmt.Sprintf("kernel: rows of %d values times a packed matrix of %d×%d", r.k, b.k, b.n))
	}
	if b.isa != r.isa {
		return nil
	}
	return r.data
}
