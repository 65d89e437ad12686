package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the kernel that turns 4 rows into columns, 8 values of k at a time.
func transpose() {
	TEXT("transpose4", NOSPLIT, "func(dst *float32, step int, src *float32, stride, k int)")
	Pragma("noescape")
	Doc("transpose4 writes element q < k of 4 rows of src, stride apart, to dst[q·step …+4]. k is a multiple of 8.")
	dst, step := Load(Param("dst"), GP64()), Load(Param("step"), GP64())
	src, stride, k := Load(Param("src"), GP64()), Load(Param("stride"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), step)
	SHLQ(Imm(2), stride)
	third := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, third)
	step3 := GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, step3)
	SHRQ(Imm(3), k)
	JZ(LabelRef("done"))
	Label("loop")
	row := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	VMOVUPS(Mem{Base: src}, row[0])
	VMOVUPS(Mem{Base: src, Index: stride, Scale: 1}, row[1])
	VMOVUPS(Mem{Base: src, Index: stride, Scale: 2}, row[2])
	VMOVUPS(Mem{Base: src, Index: third, Scale: 1}, row[3])
	// The next four rows, which the following call will read: runs are too short for the processor to see them coming.
	next := GP64()
	LEAQ(Mem{Base: src, Index: stride, Scale: 4}, next)
	PREFETCHT0(Mem{Base: next})
	PREFETCHT0(Mem{Base: next, Index: stride, Scale: 1})
	PREFETCHT0(Mem{Base: next, Index: stride, Scale: 2})
	PREFETCHT0(Mem{Base: next, Index: third, Scale: 1})
	t := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	VUNPCKLPS(row[1], row[0], t[0])
	VUNPCKHPS(row[1], row[0], t[1])
	VUNPCKLPS(row[3], row[2], t[2])
	VUNPCKHPS(row[3], row[2], t[3])
	column := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()} // each holds two columns, 4 apart
	VUNPCKLPD(t[2], t[0], column[0])
	VUNPCKHPD(t[2], t[0], column[1])
	VUNPCKLPD(t[3], t[1], column[2])
	VUNPCKHPD(t[3], t[1], column[3])
	at := []Mem{{Base: dst}, {Base: dst, Index: step, Scale: 1}, {Base: dst, Index: step, Scale: 2}, {Base: dst, Index: step3, Scale: 1}}
	for q, c := range column {
		VMOVUPS(c.AsX(), at[q])
	}
	LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
	for q, c := range column {
		VEXTRACTF128(Imm(1), c, at[q])
	}
	LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
	ADDQ(Imm(32), src)
	DECQ(k)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
