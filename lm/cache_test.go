package lm

import "testing"

// The cache keeps the latest texts within its bound, and one that goes on from a kept one takes its place. Pages that texts
// share count once.
func TestCacheKeepsTheLatest(t *testing.T) {
	m := sketch{}.open(t, 1)
	p := newPages(m, false, 100*newPages(m, false, 0).pageBytes())
	c := cache{pages: p, limit: 2}
	p.evict = c.evict
	read := func(hidden bool, tokens ...int32) *entry {
		var text past
		if !p.grow(&text, len(tokens)) {
			t.Fatal("no page")
		}
		text.n = len(tokens)
		var state []float32
		if hidden {
			state = []float32{1}
		}
		c.add(tokens, text, state)
		p.drop(&text)
		return c.kept[0]
	}
	found := func(tokens ...int32) *entry { e, _ := c.find(tokens); return e }
	one, two := read(true, 5, 6, 7), read(true, 9, 6, 7)
	if found(5, 6, 9) != one || found(9) != two || found(7) != nil {
		t.Error("a wrong prompt was found")
	}
	found(5)
	read(true, 3, 3, 3) // no room for three: two goes, which was used before one
	if found(9) != nil || found(5) != one || len(c.kept) != 2 {
		t.Errorf("%d are kept", len(c.kept))
	}
	if longer := read(true, 5, 6, 7, 8); found(5, 6) != longer || len(c.kept) != 2 {
		t.Errorf("%d are kept", len(c.kept))
	}
	if read(false, 5, 6, 7, 8, 9); len(c.kept) != 2 || found(5, 6, 7, 8).hidden == nil {
		t.Error("a reply took the place of its prompt")
	}
	if c.held != 2 || p.live != 0 || p.made-len(p.free) != 2 {
		t.Errorf("%d pages held, %d of texts, %d in use", c.held, p.live, p.made-len(p.free))
	}
	if !c.evict() || c.held != 1 || len(p.free) == 0 {
		t.Errorf("%d pages held after one was wanted back", c.held)
	}
}

// Texts share full pages and copy the last; a page is free when nobody holds it.
func TestForkSharesFullPages(t *testing.T) {
	m := sketch{}.open(t, 1)
	p := newPages(m, true, 5*newPages(m, true, 0).pageBytes())
	var a, b, c past
	p.grow(&a, 2*tile+5)
	a.n = 2*tile + 5
	a.pages[2].full[3] = 7
	p.fork(&b, a, a.n)
	if b.n != a.n || b.pages[1] != a.pages[1] || b.pages[2] == a.pages[2] || b.pages[2].full[3] != 7 || p.live != 4 {
		t.Errorf("%d positions, %d pages live", b.n, p.live)
	}
	p.fork(&c, a, tile)
	if c.n != tile || p.live != 4 || !p.grow(&c, 1) || p.grow(&c, tile+1) || p.live != 5 {
		t.Errorf("%d positions, %d pages live", c.n, p.live)
	}
	var d past
	if p.fork(&d, a, a.n); d.n != 2*tile {
		t.Errorf("%d positions without a page for the rest", d.n)
	}
	for _, t := range []*past{&a, &b, &c, &d} {
		p.drop(t)
	}
	if p.live != 0 || len(p.free) != 5 {
		t.Errorf("%d pages live, %d free", p.live, len(p.free))
	}
}
