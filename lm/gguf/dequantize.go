package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// decodeBlock decodes one block of src into dst.
type decodeBlock func(dst []float32, src []byte)

// decoders has the block types. F32, F16 and BF16, which have no blocks, are done by Dequantize itself.
var decoders = map[Type]decodeBlock{
	Q8_0: decodeQ8_0, Q4_0: decodeQ4_0, Q4_1: decodeQ4_1, Q5_0: decodeQ5_0, Q5_1: decodeQ5_1,
	Q2_K: decodeQ2_K, Q3_K: decodeQ3_K, Q4_K: decodeQ4_K, Q5_K: decodeQ5_K, Q6_K: decodeQ6_K,
	IQ4_NL: decodeIQ4_NL, IQ4_XS: decodeIQ4_XS, MXFP4: decodeMXFP4,
}

func (t Type) decodable() bool {
	return t == F32 || t == F16 || t == BF16 || decoders[t] != nil
}

// Dequantize decodes src, whole blocks of type t, into dst, whose length is the number of values. The values are those
// of ggml, bit for bit. It allocates nothing after the first call; disjoint parts of a tensor may be decoded concurrently.
func Dequantize(dst []float32, t Type, src []byte) error {
	if !t.decodable() {
		return fmt.Errorf("dequantize %v: the type cannot be decoded", t)
	}
	size, err := t.Size(len(dst))
	if err != nil {
		return fmt.Errorf("dequantize: %w", err)
	}
	if size != len(src) {
		return fmt.Errorf("dequantize %d values of %v: want %d bytes, have %d", len(dst), t, size, len(src))
	}
	switch t {
	case F32:
		decodeF32(dst, src)
	case F16:
		decodeF16(dst, src)
	case BF16:
		decodeBF16(dst, src)
	default:
		decode, values, bytes := decoders[t], t.BlockSize(), t.BlockBytes()
		for ; len(dst) > 0; dst, src = dst[values:], src[bytes:] {
			decode(dst[:values], src[:bytes])
		}
	}
	return nil
}

// Below, four values at a time have one check that they are there.

func decodeF32(dst []float32, src []byte) {
	for ; len(dst) >= 4 && len(src) >= 16; dst, src = dst[4:], src[16:] {
		a, b := binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
		dst[0], dst[1] = math.Float32frombits(uint32(a)), math.Float32frombits(uint32(a>>32))
		dst[2], dst[3] = math.Float32frombits(uint32(b)), math.Float32frombits(uint32(b>>32))
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func decodeF16(dst []float32, src []byte) {
	table := halves()
	for ; len(dst) >= 4 && len(src) >= 8; dst, src = dst[4:], src[8:] {
		a := binary.LittleEndian.Uint64(src)
		dst[0], dst[1] = table[uint16(a)], table[uint16(a>>16)]
		dst[2], dst[3] = table[uint16(a>>32)], table[uint16(a>>48)]
	}
	for i := range dst {
		dst[i] = table[binary.LittleEndian.Uint16(src[2*i:])]
	}
}

func decodeBF16(dst []float32, src []byte) {
	for ; len(dst) >= 4 && len(src) >= 8; dst, src = dst[4:], src[8:] {
		a := binary.LittleEndian.Uint64(src)
		dst[0], dst[1] = math.Float32frombits(uint32(a)<<16), math.Float32frombits(uint32(a)&0xffff0000)
		dst[2], dst[3] = math.Float32frombits(uint32(a>>32)<<16), math.Float32frombits(uint32(a>>32)&0xffff0000)
	}
	for i := range dst {
		dst[i] = brain(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func scale(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }

// Below, products are converted before they are added: the conversion forbids a fused multiply-add, whose other
// rounding would make the values differ between processors.

// Q8_0: a scale, 32 signed bytes.
func decodeQ8_0(dst []float32, src []byte) {
	d, q := scale(src), src[2:34]
	dst = dst[:32]
	for i, v := range q {
		dst[i] = d * float32(int8(v))
	}
}

// Q4_0: a scale, 32 nibbles; the low ones come first. A nibble stands for −8 … 7.
func decodeQ4_0(dst []float32, src []byte) {
	d, q := scale(src), src[2:18]
	lo, hi := dst[:16], dst[16:32]
	for i, v := range q {
		lo[i] = d * float32(int(v&15)-8)
		hi[i] = d * float32(int(v>>4)-8)
	}
}

// Q4_1: a scale, a minimum, 32 nibbles.
func decodeQ4_1(dst []float32, src []byte) {
	d, m, q := scale(src), scale(src[2:]), src[4:20]
	lo, hi := dst[:16], dst[16:32]
	for i, v := range q {
		lo[i] = float32(d*float32(v&15)) + m
		hi[i] = float32(d*float32(v>>4)) + m
	}
}

// Q5_0: a scale, the fifth bits of 32 values, their nibbles. A value stands for −16 … 15.
func decodeQ5_0(dst []float32, src []byte) {
	d, high, q := scale(src), binary.LittleEndian.Uint32(src[2:]), src[6:22]
	lo, hi := dst[:16], dst[16:32]
	for i, v := range q {
		lo[i] = d * float32(int(v&15|uint8(high>>i<<4)&16)-16)
		hi[i] = d * float32(int(v>>4|uint8(high>>(i+16)<<4)&16)-16)
	}
}

// Q5_1: a scale, a minimum, the fifth bits of 32 values, their nibbles.
func decodeQ5_1(dst []float32, src []byte) {
	d, m, high, q := scale(src), scale(src[2:]), binary.LittleEndian.Uint32(src[4:]), src[8:24]
	lo, hi := dst[:16], dst[16:32]
	for i, v := range q {
		lo[i] = float32(d*float32(v&15|uint8(high>>i<<4)&16)) + m
		hi[i] = float32(d*float32(v>>4|uint8(high>>(i+16)<<4)&16)) + m
	}
}
