package gguf

import (
	"encoding/binary"
	"fmt"
)

// CodeBlock is how many values of a row share what Codes gives as one scale and minimum.
const CodeBlock = 32

// CodeBits returns in how many bits the codes of a type fit: 4 for 0 … 15, 8 for signed ones without minima. It is 0 for
// types that Codes does not know.
func (t Type) CodeBits() int {
	switch t {
	case Q4_0, Q4_1, Q4_K:
		return 4
	case Q5_0, Q8_0:
		return 8
	}
	return 0
}

// Codes takes src, whole blocks of type t, apart without rounding: value i is scale[i/32]·code[i] + min[i/32], up to the
// rounding of Dequantize. scale and min have a 32nd of code's length. It fails for a type whose CodeBits are 0 and for
// lengths that do not fit.
func Codes(code []int8, scale, min []float32, t Type, src []byte) error {
	if t.CodeBits() == 0 {
		return fmt.Errorf("take codes of %v: want one of Q4_0, Q4_1, Q4_K, Q5_0, Q8_0", t)
	}
	size, err := t.Size(len(code))
	if err != nil {
		return fmt.Errorf("take codes: %w", err)
	}
	if size != len(src) || len(scale) != len(code)/CodeBlock || len(min) != len(scale) {
		return fmt.Errorf("take %d codes of %v: %d bytes, %d scales, %d minima; want %d bytes and %d of each", len(code), t, len(src), len(scale), len(min), size, len(code)/CodeBlock)
	}
	values, bytes := t.BlockSize(), t.BlockBytes()
	for groups := values / CodeBlock; len(code) > 0; code, src = code[values:], src[bytes:] {
		codesOf(code[:values], scale[:groups], min[:groups], t, src[:bytes])
		scale, min = scale[groups:], min[groups:]
	}
	return nil
}

// codesOf takes one block apart.
func codesOf(code []int8, d, m []float32, t Type, src []byte) {
	d[0], m[0] = scale(src), 0
	switch t {
	case Q8_0:
		for i, v := range src[2:34] {
			code[i] = int8(v)
		}
	case Q4_0:
		m[0] = -8 * d[0]
		splitNibbles(code, src[2:18])
	case Q4_1:
		m[0] = scale(src[2:])
		splitNibbles(code, src[4:20])
	case Q5_0:
		high := binary.LittleEndian.Uint32(src[2:])
		splitNibbles(code, src[6:22])
		for i := range code {
			code[i] += int8(high>>i&1<<4) - 16
		}
	case Q4_K:
		all, least := scale(src), scale(src[2:])
		for group := range 8 {
			s, low := scaleMin(group, src[4:16])
			d[group], m[group] = all*float32(s), -(least * float32(low))
			for i, v := range src[16+group/2*32:][:32] {
				code[group*32+i] = int8(v >> (group % 2 * 4) & 15)
			}
		}
	}
}

// splitNibbles gives the low nibbles of 16 bytes, then the high ones.
func splitNibbles(code []int8, src []byte) {
	for i, v := range src {
		code[i], code[i+16] = int8(v&15), int8(v>>4)
	}
}
