package lm

import (
	"context"
	"fmt"
	"math"

	"plumb/chat"
	"plumb/lm/kernel"
)

// Job is one reply to be drawn: tokens it already begins with, and the seed of the rest.
type Job struct {
	Prefix []int32
	Seed   int64
}

// Token is one drawn token.
type Token struct {
	ID      int32
	Logprob float64 // in nats, under the distribution without temperature and filters
	Top     []Alternative
	Finish  string // on the last token of a reply, one of chat's Finish constants; else ""
}

// Generate draws one reply for each job, all over one prompt: the prompt is read once, and each step passes over the weights
// once for all replies that still go on. It calls each, never concurrently, with the tokens as they are drawn, the ending
// token included; a job for which each returns false ends there. A reply does not depend on which others are drawn beside
// it: the same prompt, prefix, seed and settings give the same tokens.
//
// It fails with kind Invalid if prompt and prefix leave no room in the context, and with ctx's error between two steps
// when ctx ends.
func (m *Model) Generate(ctx context.Context, ad *Adapter, prompt []int32, jobs []Job, s Settings, each func(job int, t Token) bool) error {
	if len(prompt) == 0 {
		return &chat.Error{Kind: chat.Invalid, Msg: "generate: the prompt has no tokens"}
	}
	c, err := m.read(ctx, ad, prompt, nil)
	if err != nil {
		return err
	}
	return m.generate(ctx, ad, c, jobs, s, each)
}

// stepping is the state of a Generate: the replies that go on, and scratch memory for a step of all of them.
type stepping struct {
	m      *Model
	ad     *Adapter
	prompt *cache
	live   []*reply
	mem    *arena
	x      []float32 // replies×D
	logits []float32 // replies×V
	widest int       // tokens of the longest reply
}

// reply is one reply that is being drawn.
type reply struct {
	job     int
	forced  []int32     // of the prefix, not yet read
	next    int32       // token to be read
	n, max  int         // tokens drawn, and how many may be
	tail    int         // tokens read after the prompt
	k, v    [][]float32 // by layer, their keys and values
	chooser *chooser
}

func (m *Model) generate(ctx context.Context, ad *Adapter, prompt *cache, jobs []Job, s Settings, each func(int, Token) bool) error {
	g, err := m.newStepping(ad, prompt, jobs, s)
	if err != nil {
		return err
	}
	defer m.arenas.Put(g.mem)
	// The first token of each reply comes from the prompt's last hidden state, which all share.
	first := make([]float32, m.config.Vocab)
	m.output.forward(first, prompt.hidden, 1)
	shared := make([][]float32, len(g.live))
	for i := range shared {
		shared[i] = first
	}
	for logits := shared; len(g.live) > 0; logits = g.step() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.choose(logits, each); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) newStepping(ad *Adapter, prompt *cache, jobs []Job, s Settings) (*stepping, error) {
	g := &stepping{m: m, ad: ad, prompt: prompt, mem: m.arenas.Get().(*arena)}
	kv := m.config.KVHeads * m.config.HeadDim
	for i, job := range jobs {
		room := m.config.Context - len(prompt.tokens) - len(job.Prefix)
		if room < 1 {
			return nil, &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: fmt.Sprintf("generate: the prompt has %d tokens; the model's context holds %d, the reply included",
				len(prompt.tokens)+len(job.Prefix), m.config.Context)}
		}
		r := &reply{job: i, forced: job.Prefix, max: room, chooser: newChooser(s, job.Seed, m.config.Vocab)}
		if s.MaxTokens > 0 {
			r.max = min(room, s.MaxTokens)
		}
		r.k, r.v = make([][]float32, len(m.layers)), make([][]float32, len(m.layers))
		for l := range r.k {
			r.k[l] = make([]float32, 0, (len(job.Prefix)+min(r.max, 256))*kv)
			r.v[l] = make([]float32, 0, cap(r.k[l]))
		}
		g.live = append(g.live, r)
	}
	g.x = make([]float32, len(jobs)*m.config.Dim)
	g.logits = make([]float32, len(jobs)*m.config.Vocab)
	return g, nil
}

// choose takes the next token of every live reply, from its prefix or by drawing, and drops the replies that end.
func (g *stepping) choose(logits [][]float32, each func(int, Token) bool) error {
	drawn := make([]Token, len(g.live))
	failed := make([]error, len(g.live))
	kernel.Parallel(len(g.live), func(i int) {
		r := g.live[i]
		if len(r.forced) > 0 {
			return
		}
		t := &drawn[i]
		t.ID, t.Logprob, failed[i] = r.chooser.draw(logits[i])
		if r.chooser.Top > 0 && failed[i] == nil {
			t.Top = top(logits[i], r.chooser.Top)
		}
	})
	going := g.live[:0]
	for i, r := range g.live {
		if failed[i] != nil {
			return failed[i]
		}
		if len(r.forced) > 0 {
			r.next, r.forced = r.forced[0], r.forced[1:]
			going = append(going, r)
			continue
		}
		t := drawn[i]
		r.n++
		switch {
		case g.m.tokenizer.IsEnd(t.ID):
			t.Finish = chat.FinishStop
		case r.n == r.max:
			t.Finish = chat.FinishLength
		}
		if each(r.job, t) && t.Finish == "" {
			r.next = t.ID
			going = append(going, r)
		}
	}
	g.live = going
	return nil
}

