package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// half writes the conversions between float32 and binary16 (F16C, which every processor with AVX2 has).
func half() {
	toHalf()
	fromHalf()
}

func toHalf() {
	TEXT("toHalfF16C", NOSPLIT, "func(dst *uint16, x *float32, n int)")
	Pragma("noescape")
	Doc("toHalfF16C stores x[i] in dst[i] as binary16, rounded to nearest even, for i < n, a multiple of 8.")
	dst, x, n := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	Label("more")
	CMPQ(n, U32(lanes))
	JL(LabelRef("done"))
	v := YMM()
	VMOVUPS(Mem{Base: x}, v)
	VCVTPS2PH(Imm(0), v, Mem{Base: dst})
	ADDQ(U32(2*lanes), dst)
	ADDQ(U32(4*lanes), x)
	SUBQ(U32(lanes), n)
	JMP(LabelRef("more"))
	Label("done")
	VZEROUPPER()
	RET()
}

func fromHalf() {
	TEXT("fromHalfF16C", NOSPLIT, "func(dst *float32, x *uint16, n int)")
	Pragma("noescape")
	Doc("fromHalfF16C stores the binary16 values x[i] in dst[i] for i < n, a multiple of 8.")
	dst, x, n := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	step := func(values int) {
		for i := 0; i < values; i += lanes {
			v := YMM()
			VCVTPH2PS(Mem{Base: x, Disp: 2 * i}, v)
			VMOVUPS(v, Mem{Base: dst, Disp: 4 * i})
		}
		ADDQ(U32(4*values), dst)
		ADDQ(U32(2*values), x)
		SUBQ(U32(values), n)
	}
	Label("four")
	CMPQ(n, U32(4*lanes))
	JL(LabelRef("one"))
	step(4 * lanes)
	JMP(LabelRef("four"))
	Label("one")
	CMPQ(n, U32(lanes))
	JL(LabelRef("done"))
	step(lanes)
	JMP(LabelRef("one"))
	Label("done")
	VZEROUPPER()
	RET()
}
