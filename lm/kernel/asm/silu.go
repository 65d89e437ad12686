package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func silu() {
	siluMul()
	siluMulBackward()
}

// sigmoidDenominator returns 1 + exp(−g).
func sigmoidDenominator(e *expBlock, sign, g reg.VecVirtual) reg.VecVirtual {
	d := YMM()
	VXORPS(sign, g, d)
	e.of(d)
	VADDPS(e.one, d, d)
	return d
}

func signBit() reg.VecVirtual {
	y := YMM()
	VBROADCASTSS(constant("signBit", 1<<31), y)
	return y
}

func siluMul() {
	TEXT("siluMulAVX2", NOSPLIT, "func(dst, gate, up *float32, n int)")
	Pragma("noescape")
	Doc("siluMulAVX2 is SiLUMul for n values, a multiple of 8.")
	dst, gate, up, n := Load(Param("dst"), GP64()), Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("n"), GP64())
	e, sign := newExp(), signBit()
	blocks(n, 1, []reg.Register{dst, gate, up}, func(disp, _ int) {
		g := YMM()
		VMOVUPS(Mem{Base: gate, Disp: disp}, g)
		d := sigmoidDenominator(e, sign, g)
		VDIVPS(d, g, g)
		VMULPS(Mem{Base: up, Disp: disp}, g, g)
		VMOVUPS(g, Mem{Base: dst, Disp: disp})
	}, nil)
	VZEROUPPER()
	RET()
}

func siluMulBackward() {
	TEXT("siluMulBackwardAVX2", NOSPLIT, "func(dgate, dup, dy, gate, up *float32, n int)")
	Pragma("noescape")
	Doc("siluMulBackwardAVX2 is SiLUMulBackward for n values, a multiple of 8.")
	dgate, dup, dy := Load(Param("dgate"), GP64()), Load(Param("dup"), GP64()), Load(Param("dy"), GP64())
	gate, up, n := Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("n"), GP64())
	e, sign := newExp(), signBit()
	blocks(n, 1, []reg.Register{dgate, dup, dy, gate, up}, func(disp, _ int) {
		g := YMM()
		VMOVUPS(Mem{Base: gate, Disp: disp}, g)
		sigma := sigmoidDenominator(e, sign, g)
		VDIVPS(sigma, e.one, sigma)
		d, slope, u := YMM(), YMM(), YMM()
		VMOVUPS(Mem{Base: dy, Disp: disp}, d)
		VMULPS(Mem{Base: up, Disp: disp}, d, u) // dy·up
		VSUBPS(sigma, e.one, slope)             // 1 − σ
		VFMADD213PS(e.one, g, slope)            // 1 + gate·(1 − σ)
		VMULPS(sigma, slope, slope)
		VMULPS(u, slope, slope)
		VMULPS(sigma, g, g)
		VMULPS(d, g, g) // dy·silu
		VMOVUPS(g, Mem{Base: dup, Disp: disp})
		VMOVUPS(slope, Mem{Base: dgate, Disp: disp})
	}, nil)
	VZEROUPPER()
	RET()
}
