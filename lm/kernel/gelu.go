package kernel

// The two constants of GELU's approximation with tanh, which is x·σ(2u) with u = √(2/π)·(x + .044715·x³).
const (
	geluSlope = 1.5957691216057308 // 2·√(2/π)
	geluCube  = 0.044715
)

// GELUMul stores gelu(gate[i])·up[i] in dst, with the approximation by tanh (Hendrycks and Gimpel 2016,
// https://arxiv.org/abs/1606.08415): the activation of Gemma's feed-forward layer. dst may be gate or up. It panics if
// the lengths differ.
func GELUMul(dst, gate, up []float32) {
	sameLength("GELUMul", len(dst), gate, up)
	for i, x := range gate {
		dst[i] = x / (1 + exp(-geluSlope*(x+geluCube*x*x*x))) * up[i]
	}
}

// GELUMulBackward stores the gradients of GELUMul, given the gradient dy of its result: with s = σ(2u),
//
//	dup = dy·x·s,  dgate = dy·up·s·(1 + x·(1−s)·2u′),  2u′ = 2·√(2/π)·(1 + 3·.044715·x²)
//
// A destination may be any of the inputs. It panics if the lengths differ.
func GELUMulBackward(dgate, dup, dy, gate, up []float32) {
	sameLength("GELUMulBackward", len(dy), dgate, dup, gate, up)
	for i, x := range gate {
		// 1−σ is computed as σ of the other side, and times x it stays finite where x² does not.
		e := exp(-geluSlope * (x + geluCube*x*x*x))
		s, rest := 1/(1+e), 1/(1+1/e)
		slope := float32(1)
		if rest > 0 && s > 0 {
			slope += x * rest * geluSlope * (1 + 3*geluCube*x*x)
		}
		d, u := dy[i], up[i]
		dup[i] = d * (x * s)
		dgate[i] = d * u * (s * slope)
	}
}
