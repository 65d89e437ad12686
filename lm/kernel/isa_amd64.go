package kernel

import "golang.org/x/sys/cpu"

//go:generate go run -C asm . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg kernel

// native lists the instruction sets of this processor for which there is assembly.
func native() []*isa {
	var all []*isa
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, avx2)
		if cpu.X86.HasAVX512F {
			all = append(all, avx512)
			if cpu.X86.HasAVX512VNNI && cpu.X86.HasAVX512VL {
				all = append(all, avx512VNNI)
			}
		}
	}
	return all
}

// microAMD64 is one of the generated kernels for panels of a fixed number of rows.
type microAMD64 func(k int, alpha float32, a, b, c *float32, ldc, add int)

var avx2 = &isa{
	name: "avx2",
	mr:   6, nr: 16,
	micro: dispatch([]microAMD64{
		gemm1x16AVX2, gemm2x16AVX2, gemm3x16AVX2, gemm4x16AVX2, gemm5x16AVX2, gemm6x16AVX2,
	}, 16),
	narrow: dispatch([]microAMD64{
		gemm1x8AVX2, gemm2x8AVX2, gemm3x8AVX2, gemm4x8AVX2, gemm5x8AVX2, gemm6x8AVX2,
	}, 8),
	transpose: transposeAMD64, quant: quantAVX2.multiply, quantise: quantiseAMD64, quickQuant: true,
	dot: dotAMD64, axpy: axpyAMD64, scale: scaleAMD64, max: maxAMD64,
	toHalf: toHalfAMD64, fromHalf: fromHalfAMD64,
	expSum: expSumAMD64, siluMul: siluMulAMD64, siluMulBackward: siluMulBackwardAMD64,
}

// avx512 has the vector kernels of avx2: see asm/vector.go.
var avx512 = &isa{
	name: "avx512",
	mr:   12, nr: 32,
	micro: dispatch([]microAMD64{
		gemm1x32AVX512, gemm2x32AVX512, gemm3x32AVX512, gemm4x32AVX512, gemm5x32AVX512, gemm6x32AVX512,
		gemm7x32AVX512, gemm8x32AVX512, gemm9x32AVX512, gemm10x32AVX512, gemm11x32AVX512, gemm12x32AVX512,
	}, 32),
	narrow: dispatch([]microAMD64{
		gemm1x16AVX512, gemm2x16AVX512, gemm3x16AVX512, gemm4x16AVX512, gemm5x16AVX512, gemm6x16AVX512,
		gemm7x16AVX512, gemm8x16AVX512, gemm9x16AVX512, gemm10x16AVX512, gemm11x16AVX512, gemm12x16AVX512,
	}, 16),
	transpose: transposeAMD64, quant: quantAVX2.multiply, quantise: quantiseAMD64, quickQuant: true,
	dot: dotAMD64, axpy: axpyAMD64, scale: scaleAMD64, max: maxAMD64,
	toHalf: toHalfAMD64, fromHalf: fromHalfAMD64,
	expSum: expSumAMD64, siluMul: siluMulAMD64, siluMulBackward: siluMulBackwardAMD64,
}

// avx512VNNI multiplies codes with the instructions made for it.
var avx512VNNI = func() *isa {
	s := *avx512
	s.name, s.quant = "avx512vnni", quantVNNI.multiply
	return &s
}()

// dispatch makes the micro of an isa from its kernels for 1, 2, … rows and panels of width columns. The kernels trust
// their pointers: the slices are checked here, once for a panel.
func dispatch(kernels []microAMD64, width int) microKernel {
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

func transposeAMD64(dst []float32, step int, src []float32, stride, rows, k int) {
	_, _ = src[(rows-1)*stride+k-1], dst[(k-1)*step+rows-1]
	four, eight := rows&^3, k&^7
	for q := 0; q < eight; q += transposeChunk {
		length := min(transposeChunk, eight-q)
		for r := 0; r < four; r += 4 {
			transpose4(&dst[q*step+r], step, &src[r*stride+q], stride, length)
		}
	}
	if eight < k && four > 0 {
		transposeGo(dst[eight*step:], step, src[eight:], stride, four, k-eight)
	}
	if four < rows {
		transposeGo(dst[four:], step, src[four*stride:], stride, rows-four, k)
	}
}

func dotAMD64(a, b []float32) float32 {
	if len(a) == 0 {
		return 0
	}
	return dotAVX2(&a[0], &b[0], len(a))
}

func axpyAMD64(alpha float32, x, y []float32) {
	if len(x) > 0 {
		axpyAVX2(alpha, &x[0], &y[0], len(x))
	}
}

func scaleAMD64(alpha float32, x []float32) {
	if len(x) > 0 {
		scaleAVX2(alpha, &x[0], len(x))
	}
}

func maxAMD64(x []float32) float32 { return maxAVX2(&x[0], len(x)) }

// The kernels below do whole registers of 8 values. What is left goes through an array of 8, so that it too is
// computed by the kernel and a value does not depend on its place.

func expSumAMD64(dst, x []float32, shift float32) float64 {
	whole := len(x) &^ 7
	var sum float64
	if whole > 0 {
		if dst != nil {
			sum = expSumAVX2(&dst[0], &x[0], whole, shift)
		} else {
			sum = sumExpAVX2(&x[0], whole, shift)
		}
	}
	if whole < len(x) {
		var rest [8]float32
		n := copy(rest[:], x[whole:])
		expSumAVX2(&rest[0], &rest[0], 8, shift)
		for _, e := range rest[:n] {
			sum += float64(e)
		}
		if dst != nil {
			copy(dst[whole:], rest[:n])
		}
	}
	return sum
}

func siluMulAMD64(dst, gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulAVX2(&dst[0], &gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		var g, u [8]float32
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulAVX2(&g[0], &g[0], &u[0], 8)
		copy(dst[whole:], g[:])
	}
}

func siluMulBackwardAMD64(dgate, dup, dy, gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulBackwardAVX2(&dgate[0], &dup[0], &dy[0], &gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		var d, g, u [8]float32
		copy(d[:], dy[whole:])
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulBackwardAVX2(&g[0], &u[0], &d[0], &g[0], &u[0], 8)
		copy(dgate[whole:], g[:])
		copy(dup[whole:], u[:])
	}
}

func toHalfAMD64(dst []uint16, x []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		toHalfF16C(&dst[0], &x[0], whole)
	}
	toHalfGo(dst[whole:], x[whole:]) // the same bits
}

func fromHalfAMD64(dst []float32, x []uint16) {
	whole := len(x) &^ 7
	if whole > 0 {
		fromHalfF16C(&dst[0], &x[0], whole)
	}
	fromHalfGo(dst[whole:], x[whole:])
}
