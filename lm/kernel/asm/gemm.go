package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is one instruction set's registers and widths.
type vectors struct {
	name     string
	bytes    int // of a register
	rows     int // of the largest kernel
	register func() reg.VecVirtual
	zero     func(r reg.VecVirtual)
}

func gemmAVX2() {
	v := vectors{name: "AVX2", bytes: 32, rows: 6, register: YMM, zero: func(r reg.VecVirtual) { VXORPS(r, r, r) }}
	v.all()
}

func gemmAVX512() {
	v := vectors{name: "AVX512", bytes: 64, rows: 12, register: ZMM, zero: func(r reg.VecVirtual) { VPXORD(r, r, r) }}
	v.all()
}

// all writes the kernels for panels of B that are two registers wide, and for those of one, which the last columns
// may need.
func (v vectors) all() {
	for wide := 2; wide > 0; wide-- {
		for rows := 1; rows <= v.rows; rows++ {
			v.gemm(rows, wide)
		}
	}
}

// gemm writes the kernel for a panel of so many rows. All rows·wide sums stay in registers over the whole of k, each a
// single chain of fused multiply-adds in the order of k: this fixes the bits of a product.
func (v vectors) gemm(rows, wide int) {
	TEXT(fmt.Sprintf("gemm%dx%d%s", rows, wide*v.bytes/4, v.name), NOSPLIT, "func(k int, alpha float32, a, b, c *float32, ldc, add int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("gemm%dx%d%s stores alpha·A·B in %d rows of C, %d columns wide, or adds it unless add is 0.", rows, wide*v.bytes/4, v.name, rows, wide*v.bytes/4))
	k := Load(Param("k"), GP64())
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	sums := make([][]reg.VecVirtual, rows)
	for i := range sums {
		for range wide {
			s := v.register()
			v.zero(s)
			sums[i] = append(sums[i], s)
		}
	}
	const unroll = 4
	rest := GP64()
	MOVQ(k, rest)
	ANDQ(Imm(unroll-1), rest)
	SHRQ(Imm(2), k)
	JZ(LabelRef("rest"))
	Label("loop")
	for u := range unroll {
		v.step(sums, a, b, u)
	}
	ADDQ(U32(4*rows*unroll), a)
	ADDQ(U32(v.bytes*wide*unroll), b)
	DECQ(k)
	JNZ(LabelRef("loop"))
	Label("rest")
	TESTQ(rest, rest)
	JZ(LabelRef("store"))
	Label("single")
	v.step(sums, a, b, 0)
	ADDQ(U32(4*rows), a)
	ADDQ(U32(v.bytes*wide), b)
	DECQ(rest)
	JNZ(LabelRef("single"))
	Label("store")
	v.store(sums)
}

// ahead is how many bytes of B are asked for before they are used. Much more than this was slower.
const ahead = 512

// step is one value of k, u after the pointers.
func (v vectors) step(sums [][]reg.VecVirtual, a, b reg.Register, u int) {
	wide := len(sums[0])
	var row []reg.VecVirtual
	for l := range wide {
		r := v.register()
		VMOVUPS(Mem{Base: b, Disp: (u*wide + l) * v.bytes}, r)
		PREFETCHT0(Mem{Base: b, Disp: (u*wide+l)*v.bytes + ahead})
		row = append(row, r)
	}
	for i := range sums {
		x := v.register()
		VBROADCASTSS(Mem{Base: a, Disp: 4 * (u*len(sums) + i)}, x)
		for l := range wide {
			VFMADD231PS(row[l], x, sums[i][l])
		}
	}
}

// store adds alpha times the sums to C, or to 0 without reading C. The product is rounded before it is added.
func (v vectors) store(sums [][]reg.VecVirtual) {
	alpha, zero := v.register(), v.register()
	p, err := Param("alpha").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(p.Addr, alpha)
	for i := range sums {
		for _, s := range sums[i] {
			VMULPS(alpha, s, s)
		}
	}
	c, ldc, add := Load(Param("c"), GP64()), Load(Param("ldc"), GP64()), Load(Param("add"), GP64())
	SHLQ(Imm(2), ldc)
	TESTQ(add, add)
	JZ(LabelRef("new"))
	v.put(sums, c, ldc, nil)
	Label("new")
	v.zero(zero)
	v.put(sums, c, ldc, zero)
}

// put stores the sums plus old, or plus what is there if old is nil, and returns.
func (v vectors) put(sums [][]reg.VecVirtual, c, ldc reg.Register, old reg.VecVirtual) {
	for i := range sums {
		for l, s := range sums[i] {
			m := Mem{Base: c, Disp: l * v.bytes}
			if old != nil {
				VADDPS(old, s, s)
			} else {
				VADDPS(m, s, s)
			}
			VMOVUPS(s, m)
		}
		if i < len(sums)-1 {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}
