package lm

import (
	"context"
	"fmt"
	"sync/atomic"

	"plumb/chat"
)

// Engine draws replies from models on this machine, several requests at once. It has the method set of a sampler's
// generator. Safe for concurrent use.
type Engine struct {
	models  *models
	prompts promptCache
	slots   chan struct{} // one for each draw that runs
	waiting atomic.Int32
	queue   int32
}

// Options bound what an Engine takes. The zero value of each field means its default.
type Options struct {
	Draws       int // requests that are drawn at once; 4
	Queue       int // requests that may wait for their turn; 256
	OpenModels  int // models held in memory; 3
	PromptBytes int // memory for prompts already read, so that the next turn of a chat is cheap; 256 MiB
}

// NewEngine returns an engine over the models that open opens by name. list names those there are; open fails with kind
// NotFound for any other.
func NewEngine(open func(ctx context.Context, name string) (*Model, error), list func(ctx context.Context) ([]chat.Model, error), o Options) *Engine {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&o.Draws, 4)
	set(&o.Queue, 256)
	set(&o.OpenModels, 3)
	set(&o.PromptBytes, 256<<20)
	return &Engine{models: newModels(open, list, o.OpenModels), prompts: promptCache{limit: o.PromptBytes},
		slots: make(chan struct{}, o.Draws), queue: int32(o.Queue)}
}

// Models lists the models there are.
func (e *Engine) Models(ctx context.Context) ([]chat.Model, error) { return e.models.list(ctx) }

// Abilities says what can be asked of a model.
func (e *Engine) Abilities(ctx context.Context, name string) (chat.Abilities, error) {
	m, done, err := e.models.get(ctx, name)
	if err != nil {
		return chat.Abilities{}, err
	}
	defer done()
	return chat.Abilities{Prefix: true, Logits: true, Logprobs: true, Penalties: true, Seed: true, Slots: 64, Context: m.config.Context}, nil
}

// Continue draws one continuation of each prefix: see chat.Draw and chat.Piece.
func (e *Engine) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	settings, err := settingsOf(d)
	if err != nil {
		return err
	}
	m, done, err := e.models.get(ctx, d.Model)
	if err != nil {
		return err
	}
	defer done()
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer func() { <-e.slots }()
	prompt, jobs, err := m.jobs(d)
	if err != nil {
		return err
	}
	read, err := m.read(ctx, nil, prompt, e.prompts.find(m, prompt))
	if err != nil {
		return err
	}
	e.prompts.add(m, read)
	return m.draw(ctx, d, settings, read, jobs, each)
}

// enter waits for a slot.
func (e *Engine) enter(ctx context.Context) error {
	select {
	case e.slots <- struct{}{}:
		return nil
	default:
	}
	if e.waiting.Add(1) > e.queue {
		e.waiting.Add(-1)
		return &chat.Error{Kind: chat.RateLimited, Msg: fmt.Sprintf("draw: %d requests wait already", e.queue)}
	}
	defer e.waiting.Add(-1)
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settingsOf translates, and refuses what the engine cannot do.
func settingsOf(d chat.Draw) (Settings, error) {
	refuse := func(param, why string) (Settings, error) {
		return Settings{}, &chat.Error{Kind: chat.Invalid, Param: param, Msg: "draw: " + param + ": " + why}
	}
	p := d.Sampling
	switch {
	case len(p.Tools) > 0:
		return refuse("tools", "the built-in engine calls no tools")
	case len(p.ResponseFormat) > 0:
		return refuse("response_format", "the built-in engine gives text only")
	case len(d.Prefixes) == 0 || len(d.Seeds) != len(d.Prefixes):
		return refuse("n", fmt.Sprintf("%d prefixes with %d seeds", len(d.Prefixes), len(d.Seeds)))
	case d.MaxTokens < 0:
		return refuse("max_tokens", "must not be negative")
	}
	s := Settings{Temperature: 1, MaxTokens: d.MaxTokens}
	set := func(field *float64, value *float64) {
		if value != nil {
			*field = *value
		}
	}
	set(&s.Temperature, p.Temperature)
	set(&s.TopP, p.TopP)
	set(&s.MinP, p.MinP)
	set(&s.Presence, p.PresencePenalty)
	set(&s.Frequency, p.FrequencyPenalty)
	if p.TopK != nil {
		s.TopK = *p.TopK
	}
	if p.Logprobs {
		s.Top = p.TopLogprobs
	}
	return s, nil
}

// jobs returns the tokens that all replies of d share, and what comes after them for each.
func (m *Model) jobs(d chat.Draw) (prompt []int32, jobs []Job, err error) {
	whole := make([][]int32, len(d.Prefixes))
	for i, prefix := range d.Prefixes {
		if i > 0 && prefix == d.Prefixes[i-1] {
			whole[i] = whole[i-1]
			continue
		}
		if whole[i], err = m.EncodePrompt(d.Messages, prefix); err != nil {
			return nil, nil, err
		}
	}
	shared := len(whole[0])
	for _, w := range whole {
		shared = common(whole[0][:shared], w)
	}
	if shared == 0 {
		return nil, nil, &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: "draw: the prompt has no tokens"}
	}
	for i, w := range whole {
		jobs = append(jobs, Job{Prefix: w[shared:], Seed: d.Seeds[i]})
	}
	return whole[0][:shared], jobs, nil
}

