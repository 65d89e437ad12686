package kernel

// SiLUMul stores silu(gate[i])·up[i] in dst, where silu(x) = x·σ(x) = x/(1+e⁻ˣ): the activation of a llama's
// feed-forward layer (SwiGLU, Shazeer 2020, https://arxiv.org/abs/2002.05202). dst may be gate or up. It panics if
// the lengths differ.
func SiLUMul(dst, gate, up []float32) {
	sameLength("SiLUMul", len(dst), gate, up)
	active.siluMul(dst, gate, up)
}

// SiLUMulBackward stores the gradients of SiLUMul, given the gradient dy of its result:
//
//	dup = dy·silu(gate),  dgate = dy·up·σ(gate)·(1 + gate·(1−σ(gate)))
//
// A destination may be any of the inputs. It panics if the lengths differ.
func SiLUMulBackward(dgate, dup, dy, gate, up []float32) {
	sameLength("SiLUMulBackward", len(dy), dgate, dup, gate, up)
	active.siluMulBackward(dgate, dup, dy, gate, up)
}

func siluMulGo(dst, gate, up []float32) {
	up, dst = up[:len(gate)], dst[:len(gate)]
	for i, g := range gate {
		dst[i] = g / (1 + exp(-g)) * up[i]
	}
}

func siluMulBackwardGo(dgate, dup, dy, gate, up []float32) {
	for i, g := range gate {
		sigma := 1 / (1 + exp(-g))
		d, u := dy[i], up[i]
		dup[i] = d * (g * sigma)
		dgate[i] = d * u * (sigma * (1 + g*(1-sigma)))
	}
}
