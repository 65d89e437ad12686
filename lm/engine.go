package lm

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"plumb/chat"
)

// Engine draws replies from models on this machine, several requests at once. It has the method set of a sampler's
// generator. Safe for concurrent use.
//
// The same draw gives the same text, whatever else is drawn meanwhile and whatever the engine has in its cache.
type Engine struct {
	models  *models
	prompts promptCache
	slots   chan struct{} // one for each draw that runs
	waiting atomic.Int32
	queue   int32
}

// Options bound what an Engine takes. The zero value of each field means its default.
type Options struct {
	Draws       int // draws that run at once; 4. The others wait in the order in which they came
	Queue       int // draws that may wait; 256
	OpenModels  int // models held in memory while unused; 3
	PromptBytes int // memory for prompts already read, so that the next turn of a chat is cheap; 256 MiB
}

// maxReplies is how many continuations one draw may ask for.
const maxReplies = 64

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
	e := &Engine{prompts: promptCache{limit: o.PromptBytes}, slots: make(chan struct{}, o.Draws), queue: int32(min(o.Queue, 1<<30))}
	e.models = newModels(open, list, o.OpenModels, e.prompts.drop)
	return e
}

// Models lists the models there are.
func (e *Engine) Models(ctx context.Context) ([]chat.Model, error) { return e.models.list(ctx) }

// Abilities says what can be asked of a model, which is opened for that if it is not. The distribution over tokens is not
// given away: Logits is false.
func (e *Engine) Abilities(ctx context.Context, name string) (chat.Abilities, error) {
	m, done, err := e.models.get(ctx, name)
	if err != nil {
		return chat.Abilities{}, err
	}
	defer done()
	return chat.Abilities{Prefix: true, Logprobs: true, Penalties: true, Seed: true, Slots: maxReplies, Context: m.config.Context}, nil
}

// Continue draws one continuation of each prefix: see chat.Draw and chat.Piece. A prefix that leaves no room in the context
// fails alone; a prompt that does fails the draw. While Draws others run it waits, and fails with kind RateLimited if
// there are too many that do.
func (e *Engine) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	settings, err := settingsOf(d)
	if err != nil {
		return err
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer func() { <-e.slots }()
	m, done, err := e.models.get(ctx, d.Model)
	if err != nil {
		return err
	}
	defer done()
	prompt, jobs, err := m.jobs(d)
	if err != nil {
		return err
	}
	if n := len(prompt); n >= m.config.Context {
		return m.noRoom(n)
	}
	var fit []Job
	var writers []*writer
	for i, job := range jobs {
		if err := m.checkRoom(prompt, jobs[i:i+1]); err != nil {
			each(chat.Piece{Index: i, Err: err})
			continue
		}
		fit = append(fit, job)
		writers = append(writers, m.newWriter(i, d, len(prompt)+len(job.Prefix), each))
	}
	if len(fit) == 0 {
		return nil
	}
	read, err := m.read(ctx, nil, prompt, e.prompts.find(m, prompt))
	if err != nil {
		return err
	}
	e.prompts.add(m, read)
	return m.generate(ctx, nil, read, fit, settings, func(i int, t Token) bool { return writers[i].add(t) })
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
		return &chat.Error{Kind: chat.RateLimited, Msg: fmt.Sprintf("draw: %d requests wait already", e.queue), RetryAfter: time.Second}
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
	switch n := len(d.Prefixes); {
	case len(p.Tools) > 0:
		return refuse("tools", "the built-in engine calls no tools")
	case len(p.ToolChoice) > 0:
		return refuse("tool_choice", "the built-in engine calls no tools")
	case len(p.ResponseFormat) > 0:
		return refuse("response_format", "the built-in engine gives text only")
	case n == 0 || n > maxReplies:
		return refuse("n", fmt.Sprintf("%d continuations; allowed are 1 to %d", n, maxReplies))
	case len(d.Seeds) != n:
		return refuse("seed", fmt.Sprintf("%d seeds for %d continuations", len(d.Seeds), n))
	}
	for i, stop := range p.Stop {
		if stop == "" {
			return refuse(fmt.Sprintf("stop[%d]", i), "is empty")
		}
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
	return s, s.Check()
}

// jobs returns the tokens that all replies of d share, and what comes after them for each. Prompt and prefix are tokenised
// as one text.
func (m *Model) jobs(d chat.Draw) (prompt []int32, jobs []Job, err error) {
	text, err := m.Render(d.Messages)
	if err != nil {
		return nil, nil, err
	}
	known := map[string][]int32{}
	var whole [][]int32
	for _, prefix := range d.Prefixes {
		if known[prefix] == nil {
			known[prefix] = m.tokenizer.Encode(text+prefix, true)
		}
		whole = append(whole, known[prefix])
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
