package kernel

//go:generate go run -C asm ./neon -out ../kernels_arm64.s -stubs ../kernels_arm64.go

// native lists the one instruction set that every processor of 64 bits has.
func native() []*isa { return []*isa{neon} }

// microARM64 is one of the generated kernels for panels of a fixed number of rows.
type microARM64 func(k int, alpha float32, a, b, c *float32, ldc, add int)

var neon = &isa{
	name: "neon",
	mr:   6, nr: 16,
	micro: dispatch([]microARM64{
		gemm1x16NEON, gemm2x16NEON, gemm3x16NEON, gemm4x16NEON, gemm5x16NEON, gemm6x16NEON,
	}, 16),
	narrow: dispatch([]microARM64{
		gemm1x8NEON, gemm2x8NEON, gemm3x8NEON, gemm4x8NEON, gemm5x8NEON, gemm6x8NEON,
	}, 8),
	transpose: transposeARM64, quant: quantGo, quantise: quantiseGo,
	dot: dotARM64, axpy: axpyARM64, scale: scaleARM64, max: maxARM64,
	toHalf: toHalfGo, fromHalf: fromHalfGo,
	expSum: expSumARM64, siluMul: siluMulARM64, siluMulBackward: siluMulBackwardARM64,
}

// dispatch makes the micro of an isa from its kernels for 1, 2, … rows and panels of width columns. The kernels trust
// their pointers: the slices are checked here, once for a panel.
func dispatch(kernels []microARM64, width int) microKernel {
	return func(rows, k int, alpha float32, a, b, c []float32, ldc int, add bool) {
		_, _, _ = a[rows*k-1], b[k*width-1], c[(rows-1)*ldc+width-1]
		more := 0
		if add {
			more = 1
		}
		kernels[rows-1](k, alpha, &a[0], &b[0], &c[0], ldc, more)
	}
}

// transposeChunk is how much of k is transposed at a time: few enough values that what four rows wrote is still in
// the first cache when the next four fill the same lines.
const transposeChunk = 128

func transposeARM64(dst []float32, step int, src []float32, stride, rows, k int) {
	_, _ = src[(rows-1)*stride+k-1], dst[(k-1)*step+rows-1]
	down, whole := rows&^3, k&^3
	for q := 0; q < whole; q += transposeChunk {
		length := min(transposeChunk, whole-q)
		for r := 0; r < down; r += 4 {
			transpose4(&dst[q*step+r], step, &src[r*stride+q], stride, length)
		}
	}
	if whole < k && down > 0 {
		transposeGo(dst[whole*step:], step, src[whole:], stride, down, k-whole)
	}
	if down < rows {
		transposeGo(dst[down:], step, src[down*stride:], stride, rows-down, k)
	}
}

func dotARM64(a, b []float32) float32 {
	if len(a) == 0 {
		return 0
	}
	return dotNEON(&a[0], &b[0], len(a))
}

func axpyARM64(alpha float32, x, y []float32) {
	if len(x) > 0 {
		axpyNEON(alpha, &x[0], &y[0], len(x))
	}
}

func scaleARM64(alpha float32, x []float32) {
	if len(x) > 0 {
		scaleNEON(alpha, &x[0], len(x))
	}
}

func maxARM64(x []float32) float32 { return maxNEON(&x[0], len(x)) }

// The kernels below do eight values at a time. What is left goes through an array of 8, so that it too is computed by
// the kernel and a value does not depend on its place.

func expSumARM64(dst, x []float32, shift float32) float64 {
	whole := len(x) &^ 7
	var sum float64
	if whole > 0 {
		if dst != nil {
			sum = expSumNEON(&dst[0], &x[0], whole, shift)
		} else {
			sum = sumExpNEON(&x[0], whole, shift)
		}
	}
	if whole < len(x) {
		var rest [8]float32
		n := copy(rest[:], x[whole:])
		expSumNEON(&rest[0], &rest[0], 8, shift)
		for _, e := range rest[:n] {
			sum += float64(e)
		}
		if dst != nil {
			copy(dst[whole:], rest[:n])
		}
	}
	return sum
}

func siluMulARM64(dst, gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulNEON(&dst[0], &gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		var g, u [8]float32
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulNEON(&g[0], &g[0], &u[0], 8)
		copy(dst[whole:], g[:])
	}
}

func siluMulBackwardARM64(dgate, dup, dy, gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulBackwardNEON(&dgate[0], &dup[0], &dy[0], &gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		var d, g, u [8]float32
		copy(d[:], dy[whole:])
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulBackwardNEON(&g[0], &u[0], &d[0], &g[0], &u[0], 8)
		copy(dgate[whole:], g[:])
		copy(dup[whole:], u[:])
	}
}
