package kernel

// quantAMD64 is one of the generated kernels for a form of codes and a fixed number of rows of x.
type quantAMD64 func(blocks int, w *byte, x *int8, ldx int, s *float32, lds int, y *float32, ldy int)

// quantKernels are those of one instruction set, by form of codes, for 1, 2, … rows of x.
type quantKernels [3][quantRows]quantAMD64

var quantAVX2 = quantKernels{
	Nibbles: {quantNibbles1AVX2, quantNibbles2AVX2, quantNibbles3AVX2, quantNibbles4AVX2},
	Bytes:   {quantBytes1AVX2, quantBytes2AVX2, quantBytes3AVX2, quantBytes4AVX2},
	Halves:  {quantHalves1AVX2, quantHalves2AVX2, quantHalves3AVX2, quantHalves4AVX2},
}

var quantVNNI = quantKernels{
	Nibbles: {quantNibbles1VNNI, quantNibbles2VNNI, quantNibbles3VNNI, quantNibbles4VNNI},
	Bytes:   {quantBytes1VNNI, quantBytes2VNNI, quantBytes3VNNI, quantBytes4VNNI},
	Halves:  {quantHalves1VNNI, quantHalves2VNNI, quantHalves3VNNI, quantHalves4VNNI},
}

// multiply calls one of them. They trust their pointers: the slices are checked here.
func (q *quantKernels) multiply(codes Codes, rows, blocks int, panel []byte, x []int8, s []float32, y []float32, ldy int) {
	in, lds := blocks*QuantBlock, 2*blocks
	_, _, _, _ = panel[blocks*codes.blockBytes()-1], x[rows*in-1], s[rows*lds-1], y[(rows-1)*ldy+quantPanel-1]
	q[codes][rows-1](blocks, &panel[0], &x[0], in, &s[0], lds, &y[0], ldy)
}

// quantiseAMD64 leaves blocks that are all zero, or have what is not a number, to the form in Go.
func quantiseAMD64(codes []int8, scale, rest, x []float32) {
	blocks := len(x) / QuantBlock
	for b := 0; b < blocks; b++ {
		n, at := blocks-b, b*QuantBlock
		_, _, _ = codes[at+n*QuantBlock-1], scale[2*blocks-1], rest[at+n*QuantBlock-1]
		if b += quantiseAVX2(&codes[at], &scale[2*b], &rest[at], &x[at], n); b < blocks {
			at = b * QuantBlock
			quantiseGo(codes[at:][:QuantBlock], scale[2*b:], rest[at:], x[at:at+QuantBlock])
		}
	}
}
