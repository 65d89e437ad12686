package lm

import (
	"context"
	"slices"
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
	n := len(c.hidden) + len(c.tokens)
	for l := range c.k {
		n += cap(c.k[l]) + cap(c.v[l])
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
const readChunk = 128

// read returns the cache of at least one token, going on from an earlier one as far as they agree. It stops between chunks
// when ctx ends. The result is the same, bit for bit, whatever it goes on from.
func (m *Model) read(ctx context.Context, ad *Adapter, tokens []int32, from *cache) (*cache, error) {
	past := 0
	if from != nil {
		past = common(from.tokens, tokens)
		if past == len(tokens) && past == len(from.tokens) {
			return from, nil
		}
		past = min(past, len(tokens)-1) // the last token is read for its hidden state
	}
	s := m.newStrand(nil, len(tokens))
	kv := m.config.KVHeads * m.config.HeadDim
	for l := range s.k {
		if past > 0 {
			s.k[l] = append(s.k[l], from.k[l][:past*kv]...)
			s.v[l] = append(s.v[l], from.v[l][:past*kv]...)
		}
	}
	s.at = past
	r := m.newReader(ad, nil)
	defer r.close()
	for s.at < len(tokens) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.tokens = tokens[s.at:min(len(tokens), s.at+readChunk)]
		r.read([]*strand{s})
	}
	return &cache{slices.Clone(tokens), s.k, s.v, slices.Clone(r.hidden)}, nil
}
