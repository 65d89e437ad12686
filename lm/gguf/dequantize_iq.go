package gguf

import (
	"encoding/binary"
	"math"
)

// The "iq4" types and MXFP4 keep nibbles that index a table of uneven levels, finer around zero, where most weights are.

// levelsIQ4 are the levels of IQ4_NL and IQ4_XS.
var levelsIQ4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// levelsMXFP4 are twice the values of a float of 4 bits, E2M1 (Open Compute Project, Microscaling Formats, 2023).
var levelsMXFP4 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// decodeLevels decodes 32 nibbles, the low ones first, into d times their levels.
func decodeLevels(dst []float32, q []byte, d float32, levels *[16]float32) {
	lo, hi := dst[:16], dst[16:32]
	for i, v := range q[:16] {
		lo[i] = d * levels[v&15]
		hi[i] = d * levels[v>>4]
	}
}

// IQ4_NL: a scale, 32 nibbles.
func decodeIQ4_NL(dst []float32, src []byte) { decodeLevels(dst, src[2:18], scale(src), &levelsIQ4) }

// IQ4_XS: a scale of the scales, 8 scales of 6 bits (the upper two apart from the lower four), 256 nibbles.
func decodeIQ4_XS(dst []float32, src []byte) {
	for group := range 8 {
		decodeLevels(dst[group*32:][:32], src[8+group*16:], scaleIQ4_XS(group, src), &levelsIQ4)
	}
}

// scaleIQ4_XS returns the scale of a group of 32.
func scaleIQ4_XS(group int, src []byte) float32 {
	low := src[4+group/2] >> (group % 2 * 4) & 15
	up := binary.LittleEndian.Uint16(src[2:]) >> (2 * group) & 3
	return scale(src) * float32(int(low|uint8(up)<<4)-32)
}

// MXFP4: an exponent, 32 nibbles.
func decodeMXFP4(dst []float32, src []byte) {
	decodeLevels(dst, src[1:17], halfPower(src[0]), &levelsMXFP4)
}

// halfPower returns 2^(e−128), half of what an exponent stands for since the levels are doubled. The first two are
// subnormal.
func halfPower(e byte) float32 {
	if e < 2 {
		return math.Float32frombits(1 << (21 + e))
	}
	return math.Float32frombits(uint32(e-1) << 23)
}
