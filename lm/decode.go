package lm

import (
	"context"
	"fmt"
	"slices"

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
	Logprob float64 // in nats, under the distribution without temperature, filters and penalties
	Top     []Alternative
	Finish  string // on the last token of a reply, one of chat's Finish constants; else ""
}

// Generate draws one reply for each job, all over one prompt: the prompt is read once, and each step passes over the weights
// once for all replies that still go on. It calls each, never concurrently, with the tokens as they are drawn, the ending
// token included; a job for which each returns false ends there. A reply does not depend on which others are drawn beside
// it: the same prompt, prefix, seed and settings give the same tokens.
//
// It fails with kind Invalid if a setting is out of range, if a token is outside the vocabulary or if prompt and prefix
// leave no room in the context, and with ctx's error between two steps when ctx ends. Memory: the keys and values of the
// prompt once, and those of each reply.
func (m *Model) Generate(ctx context.Context, ad *Adapter, prompt []int32, jobs []Job, s Settings, each func(job int, t Token) bool) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := m.checkRoom(prompt, jobs); err != nil {
		return err
	}
	c, err := m.read(ctx, ad, prompt, nil)
	if err != nil {
		return err
	}
	return m.generate(ctx, ad, c, jobs, s, each)
}

// checkRoom tells whether every job has at least one token to draw, and that there is nothing but tokens of the vocabulary.
func (m *Model) checkRoom(prompt []int32, jobs []Job) error {
	if len(prompt) == 0 {
		return &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: "generate: the prompt has no tokens"}
	}
	if err := m.checkTokens(prompt); err != nil {
		return err
	}
	for _, job := range jobs {
		if err := m.checkTokens(job.Prefix); err != nil {
			return err
		}
		if n := len(prompt) + len(job.Prefix); n >= m.config.Context {
			return m.noRoom(n)
		}
	}
	return nil
}

func (m *Model) checkTokens(tokens []int32) error {
	for _, token := range tokens {
		if token < 0 || int(token) >= m.config.Vocab {
			return &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("generate: token %d; the vocabulary has %d", token, m.config.Vocab)}
		}
	}
	return nil
}

func (m *Model) noRoom(tokens int) error {
	return &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: fmt.Sprintf("generate: the prompt has %d tokens; the model's context holds %d, the reply included", tokens, m.config.Context)}
}

// generation is the state of a Generate.
type generation struct {
	m       *Model
	reader  *reader
	live    []*reply // those that go on
	logits  []float32
	drawn   []draw
	choose  func(i int)
	strands []*strand
	taken   []int // replies of the strands
}

// reply is one reply that is being drawn.
type reply struct {
	job     int
	strand  *strand
	next    [1]int32 // the token to be read
	n, max  int      // tokens drawn, and how many may be
	logits  []float32
	chooser *chooser
}

type draw struct {
	token Token
	err   error
}

// generate draws replies to a prompt that has been read and checked with checkRoom.
func (m *Model) generate(ctx context.Context, ad *Adapter, prompt *cache, jobs []Job, s Settings, each func(int, Token) bool) error {
	g := m.newGeneration(ad, prompt, jobs, s)
	defer g.reader.close()
	if err := g.readPrefixes(ctx, jobs); err != nil {
		return err
	}
	for len(g.live) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.draw(each); err != nil {
			return err
		}
		g.step()
	}
	return nil
}

// tailRoom is for how many tokens of a reply there is room at first; more is made as needed.
const tailRoom = 64

