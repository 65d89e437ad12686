package gguf

import "encoding/binary"

// The "k" types have super-blocks of 256 values: a scale for all, and small integer scales, themselves quantised, for
// groups of 16 or 32 values.

// Q2_K: 16 scales and minima of 4 bits, 256 values of 2 bits, a scale of the scales, one of the minima.
func decodeQ2_K(dst []float32, src []byte) {
	scales, q, d, m := src[:16], src[16:80], scale(src[80:]), scale(src[82:])
	for group := range 16 {
		// Groups run over 16 bytes each: two for one pair of bits of 32 bytes, four pairs of bits, then the next 32
		// bytes.
		bytes := q[group/8*32+group%2*16:][:16]
		shift := group / 2 % 4 * 2
		dl, ml := d*float32(scales[group]&15), m*float32(scales[group]>>4)
		out := dst[group*16:][:16]
		for i, v := range bytes {
			out[i] = float32(dl*float32(v>>shift&3)) - ml
		}
	}
}

// Q3_K: the third bits of 256 values, their 2 low bits, 16 scales of 6 bits, a scale of the scales. A value stands
// for −4 … 3.
func decodeQ3_K(dst []float32, src []byte) {
	high, q := src[:32], src[32:96]
	for group := range 16 {
		dl := scaleQ3_K(group, src)
		bytes, mask := q[group/8*32+group%2*16:][:16], high[group%2*16:][:16]
		shift, bit := group/2%4*2, group/2
		out := dst[group*16:][:16]
		for i, v := range bytes {
			out[i] = dl * float32(int(v>>shift&3|mask[i]>>bit&1<<2)-4)
		}
	}
}

// scaleQ3_K returns the scale of a group of 16. The low 4 bits of the scales are the nibbles of 8 bytes, the upper 2 bits the
// pairs of another 4.
func scaleQ3_K(group int, src []byte) float32 {
	packed := src[96:108]
	low := packed[group%8] >> (group / 8 * 4) & 15
	up := packed[8+group%4] >> (group / 4 * 2) & 3
	return scale(src[108:]) * float32(int(low|up<<4)-32)
}

// scaleMin returns scale and minimum, 6 bits each, of group j of 8: the packing of Q4_K and Q5_K.
func scaleMin(j int, packed []byte) (uint8, uint8) {
	if j < 4 {
		return packed[j] & 63, packed[j+4] & 63
	}
	return packed[j+4]&15 | packed[j-4]>>6<<4, packed[j+4]>>4 | packed[j]>>6<<4
}

// Q4_K: a scale of the scales, one of the minima, 8 scales and minima of 6 bits, 256 nibbles.
func decodeQ4_K(dst []float32, src []byte) {
	d, m, packed, q := scale(src), scale(src[2:]), src[4:16], src[16:144]
	for pair := range 4 {
		s1, m1 := scaleMin(2*pair, packed)
		s2, m2 := scaleMin(2*pair+1, packed)
		d1, min1, d2, min2 := d*float32(s1), m*float32(m1), d*float32(s2), m*float32(m2)
		lo, hi := dst[pair*64:][:32], dst[pair*64+32:][:32]
		for i, v := range q[pair*32:][:32] {
			lo[i] = float32(d1*float32(v&15)) - min1
			hi[i] = float32(d2*float32(v>>4)) - min2
		}
	}
}

// Q5_K: as Q4_K, with the fifth bits of the values before their nibbles.
func decodeQ5_K(dst []float32, src []byte) {
	d, m, packed, high, q := scale(src), scale(src[2:]), src[4:16], src[16:48], src[48:176]
	for pair := range 4 {
		s1, m1 := scaleMin(2*pair, packed)
		s2, m2 := scaleMin(2*pair+1, packed)
		d1, min1, d2, min2 := d*float32(s1), m*float32(m1), d*float32(s2), m*float32(m2)
		lo, hi := dst[pair*64:][:32], dst[pair*64+32:][:32]
		for i, v := range q[pair*32:][:32] {
			bits := high[i] >> (2 * pair)
			lo[i] = float32(d1*float32(v&15|bits&1<<4)) - min1
			hi[i] = float32(d2*float32(v>>4|bits>>1&1<<4)) - min2
		}
	}
}

// Q6_K: the low 4 bits of 256 values, their upper 2 bits, 16 signed scales, a scale of the scales. A value stands for
// −32 … 31.
func decodeQ6_K(dst []float32, src []byte) {
	low, high, scales, d := src[:128], src[128:192], src[192:208], half(binary.LittleEndian.Uint16(src[208:]))
	for part := range 2 {
		ql, qh, out := low[part*64:][:64], high[part*32:][:32], dst[part*128:][:128]
		for side := range 2 { // 16 values of each of four groups of 32
			var s [4]float32
			for k := range s {
				s[k] = d * float32(int8(scales[part*8+k*2+side]))
			}
			for i := side * 16; i < side*16+16; i++ {
				a, b, h := ql[i], ql[i+32], qh[i]
				out[i] = s[0] * float32(int(a&15|h&3<<4)-32)
				out[i+32] = s[1] * float32(int(b&15|h>>2&3<<4)-32)
				out[i+64] = s[2] * float32(int(a>>4|h>>4&3<<4)-32)
				out[i+96] = s[3] * float32(int(b>>4|h>>6&3<<4)-32)
			}
		}
	}
}
