package lm

import (
	"context"
	"slices"

	"plumb/lm/kernel"
)

// cache holds the keys and values of tokens that a model has read, and what it makes of the last one. It is read-only once
// made, so any number of replies can go on from it.
type cache struct {
	tokens []int32
	k, v   [][]float32 // by layer, tokens×G·S
	hidden []float32   // D, final normed hidden state of the last token
}

// bytes is the memory it takes.
func (c *cache) bytes() int {
	n := len(c.hidden)
	for l := range c.k {
		n += len(c.k[l]) + len(c.v[l])
	}
	return 4 * n
}

// common returns how many leading tokens two runs share.
func common(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// readChunk is how many tokens are read in one go: between chunks a cancelled request stops.
const readChunk = 256

// read returns the cache of tokens, going on from an earlier one as far as they agree. It stops between chunks when ctx
// ends.
func (m *Model) read(ctx context.Context, ad *Adapter, tokens []int32, from *cache) (*cache, error) {
	c := &cache{tokens: slices.Clone(tokens), k: make([][]float32, len(m.layers)), v: make([][]float32, len(m.layers))}
	past := 0
	if from != nil {
		if past = common(from.tokens, tokens); past == len(tokens) {
			if past == len(from.tokens) {
				return from, nil
			}
			past-- // the last token is read anew for its hidden state
		}
	}
	kv := m.config.KVHeads * m.config.HeadDim
	for l := range c.k {
		c.k[l], c.v[l] = make([]float32, len(tokens)*kv), make([]float32, len(tokens)*kv)
		if past > 0 {
			copy(c.k[l], from.k[l][:past*kv])
			copy(c.v[l], from.v[l][:past*kv])
		}
	}
	for past < len(tokens) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(readChunk, len(tokens)-past)
		m.readRows(ad, c, past, n)
		past += n
	}
	return c, nil
}

// readRows computes keys and values of the n tokens after past, and the hidden state of the last of them.
func (m *Model) readRows(ad *Adapter, c *cache, past, n int) {
	mem := m.arenas.Get().(*arena)
	mem.reset(0, 0)
	defer m.arenas.Put(mem)
	d, kv := m.config.Dim, m.config.KVHeads*m.config.HeadDim
	at := attention{m.config.Heads, m.config.KVHeads, m.config.HeadDim, []segment{{n: n, own: past, past: past}}}
	table := m.rope.upTo(past + n)
	x := mem.floats(n * d)
	for r, token := range c.tokens[past : past+n] {
		copy(x[r*d:(r+1)*d], m.embed.w[int(token)*d:])
	}
	for i := range m.layers {
		chunk, mark := mem.mark()
		l, low := &m.layers[i], ad.layer(i)
		s := newRows(m, l, low, mem, n)
		s.project(x, c.k[i][past*kv:(past+n)*kv], c.v[i][past*kv:(past+n)*kv])
		for r := range n {
			m.rotate(s.q[r*l.q.out:(r+1)*l.q.out], table, past+r, 1)
			m.rotate(c.k[i][(past+r)*kv:(past+r+1)*kv], table, past+r, 1)
		}
		size, _ := at.probsSize()
		at.forward(s.y, mem.floats(size), s.q, c.k[i], c.v[i])
		s.finish(x)
		mem.reset(chunk, mark)
	}
	c.hidden = make([]float32, d)
	kernel.RMSNorm(c.hidden, x[(n-1)*d:], m.outNorm, m.config.Eps)
}

// rows is the scratch memory of one layer for n rows that are only computed forward.
type rows struct {
	m        *Model
	l        *layer
	low      *[7]*pair
	mem      *arena
	n        int
	norm     []float32 // n×D
	scales   []float32 // n
	q, y     []float32 // n×H·S
	gate, up []float32 // n×F
}

func newRows(m *Model, l *layer, low *[7]*pair, mem *arena, n int) *rows {
	return &rows{m, l, low, mem, n, mem.floats(n * m.config.Dim), mem.floats(n), mem.floats(n * l.q.out), mem.floats(n * l.o.in),
		mem.floats(n * m.config.FFN), mem.floats(n * m.config.FFN)}
}

// project computes queries, keys and values of x, not yet rotated.
func (s *rows) project(x, k, v []float32) {
	norm(s.norm, s.scales, x, s.l.attnNorm, s.m.config.Eps)
	s.apply(0, s.l.q, s.q, s.norm)
	s.apply(1, s.l.k, k, s.norm)
	s.apply(2, s.l.v, v, s.norm)
}

// finish adds to x what attention gave in y, and then the feed-forward layer.
func (s *rows) finish(x []float32) {
	s.apply(3, s.l.o, s.norm, s.y)
	add(x, s.norm)
	norm(s.norm, s.scales, x, s.l.ffnNorm, s.m.config.Eps)
	s.apply(4, s.l.gate, s.gate, s.norm)
	s.apply(5, s.l.up, s.up, s.norm)
	kernel.SiLUMul(s.gate, s.gate, s.up)
	s.apply(6, s.l.down, s.norm, s.gate)
	add(x, s.norm)
}

func (s *rows) apply(i int, l *linear, y, x []float32) {
	l.forward(y, x, s.n)
	if s.low[i] != nil {
		chunk, at := s.mem.mark()
		s.low[i].forward(l, y, x, s.n, s.mem)
		s.mem.reset(chunk, at)
	}
}
