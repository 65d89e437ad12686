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
// leave no room in the context, and with ctx's error between two steps when ctx ends. Memory: the keys and values, in
// float32, of the prompt once, and those of each reply.
func (m *Model) Generate(ctx context.Context, ad *Adapter, prompt []int32, jobs []Job, s Settings, each func(job int, t Token) bool) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := m.checkRoom(prompt, jobs, m.config.Context); err != nil {
		return err
	}
	if len(jobs) == 0 {
		return nil
	}
	b := m.newScheduler(ad, limits{exact: true, replies: len(jobs), keys: math.MaxInt})
	defer b.close()
	var failed error
	b.enter(m.newRequest(ctx, prompt, jobs, s, b.pages.context(), each, func(err error) { failed = err }))
	for b.busy() {
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
