package kernel

import "math"

// RMSNorm stores x[i]·s·w[i] in dst, with s = 1/√(mean(x²) + eps), and returns s, which RMSNormBackward needs. The
// mean is summed in float64. dst may be x. It panics if the lengths differ.
//
// Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467.
func RMSNorm(dst, x, w []float32, eps float32) float32 {
	sameLength("RMSNorm", len(x), dst, w)
	s := inverseRMS(x, eps)
	for i, v := range x {
		dst[i] = v * s * w[i]
	}
	return s
}

func inverseRMS(x []float32, eps float32) float32 {
	var s0, s1, s2, s3 float64 // four sums, so that one addition need not wait for the other
	i := 0
	for ; i+4 <= len(x); i += 4 {
		v := x[i : i+4]
		s0 += float64(v[0]) * float64(v[0])
		s1 += float64(v[1]) * float64(v[1])
		s2 += float64(v[2]) * float64(v[2])
		s3 += float64(v[3]) * float64(v[3])
	}
	for _, v := range x[i:] {
		s0 += float64(v) * float64(v)
	}
	mean := ((s0 + s1) + (s2 + s3)) / float64(max(len(x), 1))
	return float32(1 / math.Sqrt(mean+float64(eps)))
}

// RMSNormBackward adds the gradients of RMSNorm to dx and, unless it is nil, to dw, given the gradient dy of its
// result and the s it returned:
//
//	dw += dy·x·s,  dx += s·(dy·w − x·s²·mean(dy·w·x))
//
// It panics if the lengths differ.
func RMSNormBackward(dx, dw, dy, x, w []float32, s float32) {
	sameLength("RMSNormBackward", len(x), dx, dy, w)
	if dw != nil {
		sameLength("RMSNormBackward", len(x), dw)
		for i, d := range dy {
			dw[i] += d * x[i] * s
		}
	}
	var sum float64
	for i, d := range dy {
		sum += float64(d*w[i]) * float64(x[i])
	}
	pull := float32(sum/float64(max(len(x), 1))) * s * s
	for i, d := range dy {
		dx[i] += s * (d*w[i] - x[i]*pull)
	}
}
