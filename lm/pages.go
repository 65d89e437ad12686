package lm

import "plumb/lm/kernel"

// tile is the positions of a page, and how many positions one product over values takes. Pages begin at multiples of it, so
// that what attention gives does not depend on where a prompt ends and a reply begins, or on how much was cached: the same
// tokens give the same bits.
const tile = 64

// page holds the keys and values of tile positions in all layers, in float32 or in float16: of each layer and head of keys
// tile×S keys, then tile×S values. Any number of texts that begin alike hold it together; then it is full and no longer
// changes.
type page struct {
	full   []float32
	half   []uint16
	users  int // texts and cache entries that hold it
	cached int // cache entries among them
}

// pages hands out pages, as many as there may be, and takes them back. It is for one goroutine.
type pages struct {
	layers, heads, size int // G heads of S values
	exact               bool
	limit               int // pages there may be
	made                int // pages there are
	live                int // pages that texts hold, not the cache alone
	free                []*page
	evict               func() bool // frees a page that only the cache holds, if there is one
}

// past is what a model has read of a text: the keys and values of its first n tokens.
type past struct {
	pages []*page
	n     int
}

func newPages(m *Model, exact bool, bytes int) *pages {
	p := &pages{layers: len(m.layers), heads: m.config.KVHeads, size: m.config.HeadDim, exact: exact, evict: func() bool { return false }}
	p.limit = max(bytes/p.pageBytes(), 3)
	return p
}

func (p *pages) pageFloats() int { return p.layers * p.heads * 2 * tile * p.size }

func (p *pages) pageBytes() int {
	if p.exact {
		return 4 * p.pageFloats()
	}
	return 2 * p.pageFloats()
}

// context is how many tokens of one text there is room for, whatever else must go.
func (p *pages) context() int { return (p.limit - 2) * tile }

// spare is how many pages texts could still have.
func (p *pages) spare() int { return p.limit - p.live }

// pagesFor is how many pages hold n positions.
func pagesFor(n int) int { return (n + tile - 1) / tile }

// take returns a page that nobody holds, nil if there is none left.
func (p *pages) take() *page {
	for len(p.free) == 0 && p.made >= p.limit {
		if !p.evict() {
			return nil
		}
	}
	if n := len(p.free); n > 0 {
		g := p.free[n-1]
		p.free = p.free[:n-1]
		return g
	}
	p.made++
	if p.exact {
		return &page{full: make([]float32, p.pageFloats())}
	}
	return &page{half: make([]uint16, p.pageFloats())}
}

// hold and let count who holds a page.
func (p *pages) hold(g *page, cached bool) {
	before := g.users > g.cached
	g.users++
	if cached {
		g.cached++
	}
	p.count(g, before)
}

func (p *pages) let(g *page, cached bool) {
	before := g.users > g.cached
	g.users--
	if cached {
		g.cached--
	}
	p.count(g, before)
	if g.users == 0 {
		p.free = append(p.free, g)
	}
}

func (p *pages) count(g *page, before bool) {
	switch after := g.users > g.cached; {
	case after && !before:
		p.live++
	case before && !after:
		p.live--
	}
}

// trim gives memory that nobody uses back, but for a few pages.
func (p *pages) trim(keep int) {
	for len(p.free) > keep {
		last := len(p.free) - 1
		p.free[last] = nil
		p.free = p.free[:last]
		p.made--
	}
}

// grow makes room for n more tokens. Without enough pages it returns false; those it got stay.
func (p *pages) grow(t *past, n int) bool {
	for len(t.pages) < pagesFor(t.n+n) {
		g := p.take()
		if g == nil {
			return false
		}
		p.hold(g, false)
		t.pages = append(t.pages, g)
	}
	return true
}

// fork stores in t, which is empty, the first n tokens of from: full pages are shared, what is left is copied. If there is
// no page for that it takes the full ones alone.
func (p *pages) fork(t *past, from past, n int) {
	whole := n / tile
	for _, g := range from.pages[:whole] {
		p.hold(g, false)
		t.pages = append(t.pages, g)
	}
	t.n = whole * tile
	if n == t.n {
		return
	}
	source := from.pages[whole]
	p.hold(source, false) // not to be evicted for its own copy
	defer p.let(source, false)
	g := p.take()
	if g == nil {
		return
	}
	p.hold(g, false)
	copy(g.full, source.full)
	copy(g.half, source.half)
	t.pages, t.n = append(t.pages, g), n
}

// drop forgets the text.
func (p *pages) drop(t *past) {
	for i, g := range t.pages {
		p.let(g, false)
		t.pages[i] = nil
	}
	t.pages, t.n = t.pages[:0], 0
}

// store stores the keys and values, G·S each, of one position of a layer.
func (p *pages) store(t *past, layer, position int, k, v []float32) {
	g, row := t.pages[position/tile], position%tile*p.size
	for h := range p.heads {
		at := (layer*p.heads+h)*2*tile*p.size + row
		from, to := h*p.size, (h+1)*p.size
		if p.exact {
			copy(g.full[at:], k[from:to])
			copy(g.full[at+tile*p.size:], v[from:to])
		} else {
			kernel.FloatToHalf(g.half[at:at+p.size], k[from:to])
			kernel.FloatToHalf(g.half[at+tile*p.size:][:p.size], v[from:to])
		}
	}
}

// keys and values return the first n rows of a head, S each. Float16 is converted into space.
func (p *pages) keys(g *page, layer, head, n int, space []float32) []float32 {
	return p.rows(g, (layer*p.heads+head)*2*tile*p.size, n, space)
}

func (p *pages) values(g *page, layer, head, n int, space []float32) []float32 {
	return p.rows(g, ((layer*p.heads+head)*2+1)*tile*p.size, n, space)
}

func (p *pages) rows(g *page, at, n int, space []float32) []float32 {
	n *= p.size
	if p.exact {
		return g.full[at : at+n]
	}
	kernel.HalfToFloat(space[:n], g.half[at:at+n])
	return space[:n]
}
