package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels on vectors use AVX2 only: memory, not arithmetic, bounds most of them, and one form gives the same bits
// on every processor. Those that take n in multiples of 8 leave the rest to their callers.

const lanes = 8

// blocks writes a loop over n values, unroll registers at a time, then one at a time, then single values. body gets
// the byte offset from the pointers and the number of the register; tail is for one value, or nil if there is none.
func blocks(n reg.Register, unroll int, pointers []reg.Register, body func(disp, i int), tail func()) {
	advance := func(values int) {
		for _, p := range pointers {
			ADDQ(U32(4*values), p)
		}
		SUBQ(U32(values), n)
	}
	loop := func(name, next string, values int, f func()) {
		Label(name)
		CMPQ(n, U32(values))
		JL(LabelRef(next))
		f()
		advance(values)
		JMP(LabelRef(name))
	}
	loop("blocks", "vectors", unroll*lanes, func() {
		for i := range unroll {
			body(4*lanes*i, i)
		}
	})
	next := "done"
	if tail != nil {
		next = "values"
	}
	loop("vectors", next, lanes, func() { body(0, 0) })
	if tail != nil {
		loop("values", "done", 1, tail)
	}
	Label("done")
}

func zeros(n int) []reg.VecVirtual {
	var r []reg.VecVirtual
	for range n {
		y := YMM()
		VXORPS(y, y, y)
		r = append(r, y)
	}
	return r
}

func broadcast(param string) reg.VecVirtual {
	p, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	y := YMM()
	VBROADCASTSS(p.Addr, y)
	return y
}

func dot() {
	TEXT("dotAVX2", NOSPLIT, "func(a, b *float32, n int) float32")
	Pragma("noescape")
	Doc("dotAVX2 returns Σ a[i]·b[i] for i < n.")
	a, b, n := Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("n"), GP64())
	sums, single := zeros(4), XMM()
	VXORPS(single, single, single)
	blocks(n, 4, []reg.Register{a, b}, func(disp, i int) {
		x := YMM()
		VMOVUPS(Mem{Base: a, Disp: disp}, x)
		VFMADD231PS(Mem{Base: b, Disp: disp}, x, sums[i])
	}, func() {
		x := XMM()
		VMOVSS(Mem{Base: a}, x)
		VFMADD231SS(Mem{Base: b}, x, single)
	})
	VADDPS(sums[1], sums[0], sums[0])
	VADDPS(sums[3], sums[2], sums[2])
	VADDPS(sums[2], sums[0], sums[0])
	high := XMM()
	VEXTRACTF128(Imm(1), sums[0], high)
	low := sums[0].AsX()
	VADDPS(high, low, low)
	VHADDPS(low, low, low)
	VHADDPS(low, low, low)
	VADDSS(single, low, low)
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func axpy() {
	TEXT("axpyAVX2", NOSPLIT, "func(alpha float32, x, y *float32, n int)")
	Pragma("noescape")
	Doc("axpyAVX2 adds alpha·x[i] to y[i] for i < n.")
	alpha := broadcast("alpha")
	x, y, n := Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("n"), GP64())
	blocks(n, 4, []reg.Register{x, y}, func(disp, _ int) {
		v := YMM()
		VMOVUPS(Mem{Base: y, Disp: disp}, v)
		VFMADD231PS(Mem{Base: x, Disp: disp}, alpha, v)
		VMOVUPS(v, Mem{Base: y, Disp: disp})
	}, func() {
		v := XMM()
		VMOVSS(Mem{Base: y}, v)
		VFMADD231SS(Mem{Base: x}, alpha.AsX(), v)
		VMOVSS(v, Mem{Base: y})
	})
	VZEROUPPER()
	RET()
}

func scale() {
	TEXT("scaleAVX2", NOSPLIT, "func(alpha float32, x *float32, n int)")
	Pragma("noescape")
	Doc("scaleAVX2 multiplies x[i] by alpha for i < n.")
	alpha := broadcast("alpha")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	blocks(n, 4, []reg.Register{x}, func(disp, _ int) {
		v := YMM()
		VMULPS(Mem{Base: x, Disp: disp}, alpha, v)
		VMOVUPS(v, Mem{Base: x, Disp: disp})
	}, func() {
		v := XMM()
		VMULSS(Mem{Base: x}, alpha.AsX(), v)
		VMOVSS(v, Mem{Base: x})
	})
	VZEROUPPER()
	RET()
}

func maximum() {
	TEXT("maxAVX2", NOSPLIT, "func(x *float32, n int) float32")
	Pragma("noescape")
	Doc("maxAVX2 returns the largest x[i] for i < n, −Inf if n is 0. It passes over NaN.")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	infinity := YMM()
	VBROADCASTSS(constant("negativeInfinity", 0xff800000), infinity)
	tops := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	for _, top := range tops {
		VMOVAPS(infinity, top)
	}
	blocks(n, 4, []reg.Register{x}, func(disp, i int) {
		v := YMM()
		VMOVUPS(Mem{Base: x, Disp: disp}, v)
		VMAXPS(tops[i], v, tops[i]) // where v is NaN, the second source, tops[i], is kept
	}, func() {
		v := XMM()
		VMOVSS(Mem{Base: x}, v)
		VMAXSS(tops[0].AsX(), v, v)
		VBLENDPS(Imm(1), v.AsY(), tops[0], tops[0])
	})
	VMAXPS(tops[1], tops[0], tops[0])
	VMAXPS(tops[3], tops[2], tops[2])
	VMAXPS(tops[2], tops[0], tops[0])
	high := XMM()
	VEXTRACTF128(Imm(1), tops[0], high)
	low := tops[0].AsX()
	VMAXPS(high, low, low)
	swapped := XMM()
	VPERMILPS(Imm(0b01001110), low, swapped)
	VMAXPS(swapped, low, low)
	VPERMILPS(Imm(0b10110001), low, swapped)
	VMAXPS(swapped, low, low)
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
