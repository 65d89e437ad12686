package lm

import (
	"plumb/lm/kernel"
)

// strand is a run of tokens of one text, read after a prompt that several strands share. Each token sees the prompt and
// its own strand up to itself.
type strand struct {
	tokens []int32 // to be read
	at     int     // position of the first of them
	from   int     // position of the first key held here, a multiple of tile; those before it are the prompt's
	k, v   [][]float32
}

// tile is how many positions one product over values takes. Tiles begin at multiples of it, so that what attention gives
// does not depend on where a prompt ends and a strand begins, or on how much was cached: the same tokens give the same
// bits. Hence a strand begins with a copy of the prompt's last, unfinished tile.
const tile = 64

// newStrand returns a strand that goes on where the prompt ends, with room for n tokens. A nil prompt is an empty one.
func (m *Model) newStrand(prompt *cache, n int) *strand {
	past := 0
	if prompt != nil {
		past = len(prompt.tokens)
	}
	s := &strand{at: past, from: past / tile * tile, k: make([][]float32, len(m.layers)), v: make([][]float32, len(m.layers))}
	kv := m.config.KVHeads * m.config.HeadDim
	for l := range s.k {
		s.k[l], s.v[l] = make([]float32, 0, (past-s.from+n)*kv), make([]float32, 0, (past-s.from+n)*kv)
		if prompt != nil {
			s.k[l] = append(s.k[l], prompt.k[l][s.from*kv:]...)
			s.v[l] = append(s.v[l], prompt.v[l][s.from*kv:]...)
		}
	}
	return s
}

// copy makes s a strand that has read what other has.
func (s *strand) copy(other *strand) {
	s.at, s.from = other.at, other.from
	for l := range s.k {
		s.k[l] = append(s.k[l][:0], other.k[l]...)
		s.v[l] = append(s.v[l][:0], other.v[l]...)
	}
}

// reader reads strands, many at once: one pass over the weights for all their tokens. It keeps its memory from one read to
// the next.
type reader struct {
	m      *Model
	ad     *Adapter
	prompt *cache // shared by all strands; nil for none
	mem    *arena
	attend attend
	hidden []float32 // strands×D, final normed hidden state of the last token of each
}

func (m *Model) newReader(ad *Adapter, prompt *cache) *reader {
	r := &reader{m: m, ad: ad, prompt: prompt, mem: m.arenas.Get().(*arena)}
	r.attend.init(&m.config)
	return r
}

// close gives the memory back.
func (r *reader) close() { m := r.m; m.arenas.Put(r.mem); r.mem = nil }

// read reads the tokens of every strand and appends their keys and values to it. The returned hidden states of the last
// tokens, strands×D, are valid until the next read.
func (r *reader) read(strands []*strand) []float32 {
	r.mem.reset(0, 0)
	m, c := r.m, &r.m.config
	n := 0
	for _, s := range strands {
		n += len(s.tokens)
	}
	x := r.mem.floats(n * c.Dim)
	row := 0
	for _, s := range strands {
		for _, token := range s.tokens {
			m.embedding(x[row*c.Dim:(row+1)*c.Dim], token)
			row++
		}
	}
	r.attend.plan(strands, n)
	for l := range m.layers {
		r.layer(l, strands, x)
	}
	if cap(r.hidden) < len(strands)*c.Dim {
		r.hidden = make([]float32, len(strands)*c.Dim)
	}
	r.hidden = r.hidden[:len(strands)*c.Dim]
	row = 0
	for i, s := range strands {
		row += len(s.tokens)
		kernel.RMSNorm(r.hidden[i*c.Dim:(i+1)*c.Dim], x[(row-1)*c.Dim:row*c.Dim], m.outNorm.w, c.Eps)
		s.at += len(s.tokens)
	}
	return r.hidden
}

// layer turns x, n×D, into the layer's output.
func (r *reader) layer(i int, strands []*strand, x []float32) {
	m, c, mem := r.m, &r.m.config, r.mem
	l, low, n := &m.layers[i], r.ad.layer(i), len(x)/r.m.config.Dim
	chunk, mark := mem.mark()
	normed := mem.floats(n * c.Dim)
	q, k, v := mem.floats(n*l.q.out), mem.floats(n*l.k.out), mem.floats(n*l.v.out)
	normRows(normed, x, l.attnNorm.w, c.Eps)
	r.apply(l.q, low[0], q, normed, n)
	r.apply(l.k, low[1], k, normed, n)
	r.apply(l.v, low[2], v, normed, n)
	r.norm(q, l.qNorm)
	r.norm(k, l.kNorm)
	row := 0
	for _, s := range strands {
		from, table := row, l.rope.upTo(s.at+len(s.tokens))
		for t := range s.tokens {
			m.turn(l, q[row*l.q.out:(row+1)*l.q.out], k[row*l.k.out:(row+1)*l.k.out], table, s.at+t, 1)
			row++
		}
		s.k[i] = append(s.k[i], k[from*l.k.out:row*l.k.out]...)
		s.v[i] = append(s.v[i], v[from*l.v.out:row*l.v.out]...)
	}
	y := mem.floats(n * l.o.in)
	r.attend.run(r, i, q, y)
	r.apply(l.o, low[3], normed, y, n)
	r.norm(normed, l.attnPost)
	add(x, normed)

	gate, up := mem.floats(n*c.FFN), mem.floats(n*c.FFN)
	normRows(normed, x, l.ffnNorm.w, c.Eps)
	r.apply(l.gate, low[4], gate, normed, n)
	r.apply(l.up, low[5], up, normed, n)
	c.parts.activate(gate, gate, up)
	r.apply(l.down, low[6], normed, gate, n)
	r.norm(normed, l.ffnPost)
	add(x, normed)
	mem.reset(chunk, mark)
}

func (r *reader) apply(l *linear, low *pair, y, x []float32, n int) {
	l.forward(y, x, n)
	if low != nil {
		chunk, mark := r.mem.mark()
		low.forward(l, y, x, n, r.mem)
		r.mem.reset(chunk, mark)
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
