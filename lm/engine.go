package lm

import (
	"context"
	"fmt"
	"sync"

	"plumb/chat"
)

// Engine draws replies from models on this machine, those of many requests at once: all that are drawn with one model share
// each pass over its weights. It has the method set of a sampler's generator. Safe for concurrent use.
//
// The same draw gives the same text, whatever else is drawn meanwhile and whatever the engine has in its cache.
type Engine struct {
	options Options
	models  *models
	mu      sync.Mutex
	lines   map[*Model]*line
}

// Options bound what an Engine takes. The zero value of each field means its default.
type Options struct {
	Replies     int  // replies that a model draws at once; 64. A request with more runs alone; the others wait in the order in which they came
	Queue       int  // requests that may wait for a model; 256
	OpenModels  int  // models held in memory while unused; 3
	KVBytes     int  // memory for the keys and values of one model, the kept ones included; 1 GiB. It bounds the length of a text, too
	PromptBytes int  // how much of that may be texts already read, so that the next turn of a chat is cheap; 256 MiB
	Exact       bool // compute as training does, not only as well as serving needs: float32 where serving takes keys and values in float16, and in products with a quantised matrix its integers and 8 bits of the other side
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
	set(&o.Replies, maxReplies)
	set(&o.Queue, 256)
	set(&o.OpenModels, 3)
	set(&o.KVBytes, 1<<30)
	set(&o.PromptBytes, 256<<20)
	e := &Engine{options: o, lines: map[*Model]*line{}}
	e.models = newModels(open, list, o.OpenModels, e.drop)
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
	return chat.Abilities{Prefix: true, Logprobs: true, Penalties: true, Seed: true, Slots: maxReplies, Context: e.line(m).context}, nil
}

// line returns what draws with a model.
func (e *Engine) line(m *Model) *line {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lines[m] == nil {
		e.lines[m] = newLine(m, e.options)
	}
	return e.lines[m]
}

// drop forgets a model that is to be closed, and what was read with it.
func (e *Engine) drop(m *Model) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.lines, m)
}

// Continue draws one continuation of each prefix: see chat.Draw and chat.Piece. A prefix that leaves no room in the context
// fails alone; a prompt that does fails the draw. While others leave no room it waits, and fails with kind RateLimited if
// there are too many that do. When ctx ends it returns at once, and nothing more is drawn after the step that goes on.
func (e *Engine) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	settings, err := settingsOf(d)
	if err != nil {
		return err
	}
	m, done, err := e.models.get(ctx, d.Model)
	if err != nil {
		return err
	}
	joined := false
	defer func() {
		if !joined {
			done()
		}
	}()
	line := e.line(m)
	prompt, jobs, err := m.jobs(d)
	if n := len(prompt); err == nil && n >= line.context {
		err = noRoom(n, line.context)
	}
	if err != nil {
		return err
	}
	var fit []Job
	var writers []*writer
	box := newBox()
	for i, job := range jobs {
		if err := m.checkRoom(prompt, jobs[i:i+1], line.context); err != nil {
			each(chat.Piece{Index: i, Err: err})
			continue
		}
		fit = append(fit, job)
		writers = append(writers, m.newWriter(i, d, len(prompt)+len(job.Prefix), box.put))
	}
	if len(fit) == 0 {
		return nil
	}
	r := m.newRequest(ctx, prompt, fit, settings, line.context, func(i int, t Token) bool { return writers[i].add(t) }, func(err error) {
		done()
		box.close(err)
	})
	if err := line.join(r); err != nil {
		return err
	}
	joined = true // from now on the request says when it has left
	return box.empty(ctx, each)
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
