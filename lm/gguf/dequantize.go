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
}

func (t Type) decodable() bool {
	return t == F32 || t == F16 || t == BF16 || decoders[t] != nil
}

// Dequantize decodes src, whole blocks of type t, into dst, whose length is the number of values. The values are those
// of ggml, bit for bit. It allocates nothing; disjoint parts of a tensor may be decoded concurrently.
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
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = brain(binary.LittleEndian.Uint16(src[2*i:]))
		}
	default:
		decode, values, bytes := decoders[t], t.BlockSize(), t.BlockBytes()
		for ; len(dst) > 0; dst, src = dst[values:], src[bytes:] {
			decode(dst[:values], src[:bytes])
		}
	}
	return nil
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
