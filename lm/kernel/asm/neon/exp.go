package main

import "math"

// The registers of eˣ over a loop. The values are those of exp.go in package kernel.
const (
	clampLow vector = 16 + iota
	clampHigh
	log2e
	ln2High
	ln2Low
	one
	bias
	expP0 // to V28: the coefficients of the polynomial
)

func (p *program) newExp() {
	for i, x := range []float32{-150, 128, 1.44269504088896341, 0.693359375, -2.12194440e-4, 1} {
		p.constant(clampLow+vector(i), math.Float32bits(x))
	}
	p.constant(bias, 127)
	for i, x := range []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		p.constant(expP0+vector(i), math.Float32bits(x))
	}
}

// exp replaces V<x> by eˣ. NaN stays. It uses V4–V7.
func (p *program) exp(x vector) {
	const n, a, b, half = 4, 5, 6, 7
	p.op3("FMIN", x, x, clampHigh)
	p.op3("FMAX", x, x, clampLow)
	p.op3("FMUL", n, log2e, x)
	p.op2("FRINTN", n, n)
	p.op3("FMLS", x, ln2High, n)
	p.op3("FMLS", x, ln2Low, n)
	was, next := expP0, vector(a)
	for i := range vector(5) {
		p.line("VORR V%d.B16, V%d.B16, V%d.B16", expP0+1+i, expP0+1+i, next)
		p.op3("FMLA", next, was, x)
		was = next
		next = a + b - next
	}
	p.op3("FMUL", next, x, x)
	p.op3("FMLA", x, was, next)
	p.op3("FADD", x, x, one)
	// 2ⁿ in two factors, as one alone may be out of range where the product is not.
	p.op2("FCVTNS", n, n)
	p.op2("SSHR1", half, n)
	p.op3("SUB", n, n, half)
	for _, part := range []vector{half, n} {
		p.op3("ADD", part, part, bias)
		p.op2("SHL23", part, part)
		p.op3("FMUL", x, x, part)
	}
}

// expSum writes the kernel with or without a place for the exponentials. V8–V11 are the sums of the values 0 and 1, 2
// and 3, 4 and 5, 6 and 7 of each eight.
func (p *program) expSum(name string, keep bool) {
	if keep {
		p.function(name, "(dst, x *float32, n int, shift float32) float64", "stores exp(x[i] − shift) in dst[i] for i < n, a multiple of 8, and returns their sum.", 40)
		p.load("dst+0(FP), R1", "x+8(FP), R0", "n+16(FP), R8")
		p.broadcast(30, "shift+24(FP)")
	} else {
		p.function(name, "(x *float32, n int, shift float32) float64", "returns Σ exp(x[i] − shift) for i < n, a multiple of 8.", 32)
		p.load("x+0(FP), R0", "n+8(FP), R8")
		p.broadcast(30, "shift+16(FP)")
	}
	p.newExp()
	p.zero(8, 9, 10, 11)
	p.blocks(1, func(int) {
		p.line("VLD1.P 32(R0), %s", list(0, 2))
		for half := range vector(2) {
			p.op3("FSUB", half, half, 30)
			p.exp(half)
			p.op2("FCVTL", 2, half)
			p.op3("FADD2D", 8+2*half, 8+2*half, 2)
			p.op2("FCVTL2", 2, half)
			p.op3("FADD2D", 9+2*half, 9+2*half, 2)
		}
		if keep {
			p.line("VST1.P %s, 32(R1)", list(0, 2))
		}
	}, nil)
	p.op3("FADD2D", 8, 8, 10)
	p.op3("FADD2D", 9, 9, 11)
	p.op3("FADD2D", 8, 8, 9)
	p.op2("FADDP2D", 8, 8)
	if keep {
		p.line("FMOVD F8, ret+32(FP)")
	} else {
		p.line("FMOVD F8, ret+24(FP)")
	}
	p.line("RET")
}

func (p *program) siluMul() {
	p.function("siluMulNEON", "(dst, gate, up *float32, n int)", "is SiLUMul for n values, a multiple of 8.", 32)
	p.load("dst+0(FP), R0", "gate+8(FP), R1", "up+16(FP), R2", "n+24(FP), R8")
	p.newExp()
	p.blocks(1, func(int) {
		for range 2 {
			p.line("FMOVQ.P 16(R1), F0")
			p.line("FMOVQ.P 16(R2), F2")
			p.sigmoidDenominator(1, 0)
			p.op3("FDIV", 0, 0, 1)
			p.op3("FMUL", 0, 0, 2)
			p.line("FMOVQ.P F0, 16(R0)")
		}
	}, nil)
	p.line("RET")
}

// sigmoidDenominator makes d = 1 + exp(−g).
func (p *program) sigmoidDenominator(d, g vector) {
	p.op2("FNEG", d, g)
	p.exp(d)
	p.op3("FADD", d, d, one)
}

func (p *program) siluMulBackward() {
	p.function("siluMulBackwardNEON", "(dgate, dup, dy, gate, up *float32, n int)", "is SiLUMulBackward for n values, a multiple of 8.", 48)
	p.load("dgate+0(FP), R0", "dup+8(FP), R1", "dy+16(FP), R2", "gate+24(FP), R3", "up+32(FP), R4", "n+40(FP), R8")
	p.newExp()
	const g, sigma, d, u, slope = 0, 1, 2, 3, 8
	p.blocks(1, func(int) {
		for range 2 {
			p.line("FMOVQ.P 16(R3), F%d", g)
			p.line("FMOVQ.P 16(R2), F%d", d)
			p.line("FMOVQ.P 16(R4), F%d", u)
			p.sigmoidDenominator(sigma, g)
			p.op3("FDIV", sigma, one, sigma)
			p.op3("FMUL", u, d, u)       // dy·up
			p.op3("FSUB", 9, one, sigma) // 1 − σ
			p.line("VORR V%d.B16, V%d.B16, V%d.B16", one, one, slope)
			p.op3("FMLA", slope, 9, g) // 1 + gate·(1 − σ)
			p.op3("FMUL", slope, slope, sigma)
			p.op3("FMUL", slope, slope, u)
			p.op3("FMUL", g, g, sigma)
			p.op3("FMUL", g, g, d) // dy·silu
			p.line("FMOVQ.P F%d, 16(R1)", g)
			p.line("FMOVQ.P F%d, 16(R0)", slope)
		}
	}, nil)
	p.line("RET")
}