func (m *Model) newGeneration(ad *Adapter, prompt *cache, jobs []Job, s Settings) *generation {
	g := &generation{m: m, reader: m.newReader(ad, prompt), drawn: make([]draw, len(jobs)), logits: make([]float32, len(jobs)*m.config.Vocab)}
	g.choose = func(i int) {
		r, d := g.live[i], &g.drawn[i]
		*d = draw{}
		if d.token.ID, d.token.Logprob, d.err = r.chooser.draw(r.logits); d.err == nil && s.Top > 0 {
			d.token.Top = r.chooser.top(r.logits)
		}
	}
	for i, job := range jobs {
		r := &reply{job: i, max: m.config.Context - len(prompt.tokens) - len(job.Prefix), chooser: newChooser(s, job.Seed, m.config.Vocab)}
		if s.MaxTokens > 0 {
			r.max = min(r.max, s.MaxTokens)
		}
		r.strand = m.newStrand(prompt, len(job.Prefix)+min(r.max, tailRoom))
		g.live = append(g.live, r)
	}
	return g
}

// readPrefixes reads what the replies begin with, equal prefixes once, and computes the logits of their first tokens.
func (g *generation) readPrefixes(ctx context.Context, jobs []Job) error {
	left, same := make([][]int32, len(jobs)), make([]int, len(jobs))
	for i, job := range jobs {
		same[i] = slices.IndexFunc(jobs, func(other Job) bool { return slices.Equal(other.Prefix, job.Prefix) })
		if same[i] == i {
			left[i] = job.Prefix
			if len(job.Prefix) == 0 {
				g.first(i, g.reader.prompt.hidden)
			}
		}
	}
	for g.takePrefixes(left) {
		if err := ctx.Err(); err != nil {
			return err
		}
		hidden, d := g.reader.read(g.strands), g.m.config.Dim
		for k, i := range g.taken {
			if len(left[i]) == 0 {
				g.first(i, hidden[k*d:(k+1)*d])
			}
		}
	}
	for i, r := range g.live {
		if from := g.live[same[i]]; from != r {
			r.logits = from.logits
			r.strand.copy(from.strand)
		}
	}
	return nil
}

// takePrefixes takes as many tokens of as many replies as go into one read, and says whether there are any.
func (g *generation) takePrefixes(left [][]int32) bool {
	g.strands, g.taken = g.strands[:0], g.taken[:0]
	room := readChunk
	for i := range left {
		n := min(room, len(left[i]))
		if n == 0 {
			continue
		}
		s := g.live[i].strand
		s.tokens, left[i], room = left[i][:n], left[i][n:], room-n
		g.strands, g.taken = append(g.strands, s), append(g.taken, i)
	}
	return len(g.strands) > 0
}

// first computes the logits of the first token of reply i.
func (g *generation) first(i int, hidden []float32) {
	r, vocab := g.live[i], g.m.config.Vocab
	r.logits = g.logits[i*vocab : (i+1)*vocab]
	g.m.logits(r.logits, hidden, 1)
}

// draw takes the next token of every live reply and drops the replies that end with it.
func (g *generation) draw(each func(int, Token) bool) error {
	kernel.Parallel(len(g.live), g.choose)
	going := g.live[:0]
	for i, r := range g.live {
		t, err := g.drawn[i].token, g.drawn[i].err
		if err != nil {
			return err
		}
		r.n++
		switch {
		case g.m.tokenizer.IsEnd(t.ID):
			t.Finish = chat.FinishStop
		case r.n == r.max:
			t.Finish = chat.FinishLength
		}
		if each(r.job, t) && t.Finish == "" {
			r.next[0] = t.ID
			going = append(going, r)
		}
	}
	g.live = going
	return nil
}

// step reads the drawn token of every live reply and computes the logits of the next.
func (g *generation) step() {
	if len(g.live) == 0 {
		return
	}
	g.strands = g.strands[:0]
	for _, r := range g.live {
		r.strand.tokens = r.next[:]
		g.strands = append(g.strands, r.strand)
	}
	hidden := g.reader.read(g.strands)
	g.m.logits(g.logits, hidden, len(g.live))
	vocab := g.m.config.Vocab
	for i, r := range g.live {
		r.logits = g.logits[i*vocab : (i+1)*vocab]
	}
}
