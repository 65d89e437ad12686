// Package samplertest holds what every [sampler.Generator] must do, as one suite that each adapter runs in its tests.
package samplertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"plumb/chat"
	"plumb/sampler"
)

// Subject is a generator under test, and what the suite has to know of it.
type Subject struct {
	Generator sampler.Generator
	// Model is one that the generator has, and trained: its tokenizer must split its replies as the model wrote them, or
	// they cannot be continued. At temperature 1 its replies to the suite's question must differ from seed to seed, and be
	// at least 16 tokens long.
	Model string
	// Missing is a model that the generator does not have; "" means "no-such-model".
	Missing string
	// Sampling is the base of every draw; nil pointers are the model's own defaults.
	Sampling chat.Sampling
	// Running, if set, says how many continuations are being worked on upstream, whoever draws them.
	Running func() int
	// FailOne, if set, makes one candidate of the next draw fail upstream and leaves the others alone.
	FailOne func()
}

// TestGenerator runs the suite. newSubject is called once for each check and may use t.Cleanup.
//
// What a generator says it cannot do ([chat.Abilities]) is not asked of it. No check hangs on how fast it is; how long it
// took to stop after a cancellation is logged.
func TestGenerator(t *testing.T, newSubject func(t *testing.T) Subject) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject(t)
			if s.Missing == "" {
				s.Missing = "no-such-model"
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			can, err := s.Generator.Abilities(ctx, s.Model)
			if err != nil {
				t.Fatalf("Abilities(%q): %v", s.Model, err)
			}
			subject := &subject{Subject: s, can: can, logf: t.Logf}
			if c.needs != nil && !c.needs(subject) {
				t.Skip("the generator cannot do it, or the subject cannot show it")
			}
			if err := c.run(ctx, subject); err != nil {
				t.Error(err)
			}
		})
	}
}

// patience bounds a check, so that what hangs is reported with a name; a slow machine never comes near it.
const patience = 5 * time.Minute

// subject is a Subject in use.
type subject struct {
	Subject
	can  chat.Abilities
	logf func(format string, args ...any)
}

// check is one thing that must hold. run returns what is wrong.
type check struct {
	name  string
	needs func(*subject) bool // nil: always
	run   func(ctx context.Context, s *subject) error
}

var checks = []check{
	{"whole replies", nil, wholeReplies},
	{"no prefixes, no pieces", nil, emptyDraw},
	{"max tokens", nil, maxTokens},
	{"streamed pieces make the reply", nil, streaming},
	{"stop sequences", nil, stopSequence},
	{"seeds", seeded, seeds},
	{"temperature 0", seeded, greedy},
	{"a prefix is continued", func(s *subject) bool { return s.can.Prefix && s.can.Seed }, prefix},
	{"each prefix its own", func(s *subject) bool { return s.can.Prefix && s.can.Seed }, prefixes},
	{"log-probs", func(s *subject) bool { return s.can.Logprobs }, logprobs},
	{"draws side by side", seeded, sideBySide},
	{"unknown model", nil, unknownModel},
	{"a seed for each prefix", nil, seedsMissing},
	{"cancelled before", nil, cancelledBefore},
	{"cancelled while drawing", nil, cancelled},
	{"one failure leaves the others", func(s *subject) bool { return s.FailOne != nil }, oneFails},
}

func seeded(s *subject) bool { return s.can.Seed }

// question is what every draw asks.
var question = []chat.Message{{Role: chat.User, Content: "Tell me a long story about a river, a bridge and a very old fox."}}

// draw is a draw of n whole replies at temperature 1 with seeds 1 … n.
func (s *subject) draw(n, tokens int) chat.Draw {
	d := chat.Draw{Model: s.Model, Messages: question, MaxTokens: tokens, Sampling: s.Sampling,
		Prefixes: make([]string, n), Seeds: make([]int64, n)}
	for i := range n {
		d.Seeds[i] = int64(i + 1)
	}
	one := 1.
	d.Sampling.Temperature = &one
	return d
}

