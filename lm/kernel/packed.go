package kernel

import "fmt"

// Packed is the right side of a matrix product, k×n, rearranged once for many products. It is as large as the matrix, up to
// rounding n to whole panels, and read-only: any number of goroutines may use it.
type Packed struct {
	n, k int
	isa  *isa
	data []float32 // panels of nr columns, one after another: element (q, l) of the panel of column j is at j·k + q·nr + l
}

// Pack rearranges op(B), which is k×n, stored as Gemm's B.
func Pack(transB bool, n, k int, b []float32, ldb int) *Packed {
	checkMatrix("B", b, k, n, ldb, transB)
	return active.packMatrix(n, k, matrix{b, ldb, transB})
}

func (s *isa) packMatrix(n, k int, b matrix) *Packed {
	p := &Packed{n: n, k: k, isa: s, data: make([]float32, roundUp(n, s.nr)*k)}
	if k == 0 {
		return p
	}
	Parallel((n+s.nr-1)/s.nr, func(t int) {
		j := t * s.nr
		s.packColumns(p.data[j*k:][:s.nr*k], b, j, min(s.nr, n-j), 0, k)
	})
	return p
}

// Rows returns k, the number of rows of the packed op(B).
func (p *Packed) Rows() int { return p.k }

// Columns returns n, the number of columns of the packed op(B).
func (p *Packed) Columns() int { return p.n }

// panel returns the panel of column j over (k0, k).
func (p *Packed) panel(j, k0, k int) []float32 {
	at := j*p.k + k0*p.isa.nr
	return p.data[at : at+k*p.isa.nr]
}

// GemmPacked computes C ← alpha·op(A)·B + beta·C for the k×n matrix B that was packed; the rest is as in Gemm, and so are the
// values, bit for bit. With few rows it reads B once, from front to back, at the speed of the memory.
func GemmPacked(transA bool, m int, alpha float32, a []float32, lda int, b *Packed, beta float32, c []float32, ldc int) {
	if b == nil {
		panic(fmt.Sprintf("kernel: GemmPacked: no matrix B for %d rows", m))
	}
	b.isa.gemm(product{
		m: m, n: b.n, k: b.k, alpha: alpha, beta: beta,
		a: matrix{a, lda, transA}, packed: b, c: c, ldc: ldc,
	})
}
