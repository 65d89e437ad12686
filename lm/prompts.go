package lm

import (
	"slices"
	"sync"
)

// promptCache keeps prompts that were read, the most recently used first, within a bound of memory. A chat's next turn
// begins with what is already read, and so do all chats with one system message.
type promptCache struct {
	limit int // bytes
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
		if k.model != m {
			continue
		}
		if n := common(k.cache.tokens, tokens); n > longest {
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

// add keeps a prompt, in place of those it goes on from. One that alone is above the limit is not kept.
func (p *promptCache) add(m *Model, c *cache) {
	if c.bytes() > p.limit {
		return
	}
	p.remove(func(k keptPrompt) bool {
		return k.model == m && common(k.cache.tokens, c.tokens) == len(k.cache.tokens)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.Insert(p.kept, 0, keptPrompt{m, c})
	p.bytes += c.bytes()
	for p.bytes > p.limit {
		last := len(p.kept) - 1
		p.bytes -= p.kept[last].cache.bytes()
		p.kept[last] = keptPrompt{}
		p.kept = p.kept[:last]
	}
}

// drop forgets the prompts of a model.
func (p *promptCache) drop(m *Model) { p.remove(func(k keptPrompt) bool { return k.model == m }) }

func (p *promptCache) remove(which func(keptPrompt) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(k keptPrompt) bool {
		if !which(k) {
			return false
		}
		p.bytes -= k.cache.bytes()
		return true
	})
}
