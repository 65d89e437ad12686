package kernel

import "fmt"

// Packed is the right side of a matrix product, k×n, rearranged once for many products. It is as large as the matrix,
// up to rounding n to whole panels, and read-only: any number of goroutines may use it. It can stand in for the
// matrix altogether: Column reads it and GemmPackedT multiplies by its transpose.
type Packed struct {
	n, k int
	isa  *isa
	// data is the panels, one after another: element (q, l) of the panel of column j is at j·k + q·width + l. For an
	// isa without panels it is the columns, one after another.
	data []float32
}

// Pack rearranges op(B), which is k×n, stored as Gemm's B. A weight matrix of n rows, one an output, and k columns is
// Pack(true, n, k, w, k).
func Pack(transB bool, n, k int, b []float32, ldb int) *Packed {
	checkMatrix("B", b, k, n, ldb, transB)
	return active.packMatrix(n, k, matrix{b, ldb, transB})
}

func (s *isa) packMatrix(n, k int, b matrix) *Packed {
	p := &Packed{n: n, k: k, isa: s}
	if n == 0 || k == 0 {
		return p
	}
	if s.whole != nil {
		p.data = Floats(n * k)
		s.packWhole(p.data, n, k, b)
		return p
	}
	last := (n - 1) / s.nr * s.nr
	p.data = Floats((last + s.width(n-last)) * k)
	Parallel(last/s.nr+1, func(t int) {
		j := t * s.nr
		width := s.width(n - j)
		s.packColumns(p.data[j*k:][:width*k], width, b, j, min(width, n-j), 0, k)
	})
	return p
}

// packWhole writes the columns of op(B), k values each, one after another.
func (s *isa) packWhole(dst []float32, n, k int, b matrix) {
	if !b.trans {
		s.transpose(dst, k, b.data, b.stride, k, n)
		return
	}
	for j := range n {
		copy(dst[j*k:(j+1)*k], b.data[j*b.stride:])
	}
}

// unpack makes b of a packed matrix, for an isa without panels.
func (p *product) unpack() {
	if p.packed != nil {
		p.b = matrix{p.packed.data, p.packed.k, !p.transposed}
	}
}

// Rows returns k, the number of rows of the packed op(B).
func (p *Packed) Rows() int { return p.k }

// Columns returns n, the number of columns of the packed op(B).
func (p *Packed) Columns() int { return p.n }

// Column copies column j of the packed op(B), k values, to dst: of a packed weight matrix, one row. It panics if
// there is no such column or dst has another length.
func (p *Packed) Column(dst []float32, j int) {
	if j < 0 || j >= p.n || len(dst) != p.k {
		panic(fmt.Sprintf("kernel: Column %d of a %d×%d matrix into %d values", j, p.k, p.n, len(dst)))
	}
	if p.isa.whole != nil {
		copy(dst, p.data[j*p.k:])
		return
	}
	start := j / p.isa.nr * p.isa.nr
	width := p.isa.width(p.n - start)
	panel := p.panel(start, 0, p.k)
	for q := range dst {
		dst[q] = panel[q*width+j-start]
	}
}

// panel returns the panel that begins with column j, over (k0, k).
func (p *Packed) panel(j, k0, k int) []float32 {
	width := p.isa.width(p.n - j)
	at := j*p.k + k0*width
	return p.data[at : at+k*width]
}

// packColumns is packColumns of an isa for the transpose of the packed matrix: its columns from j are rows of the
// panels, and its rows (k0, k) go over from one panel to the next.
func (p *Packed) packColumns(dst []float32, width, j, count, k0, k int) {
	if count < width {
		clear(dst)
	}
	for at := k0; at < k0+k; {
		start := at / p.isa.nr * p.isa.nr
		stride := p.isa.width(p.n - start)
		length := min(start+stride, k0+k) - at
		rows := p.panel(start, j, count)[at-start:]
		p.isa.transpose(dst[(at-k0)*width:], width, rows, stride, count, length)
		at += length
	}
}

// GemmPacked computes C ← alpha·op(A)·B + beta·C for the k×n matrix B that was packed; the rest is as in Gemm, and so
// are the values, bit for bit. With few rows it reads B once, from front to back, at the speed of the memory.
func GemmPacked(transA bool, m int, alpha float32, a []float32, lda int, b *Packed, beta float32, c []float32, ldc int) {
	b.isa.gemm(product{
		m: m, n: b.n, k: b.k, alpha: alpha, beta: beta,
		a: matrix{a, lda, transA}, packed: b, c: c, ldc: ldc,
	})
}

// GemmPackedT computes C ← alpha·op(A)·Bᵀ + beta·C, where op(A) is m×n and C is m×k, for the k×n matrix B that was
// packed: the way back through the layer whose way forward is GemmPacked. The values are those of Gemm, bit for bit.
// It costs what Gemm costs: the parts of B are rearranged again on the way.
func GemmPackedT(transA bool, m int, alpha float32, a []float32, lda int, b *Packed, beta float32, c []float32, ldc int) {
	b.isa.gemm(product{
		m: m, n: b.k, k: b.n, alpha: alpha, beta: beta,
		a: matrix{a, lda, transA}, packed: b, transposed: true, c: c, ldc: ldc,
	})
}
