package lm

import "slices"

// common returns how many leading tokens two runs share.
func common(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// cache keeps texts that were read, the most recently used first, within a bound of pages: a chat's next turn begins with
// what is already read, its own last reply included, and so do all chats with one system message. Texts that begin alike
// share their pages, which count once.
type cache struct {
	pages *pages
	limit int // pages
	held  int // pages that entries hold
	kept  []*entry
}

// entry is a text that was read.
type entry struct {
	tokens []int32 // as many as past has
	past   past
	hidden []float32 // D, final normed hidden state of the last token; nil if it is not known
}

// find returns the entry that shares most leading tokens, and how many; nil if none shares any.
func (c *cache) find(tokens []int32) (*entry, int) {
	best, longest := -1, 0
	for i, e := range c.kept {
		n := common(e.tokens, tokens)
		if n > longest || n == longest && n == len(tokens) && len(e.tokens) == n && e.hidden != nil {
			best, longest = i, n
		}
	}
	if best < 0 || longest == 0 {
		return nil, 0
	}
	e := c.kept[best]
	copy(c.kept[1:best+1], c.kept[:best])
	c.kept[0] = e
	return e, longest
}

// add keeps a text whose first t.n tokens were read, in place of those it goes on from, a prompt only in place of prompts.
// The pages stay t's too.
func (c *cache) add(tokens []int32, t past, hidden []float32) {
	if t.n == 0 || len(t.pages) > c.limit {
		return
	}
	e := &entry{tokens: slices.Clone(tokens[:t.n]), past: past{slices.Clone(t.pages[:pagesFor(t.n)]), t.n}, hidden: hidden}
	for _, g := range e.past.pages {
		if g.cached == 0 {
			c.held++
		}
		c.pages.hold(g, true)
	}
	c.kept = slices.DeleteFunc(c.kept, func(k *entry) bool {
		gone := (k.hidden == nil || hidden != nil) && common(k.tokens, e.tokens) == len(k.tokens)
		if gone {
			c.let(k)
		}
		return gone
	})
	c.kept = slices.Insert(c.kept, 0, e)
	for c.held > c.limit {
		c.forgetLast()
	}
}

// let lets the pages of an entry go.
func (c *cache) let(e *entry) {
	for _, g := range e.past.pages {
		c.pages.let(g, true)
		if g.cached == 0 {
			c.held--
		}
	}
}

func (c *cache) forgetLast() {
	last := len(c.kept) - 1
	c.let(c.kept[last])
	c.kept[last] = nil
	c.kept = c.kept[:last]
}

// evict forgets entries until a page is free, and says whether one is.
func (c *cache) evict() bool {
	for len(c.kept) > 0 {
		c.forgetLast()
		if len(c.pages.free) > 0 {
			return true
		}
	}
	return false
}