// greedyDraw continues prefix at temperature 0.
func (s *subject) greedyDraw(prefix string, tokens int) chat.Draw {
	d := s.draw(1, tokens)
	zero := 0.
	d.Sampling.Temperature = &zero
	d.Prefixes[0] = prefix
	return d
}

// drawn is what came of a draw: by index the last piece, and the text of all pieces.
type drawn struct {
	last     []chat.Piece
	streamed []string
	logprobs [][]chat.TokenLogprob
}

func (d drawn) text(i int) string { return d.last[i].Done.Text }

// collect runs a draw and holds it to the contract of pieces.
func (s *subject) collect(ctx context.Context, d chat.Draw) (drawn, error) {
	n := len(d.Prefixes)
	got := drawn{make([]chat.Piece, n), make([]string, n), make([][]chat.TokenLogprob, n)}
	ended := make([]bool, n)
	var wrong error
	note := func(format string, args ...any) {
		if wrong == nil {
			wrong = fmt.Errorf(format, args...)
		}
	}
	inside := make(chan struct{}, 1)
	err := s.Generator.Continue(ctx, d, func(p chat.Piece) {
		select {
		case inside <- struct{}{}:
		default:
			panic("samplertest: pieces are delivered concurrently")
		}
		defer func() { <-inside }()
		if p.Index < 0 || p.Index >= n {
			note("a piece has index %d, want 0 … %d", p.Index, n-1)
			return
		}
		if ended[p.Index] {
			note("continuation %d: a piece after its last", p.Index)
		}
		if !d.Stream && p.Done == nil && p.Err == nil {
			note("continuation %d: a piece of text where none was asked for", p.Index)
		}
		got.streamed[p.Index] += p.Text
		got.logprobs[p.Index] = append(got.logprobs[p.Index], p.Logprobs...)
		if p.Done != nil || p.Err != nil {
			got.last[p.Index], ended[p.Index] = p, true
		}
		if p.Done != nil && p.Err != nil {
			note("continuation %d: a piece with both Done and Err", p.Index)
		}
	})
	if wrong != nil {
		return got, wrong
	}
	if err != nil {
		return got, err
	}
	for i, end := range ended {
		if !end {
			return got, fmt.Errorf("continuation %d has no last piece", i)
		}
	}
	return got, nil
}

// replies is collect for a draw of which every continuation must succeed.
func (s *subject) replies(ctx context.Context, d chat.Draw) (drawn, error) {
	got, err := s.collect(ctx, d)
	if err != nil {
		return got, fmt.Errorf("continue: %w", err)
	}
	for i, p := range got.last {
		if p.Err != nil {
			return got, fmt.Errorf("continuation %d: %w", i, p.Err)
		}
		if err := s.checkCompletion(d, *p.Done); err != nil {
			return got, fmt.Errorf("continuation %d: %w", i, err)
		}
	}
	return got, nil
}

// checkCompletion holds what is true of every completion.
func (s *subject) checkCompletion(d chat.Draw, c chat.Completion) error {
	switch c.Finish {
	case chat.FinishStop, chat.FinishLength, chat.FinishToolCalls:
	default:
		return fmt.Errorf("finish is %q", c.Finish)
	}
	if c.PromptTokens <= 0 {
		return fmt.Errorf("%d tokens of prompt", c.PromptTokens)
	}
	if c.CompletionTokens < 0 || c.CompletionTokens == 0 && c.Text != "" {
		return fmt.Errorf("%d tokens for %q", c.CompletionTokens, c.Text)
	}
	if d.MaxTokens > 0 && c.CompletionTokens > d.MaxTokens {
		return fmt.Errorf("%d tokens, want at most %d", c.CompletionTokens, d.MaxTokens)
	}
	if c.Finish == chat.FinishLength && d.MaxTokens > 0 && c.CompletionTokens < d.MaxTokens {
		return fmt.Errorf("finish is length after %d of %d tokens", c.CompletionTokens, d.MaxTokens)
	}
	return nil
}
