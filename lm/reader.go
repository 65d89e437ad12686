package lm

import (
	"slices"

	"plumb/lm/kernel"
)

// run is consecutive tokens of one text that are to be read: each sees what was read of the text and the run up to itself.
type run struct {
	tokens []int32
	past   *past // with room for them
}

// reader reads runs, many at once: one pass over the weights for all their tokens. It keeps its memory from one read to the
// next. It is for one goroutine.
type reader struct {
	m      *Model
	ad     *Adapter
	pages  *pages
	mem    *arena
	attend attend
	codes  kernel.Activations
	hidden []float32 // runs×D, final normed hidden state of the last token of each
}

func (m *Model) newReader(ad *Adapter, p *pages) *reader {
	r := &reader{m: m, ad: ad, pages: p, mem: m.arenas.take()}
	r.attend.init(&m.config)
	return r
}

// close gives the memory back.
func (r *reader) close() { m := r.m; m.arenas.put(r.mem); r.mem = nil }

// read reads the tokens of at least one run and adds them to its past. The returned hidden states of the last tokens,
// runs×D, are valid until the next read. Runs of texts that share pages are best next to each other.
func (r *reader) read(runs []run) []float32 {
	r.mem.reset(0, 0)
	m, c := r.m, &r.m.config
	n := 0
	for _, u := range runs {
		n += len(u.tokens)
	}
	x := r.mem.floats(n * c.Dim)
	row := 0
	for _, u := range runs {
		for _, token := range u.tokens {
			m.embedding(x[row*c.Dim:(row+1)*c.Dim], token)
			row++
		}
	}
	r.attend.plan(runs, n)
	for l := range m.layers {
		r.layer(l, runs, x)
	}
	r.hidden = grown(r.hidden, len(runs)*c.Dim)
	row = 0
	for i, u := range runs {
		row += len(u.tokens)
		kernel.RMSNorm(r.hidden[i*c.Dim:(i+1)*c.Dim], x[(row-1)*c.Dim:row*c.Dim], m.outNorm.w, c.Eps)
		u.past.n += len(u.tokens)
	}
	return r.hidden
}

// grown returns n values of x, whatever they are, and makes it longer if it must.
func grown(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n, n+n/4)
	}
	return x[:n]
}

// layer turns x, n×D, into the layer's output.
func (r *reader) layer(i int, runs []run, x []float32) {
	m, c, mem := r.m, &r.m.config, r.mem
	l, low, n := &m.layers[i], r.ad.layer(i), len(x)/r.m.config.Dim
	maps := l.maps()
	chunk, mark := mem.mark()
	normed := mem.floats(n * c.Dim)
	q, k, v := mem.floats(n*l.q.out), mem.floats(n*l.k.out), mem.floats(n*l.v.out)
	normRows(normed, x, l.attnNorm.w, c.Eps)
	r.apply(maps[:3], low[:3], normed, q, k, v)
	r.norm(q, l.qNorm)
	r.norm(k, l.kNorm)
	row := 0
	for _, u := range runs {
		at := u.past.n
		table := l.rope.upTo(at + len(u.tokens))
		for t := range u.tokens {
			k, v := k[row*l.k.out:(row+1)*l.k.out], v[row*l.v.out:(row+1)*l.v.out]
			m.turn(l, q[row*l.q.out:(row+1)*l.q.out], k, table, at+t, 1)
			r.pages.store(u.past, i, at+t, k, v)
			row++
		}
	}
	y := mem.floats(n * l.o.in)
	r.attend.run(r, i, q, y)
	r.apply(maps[3:4], low[3:4], y, normed)
	r.norm(normed, l.attnPost)
	add(x, normed)

	gate, up := mem.floats(n*c.FFN), mem.floats(n*c.FFN)
	normRows(normed, x, l.ffnNorm.w, c.Eps)
	r.apply(maps[4:6], low[4:6], normed, gate, up)
	c.parts.activate(gate, gate, up)
	r.apply(maps[6:], low[6:], gate, normed)
	r.norm(normed, l.ffnPost)
	add(x, normed)
	mem.reset(chunk, mark)
}

// logits stores the logits of n hidden states in dst, n×V.
func (r *reader) logits(dst, hidden []float32, n int) {
	r.apply([]*linear{r.m.output}, nil, hidden[:n*r.m.config.Dim], dst)
	r.m.capLogits(dst[:n*r.m.config.Vocab])
}

// apply stores in ys what maps, which read the same x, give, with what the adapter adds.
func (r *reader) apply(maps []*linear, low []*pair, x []float32, ys ...[]float32) {
	n, in := len(x)/maps[0].in, maps[0].in
	if !r.pages.exact {
		serve(input{x, n, &r.codes}, maps, ys)
		if !slices.ContainsFunc(low, func(p *pair) bool { return p != nil }) {
			return
		}
	}
	rows := kernel.PackRows(n, in, x, in)
	defer rows.Release()
	if r.pages.exact {
		for i, l := range maps {
			l.forward(ys[i], &rows, n)
		}
	}
	for i, p := range low {
		if p != nil {
			chunk, mark := r.mem.mark()
			p.forward(maps[i], ys[i], &rows, n, r.mem)
			r.mem.reset(chunk, mark)
		}
	}
}

// norm is a norm inside the block, in place; nothing where the family has none.
func (r *reader) norm(x []float32, g gains) {
	if g.w != nil {
		normRows(x, x, g.w, r.m.config.Eps)
	}
}

// normRows is norm without the scales that only a backward pass needs.
func normRows(y, x, w []float32, eps float32) {
	d := len(w)
	for i := 0; i < len(x); i += d {
		kernel.RMSNorm(y[i:i+d], x[i:i+d], w, eps)
	}
}
