package lm

import (
	"context"
	"fmt"
	"math"

	"plumb/chat"
)

// Job is one reply to be drawn: tokens it already begins with, and the seed of the rest.
type Job struct {
	Prefix []int32
	Seed   int64
}

// Jobs returns one for each seed, without a prefix.
func Jobs(seeds []int64) []Job {
	jobs := make([]Job, len(seeds))
	for i, seed := range seeds {
		jobs[i].Seed = seed
	}
	return jobs
}

// Token is one drawn token.
type Token struct {
	ID      int32
	Logprob float64 // in nats, under the distribution without temperature, filters and penalties
	Top     []Alternative
	Finish  string // on the last token of a reply, one of chat's Finish constants; else ""
}

// Task is a prompt and the replies that are to be drawn to it.
type Task struct {
	Prompt []int32
	Jobs   []Job
}

// drawnAtOnce is how many replies GenerateAll draws together: more share the reading of the weights, and need keys and values.
const drawnAtOnce = 16

// Generate draws one reply for each job, all over one prompt: the prompt is read once, and each step passes over the weights
// once for all replies that still go on. It calls each, never concurrently, with the tokens as they are drawn, the ending
// token included; a job for which each returns false ends there. A reply does not depend on which others are drawn beside
// it: the same prompt, prefix, seed and settings give the same tokens.
//
// It fails with kind Invalid if a setting is out of range, if a token is outside the vocabulary or if prompt and prefix
// leave no room in the context, and with ctx's error between two steps when ctx ends. Memory: the keys and values, in
// float32, of the prompt once, and those of each reply.
func (m *Model) Generate(ctx context.Context, ad *Adapter, prompt []int32, jobs []Job, s Settings, each func(job int, t Token) bool) error {
	return m.GenerateAll(ctx, ad, []Task{{prompt, jobs}}, s, func(_, job int, t Token) bool { return each(job, t) })
}

// GenerateAll is Generate for many prompts. Tasks begin in their order as others end, so that some 16 replies, or those of one task if
// they are more, share each pass over the weights and are all that is held in memory. After an error nothing more is drawn.
func (m *Model) GenerateAll(ctx context.Context, ad *Adapter, tasks []Task, s Settings, each func(task, job int, t Token) bool) error {
	if err := s.Check(); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := m.checkRoom(t.Prompt, t.Jobs, m.config.Context); err != nil {
			return err
		}
	}
	b := m.newScheduler(ad, limits{exact: true, keys: math.MaxInt})
	defer b.close()
	var failed error
	left := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	next := 0
	for failed == nil {
		for ; next < len(tasks) && (!b.busy() || b.replies()+len(tasks[next].Jobs) <= drawnAtOnce); next++ {
			if i, t := next, tasks[next]; len(t.Jobs) > 0 {
				b.enter(m.newRequest(ctx, t.Prompt, t.Jobs, s, b.pages.context(), func(job int, drawn Token) bool { return each(i, job, drawn) }, left))
			}
		}
		if !b.busy() {
			return nil
		}
		b.step()
	}
	return failed
}

// checkRoom tells whether every job has at least one token to draw in a context of so many, and that there is nothing but
// tokens of the vocabulary.
func (m *Model) checkRoom(prompt []int32, jobs []Job, context int) error {
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
		if n := len(prompt) + len(job.Prefix); n >= context {
			return noRoom(n, context)
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

func noRoom(tokens, context int) error {
	return &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: fmt.Sprintf("generate: the prompt has %d tokens; the model's context holds %d, the reply included", tokens, context)}
}
