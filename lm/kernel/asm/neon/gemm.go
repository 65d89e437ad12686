package main

import "fmt"

// gemm writes the kernel for a panel of so many rows, up to 6, and wide registers of columns. As in the other
// assembly, each of the sums is a single chain of fused multiply-adds in the order of k.
//
// V0 … are the sums, V24–V27 a row of B, V28–V29 a column of A.
func (p *program) gemm(rows, wide int) {
	name := fmt.Sprintf("gemm%dx%dNEON", rows, 4*wide)
	p.function(name, "(k int, alpha float32, a, b, c *float32, ldc, add int)", fmt.Sprintf("stores alpha·A·B in %d rows of C, %d columns wide, or adds it unless add is 0.", rows, 4*wide), 56)
	p.load("k+0(FP), R2", "a+16(FP), R0", "b+24(FP), R1", "c+32(FP), R3", "ldc+40(FP), R4", "add+48(FP), R7")
	for i := range vector(rows * wide) {
		p.zero(i)
	}
	p.line("LSR $2, R2, R5")
	p.line("AND $3, R2, R6")
	p.line("CBZ R5, rest")
	p.line("loop:")
	for range 4 {
		p.step(rows, wide)
	}
	p.line("SUB $1, R5")
	p.line("CBNZ R5, loop")
	p.line("rest:")
	p.line("CBZ R6, store")
	p.line("single:")
	p.step(rows, wide)
	p.line("SUB $1, R6")
	p.line("CBNZ R6, single")
	p.line("store:")
	p.store(rows, wide)
}

// step is one value of k.
func (p *program) step(rows, wide int) {
	p.line("VLD1.P %d(R1), %s", 16*wide, list(24, wide))
	p.line("PRFM 512(R1), PLDL1KEEP")
	at, left := 28, rows
	if left >= 4 {
		p.line("FMOVQ.P 16(R0), F%d", at)
		at, left = at+1, left-4
	}
	switch left {
	case 1:
		p.line("FMOVS.P 4(R0), F%d", at)
	case 2:
		p.line("FMOVD.P 8(R0), F%d", at)
	case 3:
		p.line("FMOVD.P 8(R0), F%d", at)
		p.line("VLD1.P 4(R0), V%d.S[2]", at)
	}
	for i := range rows {
		for l := range wide {
			p.fmlaLane(vector(i*wide+l), vector(24+l), vector(28+i/4), i%4)
		}
	}
}

// store adds alpha times the sums to C, or to 0 without reading C. The product is rounded before it is added.
func (p *program) store(rows, wide int) {
	p.broadcast(31, "alpha+8(FP)")
	p.line("LSL $2, R4, R4")
	for i := range vector(rows * wide) {
		p.op3("FMUL", i, i, 31)
	}
	p.line("CBZ R7, new")
	p.put(rows, wide, true)
	p.line("new:")
	for l := range wide {
		p.zero(vector(24 + l))
	}
	p.put(rows, wide, false)
}

// put stores the sums plus V24 …, read from C if it is to be added to, and returns.
func (p *program) put(rows, wide int, add bool) {
	for i := range rows {
		if add {
			p.line("VLD1 (R3), %s", list(24, wide))
		}
		for l := range wide {
			s := vector(i*wide + l)
			p.op3("FADD", s, s, vector(24+l))
		}
		p.line("VST1 %s, (R3)", list(vector(i*wide), wide))
		if i < rows-1 {
			p.line("ADD R4, R3")
		}
	}
	p.line("RET")
}

// transpose writes the kernel that turns 4 rows into columns, 4 values of k at a time.
func (p *program) transpose() {
	p.function("transpose4", "(dst *float32, step int, src *float32, stride, k int)", "writes element q < k of 4 rows of src, stride apart, to dst[q·step …+4]. k is a multiple of 4.", 40)
	p.load("dst+0(FP), R0", "step+8(FP), R1", "src+16(FP), R2", "stride+24(FP), R3", "k+32(FP), R4")
	p.line("LSL $2, R1, R1")
	p.line("LSL $2, R3, R3")
	p.line("ADD R3, R2, R5")
	p.line("ADD R3, R5, R6")
	p.line("ADD R3, R6, R7")
	p.line("LSR $2, R4, R4")
	p.line("CBZ R4, done")
	p.line("loop:")
	for i, r := range []int{2, 5, 6, 7} {
		p.line("FMOVQ.P 16(R%d), F%d", r, i)
	}
	p.line("VTRN1 V1.S4, V0.S4, V4.S4")
	p.line("VTRN2 V1.S4, V0.S4, V5.S4")
	p.line("VTRN1 V3.S4, V2.S4, V6.S4")
	p.line("VTRN2 V3.S4, V2.S4, V7.S4")
	p.line("VTRN1 V6.D2, V4.D2, V16.D2")
	p.line("VTRN1 V7.D2, V5.D2, V17.D2")
	p.line("VTRN2 V6.D2, V4.D2, V18.D2")
	p.line("VTRN2 V7.D2, V5.D2, V19.D2")
	for i := range 4 {
		p.line("FMOVQ F%d, (R0)", 16+i)
		p.line("ADD R1, R0")
	}
	p.line("SUB $1, R4")
	p.line("CBNZ R4, loop")
	p.line("done:")
	p.line("RET")
}
