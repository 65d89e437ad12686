//go:build openblas

package kernel

import "plumb/lm/kernel/openblas"

// library lists the instruction sets whose products come from a library: here the best of the others, with the
// products of OpenBLAS.
func library(others []*isa) []*isa {
	s := *others[len(others)-1]
	s.name, s.whole = "openblas", inTiles
	return []*isa{&s}
}

// blasTile is the height and width of the tiles into which inTiles cuts a product.
const blasTile = 256

// inTiles computes a product in tiles, each by OpenBLAS on one thread. It chooses the order of its sums by the shape and by the number of
// threads: tiles that depend on the shape alone give the same bits on any number of them.
func inTiles(p *product) {
	down := (p.m + blasTile - 1) / blasTile
	across := (p.n + blasTile - 1) / blasTile
	Parallel(down*across, func(t int) {
		i, j := t%down*blasTile, t/down*blasTile
		a, b := p.a.data[p.a.offset(i, 0):], p.b.data[p.b.offset(0, j):]
		openblas.Sgemm(1, p.a.trans, p.b.trans, min(blasTile, p.m-i), min(blasTile, p.n-j), p.k, p.alpha, a, p.a.stride, b, p.b.stride, p.beta, p.c[i*p.ldc+j:], p.ldc)
	})
}

// offset returns where element (i, j) of op(M) lies.
func (m matrix) offset(i, j int) int {
	if m.trans {
		i, j = j, i
	}
	return i*m.stride + j
}
