package lm

import "plumb/lm/kernel"

// attention is causal grouped-query attention over the segments of a batch (Ainslie et al. 2023,
// https://arxiv.org/abs/2305.13245). For row i of a segment and head h,
//
//	y = Σ_j p_j v_j,  p = softmax_j(scale·q·k_j),  j over the prompt's rows and the segment's own up to i.
//
// In a layer with a window j goes over the last window of these. With a soft cap a score is limit·tanh(scale·q·k_j/limit).
// q is T×H·S, k and v are T×G·S, y is T×H·S. probs holds p of every segment and head: see probsSize.
type attention struct {
	heads, kvHeads, size int // H, G, S
	scale, limit         float32
	segments             []segment
}

func newAttention(c *Config, segments []segment) attention {
	return attention{c.Heads, c.KVHeads, c.HeadDim, float32(c.AttnScale), float32(c.AttnCap), segments}
}

// probsSize returns the values that the probabilities of all segments take: for each segment and head a matrix of n rows
// and past+n columns. at is where each segment begins.
func (a *attention) probsSize() (n int, at []int) {
	for _, s := range a.segments {
		at = append(at, n)
		n += a.heads * s.n * (s.past + s.n)
	}
	return n, at
}

func (a *attention) forward(y, probs, q, k, v []float32, window int) {
	_, at := a.probsSize()
	dim, kv := a.heads*a.size, a.kvHeads*a.size
	a.each(func(i int, s segment, h int) {
		width := s.past + s.n
		p := probs[at[i]+h*s.n*width:][:s.n*width]
		col, kvCol := h*a.size, h/(a.heads/a.kvHeads)*a.size
		a.scores(s, h, p, q, k)
		for r := range s.n {
			seen(p[r*width:(r+1)*width], s.past+r+1, window)
		}
		ys := y[s.row*dim+col:]
		kernel.Gemm(false, false, s.n, a.size, s.n, 1, p[s.past:], width, v[s.row*kv+kvCol:], kv, 0, ys, dim)
		if s.past > 0 {
			kernel.Gemm(false, false, s.n, a.size, s.past, 1, p, width, v[s.prefix*kv+kvCol:], kv, 1, ys, dim)
		}
	})
}

// scores stores scale·q·kᵀ of one segment and head in p, n×(past+n), capped where the model caps it.
func (a *attention) scores(s segment, h int, p, q, k []float32) {
	dim, kv, width := a.heads*a.size, a.kvHeads*a.size, s.past+s.n
	kvCol, qs := h/(a.heads/a.kvHeads)*a.size, q[s.row*dim+h*a.size:]
	if s.past > 0 {
		kernel.Gemm(false, true, s.n, s.past, a.size, a.scale, qs, dim, k[s.prefix*kv+kvCol:], kv, 0, p, width)
	}
	kernel.Gemm(false, true, s.n, s.n, a.size, a.scale, qs, dim, k[s.row*kv+kvCol:], kv, 0, p[s.past:], width)
	if a.limit > 0 {
		kernel.SoftCap(a.limit, p)
	}
}

// seen turns the scores of a row, whose place i is that of position i, into probabilities: those of the last window of n
// positions, of all n if window is 0, and 0 elsewhere.
func seen(row []float32, n, window int) {
	from := 0
	if window > 0 && window < n {
		from = n - window
	}
	clear(row[:from])
	kernel.Softmax(row[from:n])
	clear(row[n:])
}

// backward stores in dq and adds to dk and dv, given dy and what forward had. Heads that share keys and values, and
// branches that share a prompt, add to the same rows, so they are taken one after another; different trees and different
// key-value heads run concurrently.
func (a *attention) backward(dq, dk, dv, dy, probs, q, k, v []float32) {
	_, at := a.probsSize()
	group, trees := a.heads/a.kvHeads, a.trees()
	kernel.Parallel((len(trees)-1)*a.kvHeads, func(task int) {
		t, g := task/a.kvHeads, task%a.kvHeads
		from, to := trees[t], trees[t+1]
		widest := 0
		for _, s := range a.segments[from:to] {
			widest = max(widest, s.n*(s.past+s.n))
		}
		dp := make([]float32, widest)
		for i := from; i < to; i++ {
			s := a.segments[i]
			for h := g * group; h < (g+1)*group; h++ {
				n := s.n * (s.past + s.n)
				a.backwardHead(s, h, dp[:n], probs[at[i]+h*n:][:n], dq, dk, dv, dy, q, k, v)
			}
		}
	})
}

// trees returns where the segments of each tree begin, and their number. A tree begins with its prompt.
func (a *attention) trees() (first []int) {
	for i, s := range a.segments {
		if s.past == 0 {
			first = append(first, i)
		}
	}
	return append(first, len(a.segments))
}

func (a *attention) backwardHead(s segment, h int, dp, p, dq, dk, dv, dy, q, k, v []float32) {
	dim, kv, width := a.heads*a.size, a.kvHeads*a.size, s.past+s.n
	scale, col, kvCol := a.scale, h*a.size, h/(a.heads/a.kvHeads)*a.size
	dys, qs := dy[s.row*dim+col:], q[s.row*dim+col:]
	own, before := s.row*kv+kvCol, s.prefix*kv+kvCol
	// dp = dy·vᵀ, dv += pᵀ·dy
	kernel.Gemm(false, true, s.n, s.n, a.size, 1, dys, dim, v[own:], kv, 0, dp[s.past:], width)
	kernel.Gemm(true, false, s.n, a.size, s.n, 1, p[s.past:], width, dys, dim, 1, dv[own:], kv)
	if s.past > 0 {
		kernel.Gemm(false, true, s.n, s.past, a.size, 1, dys, dim, v[before:], kv, 0, dp, width)
		kernel.Gemm(true, false, s.past, a.size, s.n, 1, p, width, dys, dim, 1, dv[before:], kv)
	}
	// the softmax: ds = p·(dp − Σ p·dp), in place of dp
	for r := range s.n {
		pr, dr := p[r*width:(r+1)*width], dp[r*width:(r+1)*width]
		mean := kernel.Dot(pr[:s.past+r+1], dr[:s.past+r+1])
		for j := range s.past + r + 1 {
			dr[j] = pr[j] * (dr[j] - mean)
		}
		clear(dr[s.past+r+1:])
	}
	if a.limit > 0 {
		capped := make([]float32, len(p)) // not kept, since few models have a cap
		a.scores(s, h, capped, q, k)
		kernel.SoftCapBackward(a.limit, dp, capped)
	}
	// dq = ds·k, dk += dsᵀ·q
	dqs := dq[s.row*dim+col:]
	kernel.Gemm(false, false, s.n, a.size, s.n, scale, dp[s.past:], width, k[own:], kv, 0, dqs, dim)
	kernel.Gemm(true, false, s.n, a.size, s.n, scale, dp[s.past:], width, qs, dim, 1, dk[own:], kv)
	if s.past > 0 {
		kernel.Gemm(false, false, s.n, a.size, s.past, scale, dp, width, k[before:], kv, 1, dqs, dim)
		kernel.Gemm(true, false, s.past, a.size, s.n, scale, dp, width, qs, dim, 1, dk[before:], kv)
	}
}

// each calls f for every segment and head, concurrently.
func (a *attention) each(f func(i int, s segment, h int)) {
	kernel.Parallel(len(a.segments)*a.heads, func(t int) { f(t/a.heads, a.segments[t/a.heads], t%a.heads) })
}
