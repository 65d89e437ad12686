package kernel

import "math"

// The constants of exp: x = n·ln 2 + r with |r| ≤ ½ ln 2, ln 2 in two parts of which the first has trailing zeros, so
// that n times it is exact; then a polynomial for exp r (Cephes expf, S. L. Moshier) and n into the exponent.
const (
	expHigh = 88.72283  // above, the result is +Inf
	expLow  = -103.9721 // below, it is 0
	log2e   = 1.44269504088896341
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
	expP0   = 1.9875691500e-4
	expP1   = 1.3981999507e-3
	expP2   = 8.3334519073e-3
	expP3   = 4.1665795894e-2
	expP4   = 1.6666665459e-1
	expP5   = 5.0000001201e-1
)

// exp returns eˣ with a relative error below 2e-7; subnormal results may be 0.
func exp(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > expHigh:
		return float32(math.Inf(1))
	case x < expLow:
		return 0
	}
	n := float32(math.RoundToEven(float64(x * log2e)))
	r := x - n*ln2High - n*ln2Low
	p := float32(expP0)
	p = p*r + expP1
	p = p*r + expP2
	p = p*r + expP3
	p = p*r + expP4
	p = p*r + expP5
	y := p*(r*r) + r + 1
	// Two steps, as 2ⁿ alone may be infinite or subnormal where the result is not.
	half := int32(n) >> 1
	return y * power2(half) * power2(int32(n)-half)
}

// power2 returns 2ⁿ for −126 ≤ n ≤ 127.
func power2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

func expSumGo(dst, x []float32, shift float32) float64 {
	var sum float64
	for i, v := range x {
		e := exp(v - shift)
		sum += float64(e)
		if dst != nil {
			dst[i] = e
		}
	}
	return sum
}
