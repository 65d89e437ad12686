package gguf

import (
	"math"
	"sync"
)

// halves has the value of every half: a load is several times as fast as the arithmetic. 256 KiB, made when first wanted.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var table [1 << 16]float32
	for h := range table {
		table[h] = half(uint16(h))
	}
	return &table
})

// half returns the value of an IEEE 754 half. Shifted into the place of a float32's exponent and fraction, a half is
// its value times 2⁻¹¹², subnormal or not; one multiplication, which is exact, puts that right. Infinity and NaN need
// their exponent set.
func half(h uint16) float32 {
	const scale = 1 << 112
	magnitude := uint32(h&0x7fff) << 13
	value := math.Float32bits(math.Float32frombits(magnitude) * scale)
	if magnitude >= 0x7c00<<13 {
		value = magnitude | 0x7f800000
	}
	return math.Float32frombits(value | uint32(h&0x8000)<<16)
}

// toHalf returns the half nearest to x, ties to even, as hardware does. What is too large becomes infinite.
func toHalf(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, abs := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case abs > 0x7f800000: // NaN keeps its upper payload bits and is quiet
		return sign | 0x7e00 | uint16(abs>>13&0x3ff)
	case abs >= 0x477ff000: // 65520 and up round to infinity
		return sign | 0x7c00
	case abs < 0x38800000: // below 2⁻¹⁴: subnormal; adding ½ puts the last bit of the half at the last bit of the float
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
	}
	abs += 0xfff + abs>>13&1
	return sign | uint16((abs-0x38000000)>>13)
}

// brain returns the value of a bfloat16, which is the upper half of a float32.
func brain(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// toBrain returns the bfloat16 nearest to x, ties to even. NaN becomes a quiet NaN.
func toBrain(x float32) uint16 {
	bits := math.Float32bits(x)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
