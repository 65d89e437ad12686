package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// constants keeps those already in the data section.
var constants = map[string]Mem{}

// constant returns a float32, given by its bits, in the data section.
func constant(name string, bits uint32) Mem {
	if m, ok := constants[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	DATA(0, U32(bits))
	constants[name] = m
	return m
}

func number(name string, x float32) Mem { return constant(name, math.Float32bits(x)) }

// expBlock holds what eˣ needs in registers over a loop.
type expBlock struct {
	low, high, log2e, ln2High, ln2Low, one reg.VecVirtual
	bias                                   reg.VecVirtual
	p                                      [6]Mem
}

func newExp() *expBlock {
	load := func(m Mem) reg.VecVirtual {
		y := YMM()
		VBROADCASTSS(m, y)
		return y
	}
	// The names and values are those of exp.go in package kernel.
	return &expBlock{
		low: load(number("clampLow", -150)), high: load(number("clampHigh", 128)),
		log2e: load(number("log2e", 1.44269504088896341)), ln2High: load(number("ln2High", 0.693359375)), ln2Low: load(number("ln2Low", -2.12194440e-4)),
		one: load(number("one", 1)), bias: load(constant("bias", 127)),
		p: [6]Mem{
			number("expP0", 1.9875691500e-4), number("expP1", 1.3981999507e-3), number("expP2", 8.3334519073e-3),
			number("expP3", 4.1665795894e-2), number("expP4", 1.6666665459e-1), number("expP5", 5.0000001201e-1),
		},
	}
}

// of replaces x by eˣ. NaN stays.
func (e *expBlock) of(x reg.VecVirtual) {
	VMINPS(x, e.high, x) // where x is NaN, the second source, x, is taken
	VMAXPS(x, e.low, x)
	n := YMM()
	VMULPS(e.log2e, x, n)
	VROUNDPS(Imm(8), n, n) // to nearest even
	VFNMADD231PS(e.ln2High, n, x)
	VFNMADD231PS(e.ln2Low, n, x)
	p, c := YMM(), YMM()
	VBROADCASTSS(e.p[0], p)
	for _, m := range e.p[1:] {
		VBROADCASTSS(m, c)
		VFMADD213PS(c, x, p)
	}
	square := YMM()
	VMULPS(x, x, square)
	VFMADD213PS(x, square, p)
	VADDPS(e.one, p, p)
	// 2ⁿ in two factors, as one alone may be out of range where the product is not.
	half := YMM()
	VCVTPS2DQ(n, n)
	VPSRAD(Imm(1), n, half)
	VPSUBD(half, n, n)
	for _, part := range []reg.VecVirtual{half, n} {
		VPADDD(e.bias, part, part)
		VPSLLD(Imm(23), part, part)
		VMULPS(part, p, p)
	}
	VMOVAPS(p, x)
}

// exponential writes two kernels: with and without a place for the exponentials.
func exponential() {
	expSum("expSumAVX2", "func(dst, x *float32, n int, shift float32) float64", "expSumAVX2 stores exp(x[i] − shift) in dst[i] for i < n, a multiple of 8, and returns their sum.", true)
	expSum("sumExpAVX2", "func(x *float32, n int, shift float32) float64", "sumExpAVX2 returns Σ exp(x[i] − shift) for i < n, a multiple of 8.", false)
}

func expSum(name, signature, doc string, keep bool) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc)
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	pointers := []reg.Register{x}
	var dst reg.Register
	if keep {
		dst = Load(Param("dst"), GP64())
		pointers = append(pointers, dst)
	}
	shift := broadcast("shift")
	e, sums := newExp(), zeros(2)
	blocks(n, 1, pointers, func(disp, _ int) {
		v := YMM()
		VMOVUPS(Mem{Base: x, Disp: disp}, v)
		VSUBPS(shift, v, v)
		e.of(v)
		if keep {
			VMOVUPS(v, Mem{Base: dst, Disp: disp})
		}
		double, high := YMM(), XMM()
		VCVTPS2PD(v.AsX(), double)
		VADDPD(double, sums[0], sums[0])
		VEXTRACTF128(Imm(1), v, high)
		VCVTPS2PD(high, double)
		VADDPD(double, sums[1], sums[1])
	}, nil)
	VADDPD(sums[1], sums[0], sums[0])
	high := XMM()
	VEXTRACTF128(Imm(1), sums[0], high)
	low := sums[0].AsX()
	VADDPD(high, low, low)
	VHADDPD(low, low, low)
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
