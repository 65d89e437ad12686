package lm

import (
	"sync"

	"plumb/lm/kernel"
)

// attend is attention while reading: what attention is to a Pass, without a way back, over pages of keys and values. Tasks
// are blocks of rows × key-value heads. In a task the rows of all heads that share the keys stand together, G·S apart from
// the next group:
//
//	p = softmax(scale·q·kᵀ), rows·H/G × positions;  y = p·v
//
// Rows of texts that share a page are taken together.
type attend struct {
	heads, kvHeads, size int // H, G, S
	scale, limit         float32
	pieces               []piece
	blocks               []block
	task                 func(i int)
	space                sync.Pool // of *[]float32: keys or values of a page as float32

	// of the layer that is computed
	r        *reader
	layer    int
	q, y     []float32 // n×H·S
	gathered []float32 // H×n×S
	probs    []float32
}

// piece is consecutive rows of one run.
type piece struct {
	past     *past
	row, n   int // among the rows of the batch
	position int // of the first
}

// end is how many positions the last row sees.
func (p *piece) end() int { return p.position + p.n }

// page is the one that holds position t, nil if no row sees it.
func (p *piece) page(t int) *page {
	if t >= p.end() {
		return nil
	}
	return p.past.pages[t/tile]
}

// block is pieces that one task takes: rows are consecutive.
type block struct {
	pieces []piece
	row, n int
	width  int // positions that its last row sees
	probs  int // where its probabilities begin, for one head of keys
}

const blockRows = 64

func (a *attend) init(c *Config) {
	a.heads, a.kvHeads, a.size = c.Heads, c.KVHeads, c.HeadDim
	a.scale, a.limit = float32(c.AttnScale), float32(c.AttnCap)
	a.task = func(i int) { a.block(&a.blocks[i/a.kvHeads], i%a.kvHeads) }
	a.space.New = func() any { s := make([]float32, tile*c.HeadDim); return &s }
}

// plan cuts n rows of runs into blocks.
func (a *attend) plan(runs []run, n int) {
	limit := blockRows
	if fair := (n*a.kvHeads + kernel.Threads() - 1) / kernel.Threads(); fair < limit {
		limit = max(fair, 4) // few rows: enough tasks for all threads
	}
	a.pieces, a.blocks = a.pieces[:0], a.blocks[:0]
	row := 0
	for _, u := range runs {
		for t := 0; t < len(u.tokens); t += limit {
			p := piece{u.past, row, min(limit, len(u.tokens)-t), u.past.n + t}
			a.pieces = append(a.pieces, p)
			row += p.n
		}
	}
	first, probs := 0, 0
	for i := range a.pieces {
		if i+1 < len(a.pieces) && a.pieces[i+1].row+a.pieces[i+1].n-a.pieces[first].row <= limit {
			continue
		}
		b := block{pieces: a.pieces[first : i+1], row: a.pieces[first].row, probs: probs}
		for k := range b.pieces {
			b.n += b.pieces[k].n
			b.width = max(b.width, b.pieces[k].end())
		}
		probs += b.n * a.heads * b.width
		a.blocks = append(a.blocks, b)
		first = i + 1
	}
}

// run computes y of a layer.
func (a *attend) run(r *reader, layer int, q, y []float32) {
	last := &a.blocks[len(a.blocks)-1]
	a.r, a.layer, a.q, a.y = r, layer, q, y
	a.gathered = r.mem.floats(len(q))
	a.probs = r.mem.floats(last.probs + last.n*a.heads*last.width)
	kernel.Parallel(len(a.blocks)*a.kvHeads, a.task)
}

// block computes y of one block and one head of keys.
func (a *attend) block(b *block, head int) {
	group, dim := a.heads/a.kvHeads, a.heads*a.size
	rows := b.n * group
	q := a.gathered[(b.row*a.heads+head*rows)*a.size:][:rows*a.size]
	p := a.probs[b.probs+head*rows*b.width:][:rows*b.width]
	for r := range b.n {
		copy(q[r*group*a.size:(r+1)*group*a.size], a.q[(b.row+r)*dim+head*group*a.size:])
	}
	space := a.space.Get().(*[]float32)
	defer a.space.Put(space)
	for t := 0; t < b.width; t += tile {
		for i := 0; i < len(b.pieces); {
			s := b.span(i, t, group)
			if i = s.next; s.page != nil {
				k := a.r.pages.keys(s.page, a.layer, head, s.positions, *space)
				kernel.Gemm(false, true, s.rows, s.positions, a.size, a.scale, q[s.first*a.size:], a.size, k, a.size, 0, p[s.first*b.width+t:], b.width)
			}
		}
	}
	a.normalise(b, group, p)
	y := q // the queries are done with
	clear(y)
	for t := 0; t < b.width; t += tile {
		for i := 0; i < len(b.pieces); {
			s := b.span(i, t, group)
			if i = s.next; s.page != nil {
				v := a.r.pages.values(s.page, a.layer, head, s.positions, *space)
				kernel.Gemm(false, false, s.rows, a.size, s.positions, 1, p[s.first*b.width+t:], b.width, v, a.size, 1, y[s.first*a.size:], a.size)
			}
		}
	}
	for r := range b.n {
		copy(a.y[(b.row+r)*dim+head*group*a.size:][:group*a.size], y[r*group*a.size:])
	}
}

// span is rows of a block, those of consecutive pieces, that see one page.
type span struct {
	page        *page // nil where the rows end before it
	first, rows int
	positions   int // of the page
	next        int // the piece after those
}

// span returns that of the pieces from i on and the page of position t.
func (b *block) span(i, t, group int) span {
	s := span{page: b.pieces[i].page(t), first: (b.pieces[i].row - b.row) * group, next: i}
	for s.next < len(b.pieces) && b.pieces[s.next].page(t) == s.page {
		p := &b.pieces[s.next]
		s.rows += p.n * group
		s.positions = max(s.positions, min(tile, p.end()-t))
		s.next++
	}
	return s
}

// normalise turns scores into probabilities; those of positions that a row does not see are 0.
func (a *attend) normalise(b *block, group int, p []float32) {
	window := a.r.m.layers[a.layer].window
	for i := range b.pieces {
		piece := &b.pieces[i]
		for r := range piece.n * group {
			row := p[((piece.row-b.row)*group+r)*b.width:][:b.width]
			if a.limit > 0 {
				kernel.SoftCap(a.limit, row[:piece.end()])
			}
			seen(row, piece.position+r/group+1, window)
		}
	}
}
