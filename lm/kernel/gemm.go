package kernel

import (
	"fmt"
	"sync"
)

// maxBlock bounds the length of one chain of multiply-adds. A product over a longer k is a sum of chains of equal
// length, added in order. The panel of B for one chain then stays in the nearest caches.
const maxBlock = 512

// Gemm computes C ← alpha·op(A)·op(B) + beta·C, where op(A) is m×k, op(B) is k×n and C is m×n.
//
// A is stored as m rows of k values, lda apart, or, with transA, as k rows of m; B as k rows of n, ldb apart, or,
// with transB, as n rows of k: the layout of a weight matrix, one row an output. C has n columns, ldc apart, and must
// not overlap A or B. As in BLAS, with beta = 0 what was in C does not matter, NaN included, and with alpha = 0 or k
// = 0 A and B are not read; NaN and infinity in them otherwise spread as arithmetic has it. It panics if a slice is
// too short for its shape.
//
// Cost: 2·m·n·k operations, on Threads goroutines if that is worth while. Where B stays the same over many calls, as
// the weights of a model do, GemmPacked saves rearranging it.
func Gemm(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	checkMatrix("B", b, k, n, ldb, transB)
	active.gemm(product{
		m: m, n: n, k: k, alpha: alpha, beta: beta,
		a: matrix{a, lda, transA}, b: matrix{b, ldb, transB}, c: c, ldc: ldc,
	})
}

// matrix is op(M): element (i, j) is data[i·stride + j], or data[j·stride + i] if it is transposed.
type matrix struct {
	data   []float32
	stride int
	trans  bool
}

// product is the work of one Gemm. If packed is set, it, or its transpose, stands in for b.
type product struct {
	m, n, k     int
	alpha, beta float32
	a, b        matrix
	packed      *Packed
	transposed  bool
	c           []float32
	ldc         int
	rows        []float32 // op(A) in panels: see packRows; nil until they are made
}

func checkMatrix(name string, data []float32, rows, columns, stride int, trans bool) {
	if trans {
		rows, columns = columns, rows
	}
	switch {
	case rows < 0 || columns < 0:
		panic(fmt.Sprintf("kernel: matrix %s: %d×%d", name, rows, columns))
	case rows == 0 || columns == 0:
	case stride < columns:
		panic(fmt.Sprintf("kernel: matrix %s: rows of %d values at a distance of %d", name, columns, stride))
	case (rows-1)*stride+columns > len(data):
		panic(fmt.Sprintf("kernel: matrix %s: %d values where %d rows of %d at a distance of %d need %d", name, len(data), rows, columns, stride, (rows-1)*stride+columns))
	}
}

// chains returns into how many chains a product over k is cut, and the length of all but the last.
func chains(k int) (n, length int) {
	n = (k + maxBlock - 1) / maxBlock
	return n, (k + n - 1) / max(n, 1)
}

func (s *isa) gemm(p product) {
	checkMatrix("A", p.a.data, p.m, p.k, p.a.stride, p.a.trans)
	checkMatrix("C", p.c, p.m, p.n, p.ldc, false)
	if p.m == 0 || p.n == 0 {
		return
	}
	if p.k == 0 || p.alpha == 0 {
		s.scaleTile(&p, 0, p.m, 0, p.n)
		return
	}
	if s.whole != nil {
		s.computeWhole(p)
		return
	}
	if p.rows == nil {
		buffer := rowBuffers.Get().(*[]float32)
		defer rowBuffers.Put(buffer)
		s.layRows(&p, buffer)
	}
	height, width := s.tile(&p)
	if height >= p.m && width >= p.n {
		s.compute(&p, 0, p.m, 0, p.n)
		return
	}
	s.computeTiles(p, height, width)
}

// computeWhole takes a copy for the same reason as computeTiles.
func (s *isa) computeWhole(p product) {
	p.unpack()
	s.whole(&p)
}

// computeTiles takes a copy of the product, so that one that needs no other goroutine does not leave the stack.
func (s *isa) computeTiles(p product, height, width int) {
	t := tilings.Get().(*tiling)
	t.s, t.p, t.height, t.width = s, p, height, width
	t.down = (p.m + height - 1) / height
	Parallel(t.down*((p.n+width-1)/width), t.one)
	t.p = product{}
	tilings.Put(t)
}

// tiling is a product cut into tiles.
type tiling struct {
	s                   *isa
	p                   product
	height, width, down int
	one                 func(i int) // computes tile i
}

// tilings keeps the memory of one product for the next.
var tilings = sync.Pool{New: func() any {
	t := new(tiling)
	t.one = func(n int) {
		i, j := n%t.down*t.height, n/t.down*t.width
		t.s.compute(&t.p, i, min(i+t.height, t.p.m), j, min(j+t.width, t.p.n))
	}
	return t
}}

