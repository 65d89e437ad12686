package lm

import "plumb/lm/kernel"

// activations are what the backward pass of one layer needs of its forward pass. T rows each.
type activations struct {
	x                     []float32    // T×D, the input
	n1, n2                []float32    // T×D, normalised inputs of attention and feed-forward
	s1, s2                []float32    // T, scales of the norms
	q, k, v               []float32    // T×H·S, T×G·S, T×G·S, rotated
	probs, y              []float32    // attention probabilities; T×H·S, what they give
	mid                   []float32    // T×D, after attention
	gateOut, upOut, gated []float32    // T×F
	xa                    [7][]float32 // T×r, inputs through A of each adapter pair, in the order of maps
}

// defaultActivationBytes is what a pass may hold for the way back, unless the model says otherwise.
const defaultActivationBytes = 2 << 30

func (m *Model) activationLimit() int {
	if m.ActivationBytes > 0 {
		return m.ActivationBytes
	}
	return defaultActivationBytes
}

// activationFloats is what forwardLayer takes for all layers together.
func (p *Pass) activationFloats() int {
	c, t := &p.m.config, len(p.b.tokens)
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	n, _ := p.attention.probsSize()
	n += t * (4*c.Dim + 2*q + 2*kv + 3*c.FFN + 2)
	if p.adapter != nil {
		n += t * 7 * p.adapter.Rank
	}
	return n * c.Layers
}

// forwardLayer computes one block: x + o(attention(norm(x))), then + down(silu(gate(norm))·up(norm)). It returns the
// output, T×D, in memory of its own.
func (p *Pass) forwardLayer(l *layer, pairs *[7]*pair, x []float32) ([]float32, *activations) {
	c, t, mem := &p.m.config, len(p.b.tokens), p.mem
	a := &activations{x: x, n1: mem.floats(t * c.Dim), n2: mem.floats(t * c.Dim), s1: mem.floats(t), s2: mem.floats(t)}
	norm(a.n1, a.s1, x, l.attnNorm, c.Eps)
	a.q, a.k, a.v = mem.floats(t*l.q.out), mem.floats(t*l.k.out), mem.floats(t*l.v.out)
	for i, y := range [][]float32{a.q, a.k, a.v} {
		a.xa[i] = p.apply(l.maps()[i], pairs[i], y, a.n1)
	}
	table := p.m.rope.upTo(p.b.longest)
	eachRow(t, func(from, to int) {
		for r := from; r < to; r++ {
			p.m.rotate(a.q[r*l.q.out:(r+1)*l.q.out], table, p.b.positions[r], 1)
			p.m.rotate(a.k[r*l.k.out:(r+1)*l.k.out], table, p.b.positions[r], 1)
		}
	})
	size, _ := p.attention.probsSize()
	a.probs, a.y = mem.floats(size), mem.floats(t*l.o.in)
	p.attention.forward(a.y, a.probs, a.q, a.k, a.v)
	a.mid = mem.floats(t * c.Dim)
	a.xa[3] = p.apply(l.o, pairs[3], a.mid, a.y)
	add(a.mid, x)

	norm(a.n2, a.s2, a.mid, l.ffnNorm, c.Eps)
	a.gateOut, a.upOut, a.gated = mem.floats(t*c.FFN), mem.floats(t*c.FFN), mem.floats(t*c.FFN)
	a.xa[4] = p.apply(l.gate, pairs[4], a.gateOut, a.n2)
	a.xa[5] = p.apply(l.up, pairs[5], a.upOut, a.n2)
	eachRow(t, func(from, to int) {
		from, to = from*c.FFN, to*c.FFN
		kernel.SiLUMul(a.gated[from:to], a.gateOut[from:to], a.upOut[from:to])
	})
	out := mem.floats(t * c.Dim)
	a.xa[6] = p.apply(l.down, pairs[6], out, a.gated)
	add(out, a.mid)
	return out, a
}

