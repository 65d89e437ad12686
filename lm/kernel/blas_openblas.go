//go:build openblas

package kernel

import "plumb/lm/kernel/openblas"

// library lists the instruction sets whose products come from a library: here the best of the others, with the
// products of OpenBLAS.
func library(others []*isa) []*isa {
	s := *others[len(others)-1]
	s.name = "openblas"
	s.whole = func(p *product) {
		openblas.Sgemm(Threads(), p.a.trans, p.b.trans, p.m, p.n, p.k, p.alpha, p.a.data, p.a.stride, p.b.data, p.b.stride, p.beta, p.c, p.ldc)
	}
	return []*isa{&s}
}
