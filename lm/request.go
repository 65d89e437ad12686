package lm

import (
	"context"
	"slices"

	"plumb/chat"
)

// sequence is a text that is being read: what was read, and the tokens after it that are to be.
type sequence struct {
	past past
	rest []int32
	take int // of rest, in this step
}

// request is replies to one prompt that are drawn for somebody.
type request struct {
	ctx    context.Context
	prompt []int32
	read   sequence
	hidden []float32 // D, final normed hidden state of the prompt's last token, once it was read
	live   []*reply  // those that go on
	each   func(job int, t Token) bool
	left   func(error) // called once, when the request is no longer served
	err    error       // that ends it
}

// reply is one reply that is being drawn.
type reply struct {
	job     int
	text    []int32 // after the prompt: what it begins with and what was drawn
	read    sequence
	n, max  int // tokens drawn, and how many may be
	chooser *chooser
	first   *reply // whose text begins alike and is read for both; nil if there is none, and from the first token on
	top     bool   // alternatives are asked for
	row     int    // of the logits of the next token
	logits  []float32
	drawn   Token
	err     error
}

// newRequest takes what checkRoom has checked.
func (m *Model) newRequest(ctx context.Context, prompt []int32, jobs []Job, s Settings, room int, each func(int, Token) bool, left func(error)) *request {
	r := &request{ctx: ctx, prompt: prompt, each: each, left: left}
	for i, job := range jobs {
		p := &reply{job: i, max: min(m.config.Context, room) - len(prompt) - len(job.Prefix), chooser: newChooser(s, job.Seed), top: s.Top > 0}
		if s.MaxTokens > 0 {
			p.max = min(p.max, s.MaxTokens)
		}
		p.text = append(make([]int32, 0, len(job.Prefix)+min(p.max, 4*tile)), job.Prefix...)
		same := slices.IndexFunc(r.live, func(q *reply) bool { return slices.Equal(jobs[q.job].Prefix, job.Prefix) })
		if same >= 0 && len(job.Prefix) > 0 {
			p.first = r.live[same]
		}
		r.live = append(r.live, p)
	}
	return r
}

// choose draws the next token from the logits.
func (p *reply) choose() {
	p.drawn = Token{}
	if p.drawn.ID, p.drawn.Logprob, p.err = p.chooser.draw(p.logits); p.err == nil && p.top {
		p.drawn.Top = p.chooser.top(p.logits)
	}
}

// deliver passes the drawn token on and says whether the reply goes on.
func (r *request) deliver(p *reply, ends bool) bool {
	t := p.drawn
	p.n++
	switch {
	case ends:
		t.Finish = chat.FinishStop
	case p.n == p.max:
		t.Finish = chat.FinishLength
	}
	p.text = append(p.text, t.ID)
	return r.each(p.job, t) && t.Finish == ""
}

// whole returns prompt and reply as one text.
func (r *request) whole(p *reply) []int32 { return slices.Concat(r.prompt, p.text) }