const (
	smallWork = 1 << 18 // multiply-adds below which one goroutine is quicker than two
	maxHeight = 240     // rows of a tile: with a chain of maxBlock they fit the second cache
	maxArea   = 1 << 17 // values of a tile: they stay in a cache from one chain to the next, as do the columns of B
)

// tile returns the size of the tiles into which C is cut: whole panels, several a thread to even out their speeds. The
// size has no influence on the values.
func (s *isa) tile(p *product) (height, width int) {
	down := (p.m + maxHeight - 1) / maxHeight
	height = min(p.m, roundUp((p.m+down-1)/down, s.mr)) // tiles alike: a low one would wait for B
	widest := maxArea / height / s.nr * s.nr
	width = min(p.n, widest)
	n := Threads()
	if n == 1 || p.m*p.n*p.k < smallWork {
		return height, width
	}
	panels := (p.n + s.nr - 1) / s.nr
	if want := 4 * n; panels*down < want && height > 4*s.mr { // few columns: cut the rows finer
		down = min((want+panels-1)/panels, (p.m+4*s.mr-1)/(4*s.mr))
		height = roundUp((p.m+down-1)/down, s.mr)
	}
	across := min(panels, max(1, 4*n/down))
	return height, min(widest, roundUp((p.n+across-1)/across, s.nr))
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// compute fills the tile of rows i0 to i1 and columns j0 to j1 of C. i0 and j0 are at the start of panels.
func (s *isa) compute(p *product, i0, i1, j0, j1 int) {
	if p.beta != 0 { // else the first chain is stored, not added
		s.scaleTile(p, i0, i1, j0, j1)
	}
	buffer := panelBuffers.Get().(*[]float32)
	defer panelBuffers.Put(buffer)
	_, length := chains(p.k)
	scratch := grow(buffer, length*s.nr+s.mr*s.nr)
	space, edge := scratch[:length*s.nr], scratch[length*s.nr:]
	for k0 := 0; k0 < p.k; k0 += length {
		k := min(length, p.k-k0)
		for j := j0; j < j1; j += s.nr {
			s.sweep(p, i0, i1, j, k0, k, s.columns(p, space, j, k0, k), edge)
		}
	}
}

// columns returns the panel of B from column j on, over (k0, k): a part of the packed matrix, or made in space.
func (s *isa) columns(p *product, space []float32, j, k0, k int) []float32 {
	width := s.width(p.n - j)
	space = space[:k*width]
	switch {
	case p.packed == nil:
		s.packColumns(space, width, p.b, j, min(width, p.n-j), k0, k)
	case p.transposed:
		p.packed.packColumns(space, width, j, min(width, p.n-j), k0, k)
	default:
		return p.packed.panel(j, k0, k)
	}
	return space
}

// width returns the width of a panel where so many columns are left.
func (s *isa) width(left int) int {
	if s.narrow != nil && left <= s.nr/2 {
		return s.nr / 2
	}
	return s.nr
}

// sweep adds one chain to the columns of one panel, for the rows i0 to i1, or stores it if it is the first.
func (s *isa) sweep(p *product, i0, i1, j, k0, k int, panel, edge []float32) {
	width, micro, add := s.width(p.n-j), s.micro, k0 > 0 || p.beta != 0
	if width < s.nr {
		micro = s.narrow
	}
	for i := i0; i < i1; i += s.mr {
		rows := min(s.mr, i1-i)
		a := p.rows[p.m*k0+i*k:][:rows*k]
		if j+width <= p.n {
			micro(rows, k, p.alpha, a, panel, p.c[i*p.ldc+j:], p.ldc, add)
			continue
		}
		// The panel is wider than what is left of C: compute beside it.
		micro(rows, k, p.alpha, a, panel, edge, width, false)
		for r := range rows {
			row := p.c[(i+r)*p.ldc+j : (i+r)*p.ldc+p.n]
			if !add {
				copy(row, edge[r*width:])
				continue
			}
			for l := range row {
				row[l] += edge[r*width+l]
			}
		}
	}
}

// scaleTile multiplies a tile of C by beta.
func (s *isa) scaleTile(p *product, i0, i1, j0, j1 int) {
	if p.beta == 1 {
		return
	}
	for i := i0; i < i1; i++ {
		row := p.c[i*p.ldc+j0 : i*p.ldc+j1]
		if p.beta == 0 {
			clear(row)
			continue
		}
		s.scale(p.beta, row)
	}
}

// The memory for op(A) in panels, and for a panel of B, is kept from one product to the next. The sizes differ much:
// hence two pools.
var (
	rowBuffers   = sync.Pool{New: func() any { return new([]float32) }}
	panelBuffers = sync.Pool{New: func() any { return new([]float32) }}
)

// grow returns n values of *b, whatever they are, and makes *b longer if it must.
func grow(b *[]float32, n int) []float32 {
	if cap(*b) < n {
		*b = Floats(n + n/4)
	}
	return (*b)[:n]
}
