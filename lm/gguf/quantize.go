package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encodeBlock encodes the 32 values of src into one block. All values are finite.
type encodeBlock func(dst []byte, src []float32)

var encoders = map[Type]encodeBlock{
	Q8_0: encodeQ8_0, Q4_0: encodeQ4_0, Q4_1: encodeQ4_1, Q5_0: encodeQ5_0, Q5_1: encodeQ5_1,
}

// Writable says whether Quantize can encode the type.
func (t Type) Writable() bool { return t == F32 || t == F16 || t == BF16 || encoders[t] != nil }

// Quantize encodes src as whole blocks of type t into dst, as ggml's reference code does, bit for bit. The lengths
// must agree: see Type.Size. A value that the type cannot hold is an error which names its index: NaN and infinity in
// a block type, and what would overflow to infinity in F16 or in the F16 scale of a block. It allocates nothing, and
// disjoint parts of a tensor may be encoded concurrently. After an error dst is undefined.
func Quantize(dst []byte, t Type, src []float32) error {
	if !t.Writable() {
		return fmt.Errorf("quantize to %v: the type cannot be encoded; want one of F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_0, Q4_1", t)
	}
	size, err := t.Size(len(src))
	if err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	if size != len(dst) {
		return fmt.Errorf("quantize %d values to %v: want %d bytes, have %d", len(src), t, size, len(dst))
	}
	switch t {
	case F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case F16:
		return encodeF16(dst, src)
	case BF16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], toBrain(v))
		}
	default:
		return encodeBlocks(dst, t, src)
	}
	return nil
}

// maxHalf is the largest finite half.
const maxHalf = 65504

func encodeF16(dst []byte, src []float32) error {
	for i, v := range src {
		h := toHalf(v)
		if h&0x7fff == 0x7c00 && !math.IsInf(float64(v), 0) {
			return fmt.Errorf("quantize to F16: value %v at index %d is outside ±%d", v, i, maxHalf)
		}
		binary.LittleEndian.PutUint16(dst[2*i:], h)
	}
	return nil
}

func encodeBlocks(dst []byte, t Type, src []float32) error {
	encode, values, bytes := encoders[t], t.BlockSize(), t.BlockBytes()
	for at := 0; at < len(src); at += values {
		block := src[at : at+values]
		for i, v := range block {
			// The scales are at most the largest magnitude: the bound is generous to Q8_0 and exact where a minimum
			// is stored.
			if !(math.Abs(float64(v)) <= maxHalf) {
				return fmt.Errorf("quantize to %v: value %v at index %d is outside ±%d", t, v, at+i, maxHalf)
			}
		}
		encode(dst[:bytes], block)
		dst = dst[bytes:]
	}
	return nil
}

func putHalf(dst []byte, x float32) { binary.LittleEndian.PutUint16(dst, toHalf(x)) }

// inverse returns 1/d, and 0 for the d of a block of zeros.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

func encodeQ8_0(dst []byte, src []float32) {
	var max float32
	for _, v := range src {
		if v < 0 {
			v = -v
		}
		if v > max {
			max = v
		}
	}
	d := max / 127
	id := inverse(d)
	putHalf(dst, d)
	for i, v := range src {
		dst[2+i] = uint8(int8(math.Round(float64(v * id)))) // halves away from zero, as C's roundf
	}
}

// extreme returns the value with the largest magnitude, with its sign; the first of equals.
func extreme(src []float32) float32 {
	var abs, max float32
	for _, v := range src {
		a := v
		if a < 0 {
			a = -a
		}
		if a > abs {
			abs, max = a, v
		}
	}
	return max
}

func minMax(src []float32) (lo, hi float32) {
	lo, hi = src[0], src[0]
	for _, v := range src[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

// level returns x·id + offset, cut to an integer of at most top. The product is rounded before the sum: no fused
// multiply-add.
func level(x, id, offset float32, top int32) uint8 {
	return uint8(min(top, int32(float32(x*id)+offset)))
}

func encodeQ4_0(dst []byte, src []float32) {
	d := extreme(src) / -8
	id := inverse(d)
	putHalf(dst, d)
	for i := range 16 {
		dst[2+i] = level(src[i], id, 8.5, 15) | level(src[i+16], id, 8.5, 15)<<4
	}
}

func encodeQ4_1(dst []byte, src []float32) {
	lo, hi := minMax(src)
	d := (hi - lo) / 15
	id := inverse(d)
	putHalf(dst, d)
	putHalf(dst[2:], lo)
	for i := range 16 {
		dst[4+i] = level(src[i]-lo, id, 0.5, 15) | level(src[i+16]-lo, id, 0.5, 15)<<4
	}
}

func encodeQ5_0(dst []byte, src []float32) {
	d := extreme(src) / -16
	id := inverse(d)
	putHalf(dst, d)
	var high uint32
	for i := range 16 {
		a, b := level(src[i], id, 16.5, 31), level(src[i+16], id, 16.5, 31)
		dst[6+i] = a&15 | b&15<<4
		high |= uint32(a>>4)<<i | uint32(b>>4)<<(i+16)
	}
	binary.LittleEndian.PutUint32(dst[2:], high)
}

func encodeQ5_1(dst []byte, src []float32) {
	lo, hi := minMax(src)
	d := (hi - lo) / 31
	id := inverse(d)
	putHalf(dst, d)
	putHalf(dst[2:], lo)
	var high uint32
	for i := range 16 {
		a, b := level(src[i]-lo, id, 0.5, 31), level(src[i+16]-lo, id, 0.5, 31)
		dst[8+i] = a&15 | b&15<<4
		high |= uint32(a>>4)<<i | uint32(b>>4)<<(i+16)
	}
	binary.LittleEndian.PutUint32(dst[4:], high)
}
