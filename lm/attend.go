package lm

import "plumb/lm/kernel"

// attend is attention while reading: what attention is to a Pass, without a way back, over cached keys and values. Tasks
// are blocks of rows × key-value heads. In a task the rows of all heads that share the keys stand together, G·S apart from
// the next group:
//
//	p = softmax(scale·q·kᵀ), rows·H/G × positions;  y = p·v
type attend struct {
	heads, kvHeads, size int // H, G, S
	scale, limit         float32
	pieces               []piece
	blocks               []block
	task                 func(i int)

	// of the layer that is computed
	r        *reader
	layer    int
	q, y     []float32 // n×H·S
	gathered []float32 // H×n×S
	probs    []float32
}

// piece is consecutive rows of one strand.
type piece struct {
	s        *strand
	row, n   int // among the rows of the batch
	position int // of the first
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
}

// plan cuts n rows of strands into blocks.
func (a *attend) plan(strands []*strand, n int) {
	limit := blockRows
	if fair := (n*a.kvHeads + kernel.Threads() - 1) / kernel.Threads(); fair < limit {
		limit = max(fair, 4) // few rows: enough tasks for all threads
	}
	a.pieces, a.blocks = a.pieces[:0], a.blocks[:0]
	row := 0
	for _, s := range strands {
		for t := 0; t < len(s.tokens); t += limit {
			p := piece{s, row, min(limit, len(s.tokens)-t), s.at + t}
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
		for _, p := range b.pieces {
			b.n += p.n
			b.width = max(b.width, p.position+p.n)
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
	group, dim, kv := a.heads/a.kvHeads, a.heads*a.size, a.kvHeads*a.size
	col, rows := head*a.size, b.n*group
	q := a.gathered[(b.row*a.heads+head*rows)*a.size:][:rows*a.size]
	p := a.probs[b.probs+head*rows*b.width:][:rows*b.width]
	for r := range b.n {
		copy(q[r*group*a.size:(r+1)*group*a.size], a.q[(b.row+r)*dim+head*group*a.size:])
	}
	shared := b.pieces[0].s.from // the same for all strands
	if shared > 0 {
		kernel.Gemm(false, true, rows, shared, a.size, a.scale, q, a.size, a.r.prompt.k[a.layer][col:], kv, 0, p, b.width)
	}
	for _, piece := range b.pieces {
		first := (piece.row - b.row) * group
		own := piece.position + piece.n - shared
		kernel.Gemm(false, true, piece.n*group, own, a.size, a.scale, q[first*a.size:], a.size, piece.s.k[a.layer][col:], kv, 0, p[first*b.width+shared:], b.width)
		for r := range piece.n * group {
			row := p[(first+r)*b.width:][:piece.position+piece.n]
			if a.limit > 0 {
				kernel.SoftCap(a.limit, row)
			}
			seen(row, piece.position+r/group+1, a.r.m.layers[a.layer].window)
		}
	}
	y := q // the queries are done with
	if shared > 0 {
		a.weigh(y, p, b.width, rows, a.r.prompt.v[a.layer][col:], 0, shared)
	}
	for _, piece := range b.pieces {
		first := (piece.row - b.row) * group
		a.weigh(y[first*a.size:], p[first*b.width:], b.width, piece.n*group, piece.s.v[a.layer][col:], shared, piece.position+piece.n)
	}
	for r := range b.n {
		copy(a.y[(b.row+r)*dim+head*group*a.size:][:group*a.size], y[r*group*a.size:])
	}
}

// weigh adds to y, rows×S, the values of the positions from to to, weighted by p, tile by tile; the first tile replaces y.
// v begins with the values of position from.
func (a *attend) weigh(y, p []float32, width, rows int, v []float32, from, to int) {
	kv := a.kvHeads * a.size
	for t := from; t < to; t += tile {
		beta := float32(1)
		if t == 0 {
			beta = 0
		}
		kernel.Gemm(false, false, rows, a.size, min(tile, to-t), 1, p[t:], width, v[(t-from)*kv:], kv, beta, y, a.size)
	}
}
