package kernel

import "math"

// FloatToHalf stores x in dst as IEEE binary16, rounded to nearest, ties to even. Values beyond the range become infinite;
// NaN stays NaN, quiet. It panics if the lengths differ.
func FloatToHalf(dst []uint16, x []float32) {
	if len(dst) != len(x) {
		panic("kernel: FloatToHalf: slices of different lengths")
	}
	active.toHalf(dst, x)
}

// HalfToFloat stores the binary16 values of x in dst; every one has its exact float32. It panics if the lengths differ.
func HalfToFloat(dst []float32, x []uint16) {
	if len(dst) != len(x) {
		panic("kernel: HalfToFloat: slices of different lengths")
	}
	active.fromHalf(dst, x)
}

func toHalfGo(dst []uint16, x []float32) {
	for i, v := range x {
		dst[i] = toHalf(v)
	}
}

func fromHalfGo(dst []float32, x []uint16) {
	for i, v := range x {
		dst[i] = fromHalf(v)
	}
}

func toHalf(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, magnitude := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN: made quiet, the leading bits kept
		return sign | 0x7e00 | uint16(magnitude>>13)&0x3ff
	case magnitude >= 0x47800000: // 2¹⁶ and more
		return sign | 0x7c00
	case magnitude >= 0x38800000: // a normal half: the exponent's bias goes from 127 to 15
		magnitude -= (127 - 15) << 23
		return sign | uint16((magnitude+0xfff+magnitude>>13&1)>>13) // a carry may reach infinity, as it should
	default: // subnormal: adding ½ leaves multiples of 2⁻²⁴ in the mantissa, rounded by the addition
		return sign | uint16(math.Float32bits(math.Float32frombits(magnitude)+.5)-0x3f000000)
	}
}

func fromHalf(x uint16) float32 {
	sign, magnitude := uint32(x&0x8000)<<16, uint32(x&0x7fff)
	switch {
	case magnitude > 0x7c00:
		return math.Float32frombits(sign | 0x7fc00000 | magnitude&0x3ff<<13)
	case magnitude == 0x7c00:
		return math.Float32frombits(sign | 0x7f800000)
	case magnitude >= 0x400:
		return math.Float32frombits(sign | magnitude<<13 + (127-15)<<23)
	default: // a multiple of 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(magnitude)*0x1p-24))
	}
}
