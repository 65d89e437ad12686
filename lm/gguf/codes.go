package gguf

import (
	"encoding/binary"
	"fmt"
)

// CodeBlock is how many values of a row share what Codes gives as one minimum and, with codes of 6 bits, as two scales, else
// as one.
const CodeBlock = 32

// CodeBits returns in how many bits the codes of a type fit: 4 for 0 … 15, 6 for signed ones with a scale for each half of a
// CodeBlock, 8 for signed ones without minima. It is 0 for types that Codes does not know: those of whole floats, and Q2_K, whose
// minima are of half a block too.
func (t Type) CodeBits() int {
	switch t {
	case Q4_0, Q4_1, Q4_K:
		return 4
	case Q5_1, Q3_K, Q5_K, Q6_K:
		return 6
	case Q5_0, Q8_0, IQ4_NL, IQ4_XS, MXFP4:
		return 8
	}
	return 0
}

// CodeScales returns how many scales Codes gives for a block.
func (t Type) CodeScales() int {
	if t.CodeBits() == 6 {
		return 2
	}
	return 1
}

// Codes takes src, whole blocks of type t, apart without rounding: value i is scale[i·CodeScales/32]·code[i] + min[i/32], up to
// the rounding of Dequantize. min has a 32nd of code's length, scale CodeScales times that. It fails for a type whose CodeBits are
// 0 and for lengths that do not fit.
func Codes(code []int8, scale, min []float32, t Type, src []byte) error {
	if t.CodeBits() == 0 {
		return fmt.Errorf("take codes of %v: a type that has none", t)
	}
	size, err := t.Size(len(code))
	if err != nil {
		return fmt.Errorf("take codes: %w", err)
	}
	blocks, scales := len(code)/CodeBlock, t.CodeScales()
	if size != len(src) || len(scale) != scales*blocks || len(min) != blocks {
		return fmt.Errorf("take %d codes of %v: %d bytes, %d scales, %d minima; want %d, %d and %d", len(code), t, len(src), len(scale), len(min), size, scales*blocks, blocks)
	}
	values, bytes := t.BlockSize(), t.BlockBytes()
	for groups := values / CodeBlock; len(code) > 0; code, src = code[values:], src[bytes:] {
		codesOf(code[:values], scale[:groups*scales], min[:groups], t, src[:bytes])
		scale, min = scale[groups*scales:], min[groups:]
	}
	return nil
}

// codesOf takes one block apart.
func codesOf(code []int8, d, m []float32, t Type, src []byte) {
	clear(m)
	switch t {
	case Q8_0:
		d[0] = scale(src)
		for i, v := range src[2:34] {
			code[i] = int8(v)
		}
	case Q4_0:
		d[0] = scale(src)
		m[0] = -8 * d[0]
		splitNibbles(code, src[2:18])
	case Q4_1:
		d[0], m[0] = scale(src), scale(src[2:])
		splitNibbles(code, src[4:20])
	case Q5_0:
		d[0] = scale(src)
		splitFives(code, src[6:22], binary.LittleEndian.Uint32(src[2:]))
	case Q5_1:
		d[0], d[1] = scale(src), scale(src)
		m[0] = scale(src[2:]) + 16*d[0]
		splitFives(code, src[8:24], binary.LittleEndian.Uint32(src[4:]))
	case Q3_K:
		codesQ3_K(code, d, src)
	case Q4_K:
		scalesQ45_K(d, m, src)
		for group := range 8 {
			for i, v := range src[16+group/2*32:][:32] {
				code[group*32+i] = int8(v >> (group % 2 * 4) & 15)
			}
		}
	case Q5_K:
		codesQ5_K(code, d, m, src)
	case Q6_K:
		codesQ6_K(code, d, src)
	case IQ4_NL:
		d[0] = scale(src)
		splitLevels(code, src[2:18], &levelsIQ4)
	case IQ4_XS:
		for group := range d {
			d[group] = scaleIQ4_XS(group, src)
			splitLevels(code[group*32:][:32], src[8+16*group:][:16], &levelsIQ4)
		}
	case MXFP4:
		d[0] = halfPower(src[0])
		splitLevels(code, src[1:17], &levelsMXFP4)
	}
}

// splitNibbles gives the low nibbles of 16 bytes, then the high ones.
func splitNibbles(code []int8, src []byte) {
	for i, v := range src {
		code[i], code[i+16] = int8(v&15), int8(v>>4)
	}
}

// splitFives gives codes of 5 bits as −16 … 15.
func splitFives(code []int8, nibbles []byte, fifth uint32) {
	splitNibbles(code, nibbles)
	for i := range code {
		code[i] += int8(fifth>>i&1<<4) - 16
	}
}

// splitLevels gives the levels of nibbles, which are whole numbers.
func splitLevels(code []int8, src []byte, levels *[16]float32) {
	splitNibbles(code, src)
	for i, v := range code {
		code[i] = int8(levels[v])
	}
}

// scalesQ45_K gives the scales and minima that Q4_K and Q5_K begin with.
func scalesQ45_K(d, m []float32, src []byte) {
	all, least := scale(src), scale(src[2:])
	for group := range m {
		s, low := scaleMin(group, src[4:16])
		d[group], m[group] = all*float32(s), -(least * float32(low))
	}
}

func codesQ5_K(code []int8, d, m []float32, src []byte) {
	scalesQ45_K(d[:8], m, src)
	high, q := src[16:48], src[48:176]
	for group := 7; group >= 0; group-- { // from behind: d has two places for each scale
		d[2*group], d[2*group+1] = d[group], d[group]
		m[group] += 16 * d[group]
		out := code[group*32:][:32]
		for i, v := range q[group/2*32:][:32] {
			out[i] = int8(v>>(group%2*4)&15|high[i]>>group&1<<4) - 16
		}
	}
}

func codesQ3_K(code []int8, d []float32, src []byte) {
	high, q := src[:32], src[32:96]
	for group := range d {
		d[group] = scaleQ3_K(group, src)
		out, side := code[group*16:][:16], group%2*16
		shift, bit := group/2%4*2, group/2
		for i, v := range q[group/8*32+side:][:16] {
			out[i] = int8(v>>shift&3|high[side+i]>>bit&1<<2) - 4
		}
	}
}

func codesQ6_K(code []int8, d []float32, src []byte) {
	low, high, all := src[:128], src[128:192], scale(src[208:])
	for group := range d {
		d[group] = all * float32(int8(src[192+group]))
	}
	for i := range code {
		part, in := i/128, i%128 // 32 bytes have four groups of 32 values: two in the low nibbles, two in the high ones
		nibble := low[part*64+in%64] >> (in / 64 * 4) & 15
		two := high[part*32+in%32] >> (in / 32 * 2) & 3
		code[i] = int8(nibble|two<<4) - 32
	}
}