// step reads the next token of every live reply and returns the logits that follow each.
func (g *stepping) step() [][]float32 {
	m, d, n := g.m, g.m.config.Dim, len(g.live)
	if n == 0 {
		return nil
	}
	g.mem.reset(0, 0)
	g.widest = 0
	for i, r := range g.live {
		copy(g.x[i*d:(i+1)*d], m.embed.w[int(r.next)*d:])
		r.tail++
		g.widest = max(g.widest, r.tail)
	}
	table := m.rope.upTo(len(g.prompt.tokens) + g.widest)
	x := g.x[:n*d]
	for l := range m.layers {
		g.layer(l, x, table)
	}
	normed, scales := g.mem.floats(n*d), g.mem.floats(n)
	norm(normed, scales, x, m.outNorm, m.config.Eps)
	m.output.forward(g.logits, normed, n)
	out := make([][]float32, n)
	for i := range out {
		out[i] = g.logits[i*m.config.Vocab : (i+1)*m.config.Vocab]
	}
	return out
}

func (g *stepping) layer(i int, x, table []float32) {
	m, n := g.m, len(g.live)
	l, kv := &m.layers[i], m.config.KVHeads*m.config.HeadDim
	chunk, at := g.mem.mark()
	s := newRows(m, l, g.ad.layer(i), g.mem, n)
	k, v := g.mem.floats(n*kv), g.mem.floats(n*kv)
	s.project(x, k, v)
	for r, reply := range g.live {
		position := len(g.prompt.tokens) + reply.tail - 1
		m.rotate(s.q[r*l.q.out:(r+1)*l.q.out], table, position, 1)
		m.rotate(k[r*kv:(r+1)*kv], table, position, 1)
		reply.k[i] = append(reply.k[i], k[r*kv:(r+1)*kv]...)
		reply.v[i] = append(reply.v[i], v[r*kv:(r+1)*kv]...)
	}
	width := len(g.prompt.tokens) + g.widest
	probs := g.mem.floats(n * m.config.Heads * width)
	gathered := g.mem.floats(n * m.config.Heads * m.config.HeadDim)
	kernel.Parallel(m.config.KVHeads, func(head int) { g.attend(i, head, s, probs, gathered, width) })
	s.finish(x)
	g.mem.reset(chunk, at)
}

// attend computes attention of one key-value head for every live reply: over the shared prompt in one product for all
// replies, over each reply's own tokens one by one.
func (g *stepping) attend(i, head int, s *rows, probs, gathered []float32, width int) {
	c := &g.m.config
	size, group, n, past := c.HeadDim, c.Heads/c.KVHeads, len(g.live), len(g.prompt.tokens)
	kv, dim, col := c.KVHeads*size, c.Heads*size, head*size
	q := gathered[head*n*group*size:][:n*group*size] // n·group×S
	p := probs[head*n*group*width:][:n*group*width]  // n·group×width
	scale := float32(1 / math.Sqrt(float64(size)))
	for r := range n {
		copy(q[r*group*size:], s.q[r*dim+head*group*size:][:group*size])
	}
	kernel.Gemm(false, true, n*group, past, size, scale, q, size, g.prompt.k[i][col:], kv, 0, p, width)
	for r, reply := range g.live {
		for j := range group {
			row := p[(r*group+j)*width:][:past+reply.tail]
			query := q[(r*group+j)*size:][:size]
			for t := range reply.tail {
				row[past+t] = scale * kernel.Dot(query, reply.k[i][t*kv+col:][:size])
			}
			kernel.Softmax(row)
		}
	}
	y := q // the queries are done with
	kernel.Gemm(false, false, n*group, size, past, 1, p, width, g.prompt.v[i][col:], kv, 0, y, size)
	for r, reply := range g.live {
		for j := range group {
			row, out := p[(r*group+j)*width:][:past+reply.tail], y[(r*group+j)*size:][:size]
			for t := range reply.tail {
				kernel.Axpy(row[past+t], reply.v[i][t*kv+col:][:size], out)
			}
		}
		copy(s.y[r*dim+head*group*size:], y[r*group*size:][:group*size])
	}
}