// backwardLayer turns d, the gradient of the layer's output, into that of its input, in place.
func (p *Pass) backwardLayer(l *layer, pairs *[7]*pair, a *activations, d []float32, g gradients) {
	c, t, mem := &p.m.config, len(p.b.tokens), p.mem
	chunk, at := mem.mark()
	defer mem.reset(chunk, at)

	dgated := mem.zeros(t * c.FFN)
	p.applyBackward(l.down, pairs[6], dgated, d, a.gated, a.xa[6], g)
	dgate, dup := mem.floats(t*c.FFN), dgated
	eachRow(t, func(from, to int) {
		from, to = from*c.FFN, to*c.FFN
		kernel.SiLUMulBackward(dgate[from:to], dup[from:to], dgated[from:to], a.gateOut[from:to], a.upOut[from:to])
	})
	dn := mem.zeros(t * c.Dim)
	p.applyBackward(l.gate, pairs[4], dn, dgate, a.n2, a.xa[4], g)
	p.applyBackward(l.up, pairs[5], dn, dup, a.n2, a.xa[5], g)
	normBackward(d, g.weights, l.ffnNormAt, dn, a.mid, l.ffnNorm, a.s2)

	dy := mem.zeros(t * l.o.in)
	p.applyBackward(l.o, pairs[3], dy, d, a.y, a.xa[3], g)
	dq, dk, dv := mem.floats(t*l.q.out), mem.zeros(t*l.k.out), mem.zeros(t*l.v.out)
	p.attention.backward(dq, dk, dv, dy, a.probs, a.q, a.k, a.v)
	table := p.m.rope.upTo(p.b.longest)
	eachRow(t, func(from, to int) {
		for r := from; r < to; r++ {
			p.m.rotate(dq[r*l.q.out:(r+1)*l.q.out], table, p.b.positions[r], -1)
			p.m.rotate(dk[r*l.k.out:(r+1)*l.k.out], table, p.b.positions[r], -1)
		}
	})
	clear(dn)
	for i, dz := range [][]float32{dq, dk, dv} {
		p.applyBackward(l.maps()[i], pairs[i], dn, dz, a.n1, a.xa[i], g)
	}
	normBackward(d, g.weights, l.attnNormAt, dn, a.x, l.attnNorm, a.s1)
}

// apply stores the linear map of x in y, with the adapter's addition if there is one.
func (p *Pass) apply(l *linear, low *pair, y, x []float32) (xa []float32) {
	l.forward(y, x, len(p.b.tokens))
	if low != nil {
		xa = low.forward(l, y, x, len(p.b.tokens), p.mem)
	}
	return xa
}

func (p *Pass) applyBackward(l *linear, low *pair, dx, dy, x, xa []float32, g gradients) {
	l.backward(dx, dy, x, len(p.b.tokens), g.weights)
	if low != nil {
		low.backward(l, dx, dy, x, xa, len(p.b.tokens), g.adapter, p.mem)
	}
}

// norm stores the RMS norm of each row of x in y and the scales in s.
func norm(y, s, x, w []float32, eps float32) {
	d := len(w)
	eachRow(len(s), func(from, to int) {
		for r := from; r < to; r++ {
			s[r] = kernel.RMSNorm(y[r*d:(r+1)*d], x[r*d:(r+1)*d], w, eps)
		}
	})
}

// normBackward adds the gradient of norm's input to dx, and that of w to grad if it is set.
func normBackward(dx []float32, grad *Params, at int, dy, x, w, s []float32) {
	d := len(w)
	var dw []float32
	if grad != nil {
		// Rows add to the same dw: one after another, in order.
		dw = grad.Data[at : at+d]
		for r := range s {
			kernel.RMSNormBackward(dx[r*d:(r+1)*d], dw, dy[r*d:(r+1)*d], x[r*d:(r+1)*d], w, s[r])
		}
		return
	}
	eachRow(len(s), func(from, to int) {
		for r := from; r < to; r++ {
			kernel.RMSNormBackward(dx[r*d:(r+1)*d], nil, dy[r*d:(r+1)*d], x[r*d:(r+1)*d], w, s[r])
		}
	})
}

func add(dst, x []float32) { kernel.Axpy(1, x, dst) }
