package lm

import "plumb/lm/kernel"

// activations are what the backward pass of one layer needs of its forward pass. T rows each.
type activations struct {
	x                     []float32    // T×D, the input
	n1, n2                []float32    // T×D, normalised inputs of attention and feed-forward
	s1, s2                []float32    // T, scales of the norms
	q, k, v               []float32    // T×H·S, T×G·S, T×G·S, rotated
	rawQ, rawK, sq, sk    []float32    // T×H·S, T×G·S, before the norms of the heads, and T×H, T×G, their scales; nil without them
	probs, y              []float32    // attention probabilities; T×H·S, what they give
	rawAttn, rawFFN       []float32    // T×D, what attention and feed-forward give before its norm; nil without one
	sa, sf                []float32    // T, scales of these norms
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
	if c.parts.headNorms {
		n += t * (q + kv + c.Heads + c.KVHeads)
	}
	if c.parts.postNorms {
		n += t * (2*c.Dim + 2)
	}
	if p.adapter != nil {
		n += t * 7 * p.adapter.Rank
	}
	return n * c.Layers
}

// forwardLayer computes one block: x + o(attention(norm(x))), then + down(silu(gate(norm))·up(norm)), with the norms and the
// activation of the model's family. It returns the output, T×D, in memory of its own.
func (p *Pass) forwardLayer(l *layer, pairs *[7]*pair, x []float32) ([]float32, *activations) {
	c, t, mem := &p.m.config, len(p.b.tokens), p.mem
	a := &activations{x: x, n1: mem.floats(t * c.Dim), n2: mem.floats(t * c.Dim), s1: mem.floats(t), s2: mem.floats(t)}
	norm(a.n1, a.s1, x, l.attnNorm.w, c.Eps)
	a.q, a.k, a.v = mem.floats(t*l.q.out), mem.floats(t*l.k.out), mem.floats(t*l.v.out)
	p.apply(l, pairs, a, 0, a.n1, a.q, a.k, a.v)
	if l.qNorm.w != nil {
		a.rawQ, a.q, a.sq = p.inner(a.q, l.qNorm)
		a.rawK, a.k, a.sk = p.inner(a.k, l.kNorm)
	}
	p.turn(l, a.q, a.k, 1)
	size, _ := p.attention.probsSize()
	a.probs, a.y = mem.floats(size), mem.floats(t*l.o.in)
	p.attention.forward(a.y, a.probs, a.q, a.k, a.v, l.window)
	a.mid = mem.floats(t * c.Dim)
	p.apply(l, pairs, a, 3, a.y, a.mid)
	if l.attnPost.w != nil {
		a.rawAttn, a.mid, a.sa = p.inner(a.mid, l.attnPost)
	}
	add(a.mid, x)

	norm(a.n2, a.s2, a.mid, l.ffnNorm.w, c.Eps)
	a.gateOut, a.upOut, a.gated = mem.floats(t*c.FFN), mem.floats(t*c.FFN), mem.floats(t*c.FFN)
	p.apply(l, pairs, a, 4, a.n2, a.gateOut, a.upOut)
	eachRow(t, func(from, to int) {
		from, to = from*c.FFN, to*c.FFN
		c.parts.activate(a.gated[from:to], a.gateOut[from:to], a.upOut[from:to])
	})
	out := mem.floats(t * c.Dim)
	p.apply(l, pairs, a, 6, a.gated, out)
	if l.ffnPost.w != nil {
		a.rawFFN, out, a.sf = p.inner(out, l.ffnPost)
	}
	add(out, a.mid)
	return out, a
}