// draw generates and delivers the pieces.
func (m *Model) draw(ctx context.Context, d chat.Draw, s Settings, prompt *cache, jobs []Job, each func(chat.Piece)) error {
	writers := make([]*writer, len(jobs))
	for i, job := range jobs {
		writers[i] = &writer{
			m: m, index: i, stream: d.Stream, each: each, wantLogprobs: d.Sampling.Logprobs,
			stop: stopper{stops: d.Sampling.Stop}, decode: m.tokenizer.Stream(),
			done: chat.Completion{PromptTokens: len(prompt.tokens) + len(job.Prefix)},
		}
	}
	return m.generate(ctx, nil, prompt, jobs, s, func(i int, t Token) bool { return writers[i].add(t) })
}

// writer turns the tokens of one reply into pieces.
type writer struct {
	m            *Model
	index        int
	stream       bool
	wantLogprobs bool
	each         func(chat.Piece)
	decode       interface {
		Push(int32) string
		Flush() string
	}
	stop    stopper
	logprob float64
	pending []chat.TokenLogprob // of text not yet streamed
	done    chat.Completion
}

// add takes the next token and says whether the reply goes on.
func (w *writer) add(t Token) bool {
	w.done.CompletionTokens++
	w.logprob += t.Logprob
	text, ends := "", t.Finish
	if ends != chat.FinishStop {
		text = w.decode.Push(t.ID)
		if w.wantLogprobs {
			w.pending = append(w.pending, w.m.logprobOf(t))
		}
	}
	if ends != "" {
		text += w.decode.Flush()
	}
	pass, found := w.stop.push(text)
	if found {
		ends = chat.FinishStop
	} else if ends != "" {
		pass += w.stop.flush()
	}
	w.done.Text += pass
	if w.stream && pass != "" {
		w.each(chat.Piece{Index: w.index, Text: pass, Logprobs: w.pending})
	}
	if pass != "" || ends != "" {
		w.done.Logprobs = append(w.done.Logprobs, w.pending...)
		w.pending = nil
	}
	if ends == "" {
		return true
	}
	w.done.Finish, w.done.Logprob = ends, &w.logprob
	w.each(chat.Piece{Index: w.index, Done: &w.done})
	return false
}

// logprobOf is a token as the API reports it.
func (m *Model) logprobOf(t Token) chat.TokenLogprob {
	l := m.reported(t.ID, t.Logprob)
	for _, a := range t.Top {
		l.Top = append(l.Top, m.reported(a.ID, a.Logprob))
	}
	return l
}

func (m *Model) reported(id int32, logprob float64) chat.TokenLogprob {
	piece := m.tokenizer.Piece(id)
	bytes := make([]int, len(piece))
	for i, b := range piece {
		bytes[i] = int(b)
	}
	return chat.TokenLogprob{Token: string(piece), Logprob: logprob, Bytes: bytes}
}
