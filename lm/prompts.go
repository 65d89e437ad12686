package lm

import (
	"slices"
	"sync"
)

// promptCache keeps prompts that were read, the most recently used first, within a bound of memory. A chat's next turn
// begins with what is already read, and so do all chats with one system message.
type promptCache struct {
	limit int
	mu    sync.Mutex
	kept  []keptPrompt
	bytes int
}

type keptPrompt struct {
	model *Model
	cache *cache
}

// find returns the prompt that shares most leading tokens, nil if none shares any.
func (p *promptCache) find(m *Model, tokens []int32) *cache {
	p.mu.Lock()
	defer p.mu.Unlock()
	best, longest := -1, 0
	for i, k := range p.kept {
		if n := common(k.cache.tokens, tokens); k.model == m && n > longest {
			best, longest = i, n
		}
	}
	if best < 0 {
		return nil
	}
	found := p.kept[best]
	p.kept = slices.Insert(slices.Delete(p.kept, best, best+1), 0, found)
	return found.cache
}

// add keeps a prompt, in place of those it goes on from.
func (p *promptCache) add(m *Model, c *cache) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(k keptPrompt) bool {
		covered := k.model == m && common(k.cache.tokens, c.tokens) == len(k.cache.tokens)
		if covered {
			p.bytes -= k.cache.bytes()
		}
		return covered
	})
	p.kept = slices.Insert(p.kept, 0, keptPrompt{m, c})
	p.bytes += c.bytes()
	for p.bytes > p.limit && len(p.kept) > 0 {
		last := p.kept[len(p.kept)-1]
		p.bytes -= last.cache.bytes()
		p.kept = p.kept[:len(p.kept)-1]
	}
}