// backwardLayer turns d, the gradient of the layer's output, into that of its input, in place.
func (p *Pass) backwardLayer(l *layer, pairs *[7]*pair, a *activations, d []float32, g gradients) {
	c, t, mem := &p.m.config, len(p.b.tokens), p.mem
	chunk, at := mem.mark()
	defer mem.reset(chunk, at)

	dgated, dout := mem.floats(t*c.FFN), d
	if l.ffnPost.w != nil {
		dout = p.innerBackward(d, a.rawFFN, l.ffnPost, a.sf, g)
	}
	p.applyBackward(l.down, pairs[6], 0, dgated, dout, a.gated, a.xa[6], g)
	dgate, dup := mem.floats(t*c.FFN), dgated
	eachRow(t, func(from, to int) {
		from, to = from*c.FFN, to*c.FFN
		c.parts.activateBackward(dgate[from:to], dup[from:to], dgated[from:to], a.gateOut[from:to], a.upOut[from:to])
	})
	dn := mem.floats(t * c.Dim)
	p.applyBackward(l.gate, pairs[4], 0, dn, dgate, a.n2, a.xa[4], g)
	p.applyBackward(l.up, pairs[5], 1, dn, dup, a.n2, a.xa[5], g)
	normBackward(d, g.weights, l.ffnNorm, dn, a.mid, a.s2)

	dy := mem.floats(t * l.o.in)
	dout = d
	if l.attnPost.w != nil {
		dout = p.innerBackward(d, a.rawAttn, l.attnPost, a.sa, g)
	}
	p.applyBackward(l.o, pairs[3], 0, dy, dout, a.y, a.xa[3], g)
	dq, dk, dv := mem.floats(t*l.q.out), mem.zeros(t*l.k.out), mem.zeros(t*l.v.out)
	p.attention.backward(dq, dk, dv, dy, a.probs, a.q, a.k, a.v)
	p.turn(l, dq, dk, -1)
	if l.qNorm.w != nil {
		dq = p.innerBackward(dq, a.rawQ, l.qNorm, a.sq, g)
		dk = p.innerBackward(dk, a.rawK, l.kNorm, a.sk, g)
	}
	for i, dz := range [][]float32{dq, dk, dv} {
		p.applyBackward(l.maps()[i], pairs[i], float32(min(i, 1)), dn, dz, a.n1, a.xa[i], g)
	}
	normBackward(d, g.weights, l.attnNorm, dn, a.x, a.s1)
}

// turn rotates all rows of q and k; sign −1 is the backward pass, of dq and dk.
func (p *Pass) turn(l *layer, q, k []float32, sign float32) {
	table := l.rope.upTo(p.b.longest)
	eachRow(len(p.b.tokens), func(from, to int) {
		for r := from; r < to; r++ {
			p.m.turn(l, q[r*l.q.out:(r+1)*l.q.out], k[r*l.k.out:(r+1)*l.k.out], table, p.b.positions[r], sign)
		}
	})
}

// inner is a norm inside the block, of what a linear map gave: in rows as long as there are gains. It returns what it was
// given, for the backward pass, what it made of it, and the scales.
func (p *Pass) inner(x []float32, g gains) (raw, y, s []float32) {
	y, s = p.mem.floats(len(x)), p.mem.floats(len(x)/len(g.w))
	norm(y, s, x, g.w, p.m.config.Eps)
	return x, y, s
}

// innerBackward returns the gradient of inner's input for that of its output.
func (p *Pass) innerBackward(dy, raw []float32, w gains, s []float32, g gradients) []float32 {
	dx := p.mem.zeros(len(dy))
	normBackward(dx, g.weights, w, dy, raw, s)
	return dx
}

// apply stores in ys what the layer's maps from number first on, which read the same x, make of it, with the adapter's additions if there are any.
func (p *Pass) apply(l *layer, pairs *[7]*pair, a *activations, first int, x []float32, ys ...[]float32) {
	maps, n := l.maps()[first:], len(p.b.tokens)
	rows := kernel.PackRows(n, maps[0].in, x, maps[0].in)
	defer rows.Release()
	for i, y := range ys {
		maps[i].forward(y, &rows, n)
		if low := pairs[first+i]; low != nil {
			a.xa[first+i] = low.forward(maps[i], y, &rows, n, p.mem)
		}
	}
}

// applyBackward stores beta·dx and the gradient of apply's input in dx.
func (p *Pass) applyBackward(l *linear, low *pair, beta float32, dx, dy, x, xa []float32, g gradients) {
	n := len(p.b.tokens)
	rows := kernel.PackRows(n, l.out, dy, l.out)
	defer rows.Release()
	l.backward(beta, dx, &rows)
	if g.weights != nil {
		l.gradient(dy, x, n, g.weights)
	}
	if low != nil {
		low.backward(l, dx, dy, &rows, x, xa, n, g.adapter, p.mem)
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

// normBackward adds the gradient of norm's input to dx, and that of the gains to grad if it is set.
func normBackward(dx []float32, grad *Params, g gains, dy, x, s []float32) {
	d, w := len(g.w), g.w
	var dw []float32
	if grad != nil {
		// Rows add to the same dw: one after another, in order.
		dw = grad.Data[g.at : g.at+d]
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

// add adds x to dst.
func add(dst, x []float32) {
	const part = 1 << 14
	if len(x) <= 2*part {
		kernel.Axpy(1, x, dst)
		return
	}
	kernel.Parallel((len(x)+part-1)/part, func(i int) {
		from, to := i*part, min(len(x), (i+1)*part)
		kernel.Axpy(1, x[from:to], dst[from:to])
	})
}
