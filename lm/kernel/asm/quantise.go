package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quantise writes the kernel of Activations: blocks of 32 values to codes of 8 bits. It rounds where the form in Go does.
func quantise() {
	order := GLOBL("packOrder", RODATA|NOPTR)
	for i, v := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(v))
	}
	TEXT("quantiseAVX2", NOSPLIT, "func(code *int8, scale, rest, x *float32, blocks int) int")
	Pragma("noescape")
	Doc("quantiseAVX2 stores codes, two scales a block and x − scale·code of blocks of 32 values, up to the first whose size or",
		"whose scale is not a number of ordinary size, and returns how many blocks are done.")
	code, scale := Load(Param("code"), GP64()), Load(Param("scale"), GP64())
	rest, x, blocks := Load(Param("rest"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	done, bits := GP64(), GP32()
	XORQ(done, done)
	mask, indices := YMM(), YMM()
	VPCMPEQD(mask, mask, mask)
	VPSRLD(Imm(1), mask, mask)
	VMOVDQU(order, indices)
	number127 := XMM()
	VMOVSS(number("number127", 127), number127)
	Label("loop")
	CMPQ(done, blocks)
	JGE(LabelRef("done"))
	values, top, size := make([]reg.VecVirtual, 4), YMM(), YMM()
	for i := range values {
		values[i] = YMM()
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, values[i])
		if i == 0 {
			VPAND(mask, values[i], top)
			continue
		}
		VPAND(mask, values[i], size)
		VPMAXUD(size, top, top) // the bits of |x| are in the order of its size, NaN last
	}
	across(top, func(a, b, to reg.VecVirtual) { VPMAXUD(a, b, to) })
	MOVD(top.AsX(), bits)
	CMPL(bits, U32(0x7f800000))
	JGE(LabelRef("done"))
	inverse, step := YMM(), YMM()
	VDIVSS(top.AsX(), number127, inverse.AsX())
	VMOVD(inverse.AsX(), bits)
	CMPL(bits, U32(0x7f800000))
	JGE(LabelRef("done"))
	VBROADCASTSS(inverse.AsX(), inverse)
	VDIVSS(number127, top.AsX(), step.AsX())
	VMOVSS(step.AsX(), Mem{Base: scale})
	VBROADCASTSS(step.AsX(), step)
	var codes []reg.VecVirtual
	total := YMM()
	for i, v := range values {
		c, back := YMM(), YMM()
		VMULPS(inverse, v, c)
		VCVTPS2DQ(c, c) // to nearest even
		codes = append(codes, c)
		VCVTDQ2PS(c, back)
		VMULPS(step, back, back)
		VSUBPS(back, v, v)
		VMOVUPS(v, Mem{Base: rest, Disp: 32 * i})
		if i == 0 {
			VMOVDQA(c, total)
			continue
		}
		VPADDD(c, total, total)
	}
	VPACKSSDW(codes[1], codes[0], codes[0])
	VPACKSSDW(codes[3], codes[2], codes[2])
	VPACKSSWB(codes[2], codes[0], codes[0])
	VPERMD(codes[0], indices, codes[0])
	VMOVDQU(codes[0], Mem{Base: code})
	across(total, func(a, b, to reg.VecVirtual) { VPADDD(a, b, to) })
	VCVTDQ2PS(total, total)
	VMULSS(step.AsX(), total.AsX(), total.AsX())
	VMOVSS(total.AsX(), Mem{Base: scale, Disp: 4})
	ADDQ(Imm(32), code)
	ADDQ(Imm(8), scale)
	ADDQ(U32(128), rest)
	ADDQ(U32(128), x)
	INCQ(done)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	Store(done, ReturnIndex(0))
	RET()
}

// across leaves in every lane of v what f makes of all of them.
func across(v reg.VecVirtual, f func(a, b, to reg.VecVirtual)) {
	other := YMM()
	VPERM2I128(Imm(1), v, v, other)
	f(v, other, v)
	VPSHUFD(Imm(0x4e), v, other)
	f(v, other, v)
	VPSHUFD(Imm(0xb1), v, other)
	f(v, other, v)
}
