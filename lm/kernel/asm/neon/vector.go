package main

// The kernels on vectors take 8 values at a time as two registers, in the order of the kernels for AVX2, so that sums
// have the same bits. R0 … are pointers, R8 is the number of values left.

// blocks writes a loop over R8 values, units of 8 at a time, then one, then single values unless single is nil.
func (p *program) blocks(units int, body func(unit int), single func()) {
	loop := func(name, next string, values int, f func()) {
		p.line("%s:", name)
		p.line("CMP $%d, R8", values)
		p.line("BLT %s", next)
		f()
		p.line("SUB $%d, R8", values)
		p.line("B %s", name)
	}
	if units > 1 {
		loop("blocks", "vectors", 8*units, func() {
			for i := range units {
				body(i)
			}
		})
	}
	next := "done"
	if single != nil {
		next = "values"
	}
	loop("vectors", next, 8, func() { body(0) })
	if single != nil {
		loop("values", "done", 1, single)
	}
	p.line("done:")
}

func (p *program) dot() {
	p.function("dotNEON", "(a, b *float32, n int) float32", "returns Σ a[i]·b[i] for i < n.", 28)
	p.load("a+0(FP), R0", "b+8(FP), R1", "n+16(FP), R8")
	for i := range vector(9) {
		p.zero(i)
	}
	p.blocks(4, func(unit int) {
		p.line("VLD1.P 32(R0), %s", list(16, 2))
		p.line("VLD1.P 32(R1), %s", list(18, 2))
		p.op3("FMLA", vector(2*unit), 16, 18)
		p.op3("FMLA", vector(2*unit+1), 17, 19)
	}, func() {
		p.line("FMOVS.P 4(R0), F16")
		p.line("FMOVS.P 4(R1), F18")
		p.line("FMADDS F16, F8, F18, F8")
	})
	for _, pair := range [][2]vector{{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {0, 1}} {
		p.op3("FADD", pair[0], pair[0], pair[1])
	}
	p.op3("FADDP", 0, 0, 0)
	p.op2("FADDPS", 0, 0)
	p.line("FADDS F8, F0, F0")
	p.line("FMOVS F0, ret+24(FP)")
	p.line("RET")
}

func (p *program) axpy() {
	p.function("axpyNEON", "(alpha float32, x, y *float32, n int)", "adds alpha·x[i] to y[i] for i < n.", 32)
	p.broadcast(31, "alpha+0(FP)")
	p.load("x+8(FP), R0", "y+16(FP), R1", "n+24(FP), R8")
	p.blocks(4, func(int) {
		p.line("VLD1.P 32(R0), %s", list(0, 2))
		p.line("VLD1 (R1), %s", list(2, 2))
		p.op3("FMLA", 2, 0, 31)
		p.op3("FMLA", 3, 1, 31)
		p.line("VST1.P %s, 32(R1)", list(2, 2))
	}, func() {
		p.line("FMOVS.P 4(R0), F0")
		p.line("FMOVS (R1), F2")
		p.line("FMADDS F0, F2, F31, F2")
		p.line("FMOVS.P F2, 4(R1)")
	})
	p.line("RET")
}

func (p *program) scale() {
	p.function("scaleNEON", "(alpha float32, x *float32, n int)", "multiplies x[i] by alpha for i < n.", 24)
	p.broadcast(31, "alpha+0(FP)")
	p.load("x+8(FP), R0", "n+16(FP), R8")
	p.blocks(4, func(int) {
		p.line("VLD1 (R0), %s", list(0, 2))
		p.op3("FMUL", 0, 0, 31)
		p.op3("FMUL", 1, 1, 31)
		p.line("VST1.P %s, 32(R0)", list(0, 2))
	}, func() {
		p.line("FMOVS (R0), F0")
		p.line("FMULS F31, F0, F0")
		p.line("FMOVS.P F0, 4(R0)")
	})
	p.line("RET")
}

func (p *program) maximum() {
	p.function("maxNEON", "(x *float32, n int) float32", "returns the largest x[i] for i < n, −Inf if n is 0. It passes over NaN.", 20)
	p.load("x+0(FP), R0", "n+8(FP), R8")
	for i := range vector(8) {
		p.constant(i, 0xff800000)
	}
	p.constant(16, 0xff800000)
	p.blocks(4, func(unit int) {
		p.line("VLD1.P 32(R0), %s", list(18, 2))
		p.op3("FMAXNM", vector(2*unit), vector(2*unit), 18)
		p.op3("FMAXNM", vector(2*unit+1), vector(2*unit+1), 19)
	}, func() {
		p.line("VLD1R.P 4(R0), [V18.S4]")
		p.op3("FMAXNM", 16, 16, 18)
	})
	for i := range vector(8) {
		p.op3("FMAXNM", 16, 16, i)
	}
	p.op2("FMAXNMV", 16, 16)
	p.line("FMOVS F16, ret+16(FP)")
	p.line("RET")
}
