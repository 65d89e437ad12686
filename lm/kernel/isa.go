package kernel

import (
	"fmt"
	"os"
	"strings"
)

// microKernel stores alpha·A·B in C, or with add adds it to C, where A is a panel of rows ≤ mr rows, B one of a fixed number of columns, both
// over k, and C has rows ldc apart. Each element is the chain of multiply-adds over k from 0 on, times alpha, then
// added, if not to C then to 0.
type microKernel func(rows, k int, alpha float32, a, b, c []float32, ldc int, add bool)

// isa is the set of kernels for one instruction set, which all compute the same.
type isa struct {
	name string

	micro  microKernel // for panels of nr columns
	narrow microKernel // for panels of nr/2 columns, the last of a matrix; nil if there is none
	mr, nr int

	// whole computes a product with m, n, k > 0 and alpha ≠ 0, packed not set, in place of the panels; nil if panels
	// it is. See doc.go for what it does not promise.
	whole func(p *product)

	// transpose writes element q < k of row r < rows of src, rows being stride apart, to dst[q·step + r].
	transpose func(dst []float32, step int, src []float32, stride, rows, k int)

	// quant stores rows ≤ quantRows rows of x, by a panel of a Quant of that many blocks, in y, whose rows are ldy apart.
	quant func(codes Codes, rows, blocks int, panel []byte, x []int8, s []float32, y []float32, ldy int)
	// quantise stores the codes of blocks of x, their scales, and in rest, which may be x, what they leave over.
	quantise   func(codes []int8, scale, rest, x []float32)
	quickQuant bool // it is faster than a product in float32

	dot  func(a, b []float32) float32
	axpy func(alpha float32, x, y []float32)
	// scale multiplies x by alpha.
	scale func(alpha float32, x []float32)
	// max returns the largest of at least one value; it may pass over NaN.
	max func(x []float32) float32
	// expSum stores exp(x − shift) in dst, which may be x or nil, and returns the sum.
	expSum func(dst, x []float32, shift float32) float64
	// toHalf and fromHalf are FloatToHalf and HalfToFloat.
	toHalf   func(dst []uint16, x []float32)
	fromHalf func(dst []float32, x []uint16)
	// siluMul and siluMulBackward are SiLUMul and SiLUMulBackward.
	siluMul         func(dst, gate, up []float32)
	siluMulBackward func(dgate, dup, dy, gate, up []float32)
}

// portable is the kernels in Go.
var portable = &isa{
	name: "portable",
	mr:   4, nr: 4, micro: microGo, transpose: transposeGo, quant: quantGo, quantise: quantiseGo,
	dot: dotGo, axpy: axpyGo, scale: scaleGo, max: maxGo,
	toHalf: toHalfGo, fromHalf: fromHalfGo,
	expSum: expSumGo, siluMul: siluMulGo, siluMulBackward: siluMulBackwardGo,
}

// available lists what this processor can run, the best last.
func available() []*isa {
	all := append([]*isa{portable}, native()...)
	return append(all, library(all)...)
}

// active is what the package uses.
var active = chosen(os.Getenv("PLUMB_KERNEL"))

// chosen returns the instruction set of that name, or the best if it is empty. A name that this processor or this
// program does not have ends the program: who asks for one wants no other.
func chosen(name string) *isa {
	all := available()
	if name == "" {
		return all[len(all)-1]
	}
	var names []string
	for _, s := range all {
		if s.name == name {
			return s
		}
		names = append(names, s.name)
	}
	panic(fmt.Sprintf("kernel: PLUMB_KERNEL is %q; this processor and program have %s", name, strings.Join(names, ", ")))
}

// InstructionSet names the kernels in use: portable, avx2, avx512, avx512vnni, neon or openblas.
func InstructionSet() string { return active.name }
