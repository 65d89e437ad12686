package evaluate

import (
	"context"
	"fmt"
	"math"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/gate"
)

// Generator draws from published models.
type Generator interface {
	Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error
}

// File has each prompt answered greedily by the published model and by our own engine on the same file, and compares. The server is
// asked for log-probs; one that refuses them is asked without.
func File(ctx context.Context, server Generator, name string, m *lm.Model, prompts [][]chat.Message, maxTokens int) ([]gate.Answer, error) {
	var all []gate.Answer
	own := Policy{Model: m}
	for _, messages := range prompts {
		ours, err := own.greedy(ctx, messages, maxTokens)
		if err != nil {
			return nil, err
		}
		theirs, err := greedily(ctx, server, name, messages, maxTokens)
		if err != nil {
			return nil, fmt.Errorf("check file: draw from %s: %w", name, err)
		}
		a := gate.Answer{Sure: sure(ours), Deltas: deltas(m, ours, theirs.Logprobs)}
		text := whole(own.said(ours[:a.Sure]))
		if a.Equal = strings.HasPrefix(theirs.Text, text); a.Sure == len(ours) {
			a.Equal = whole(theirs.Text) == text
		}
		all = append(all, a)
	}
	return all, nil
}

// greedy answers with the likeliest tokens; each has the two likeliest.
func (p Policy) greedy(ctx context.Context, messages []chat.Message, maxTokens int) (tokens []lm.Token, err error) {
	prompt, err := p.Model.EncodePrompt(messages, "")
	if err != nil {
		return nil, err
	}
	err = p.Model.Generate(ctx, p.Adapter, prompt, []lm.Job{{}}, lm.Settings{MaxTokens: maxTokens, Top: 2}, func(_ int, t lm.Token) bool {
		tokens = append(tokens, t)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("draw replies: %w", err)
	}
	return tokens, nil
}

// sure returns how many leading tokens had a clear lead over the second likeliest.
func sure(tokens []lm.Token) int {
	for i, t := range tokens {
		if len(t.Top) < 2 || t.Top[0].Logprob-t.Top[1].Logprob <= gate.SureMargin {
			return i
		}
	}
	return len(tokens)
}

// said decodes drawn tokens without the one that ends the reply.
func (p Policy) said(tokens []lm.Token) string {
	var ids []int32
	for _, t := range tokens {
		if t.Finish != chat.FinishStop {
			ids = append(ids, t.ID)
		}
	}
	return p.text(ids)
}

// whole cuts off a character that the token limit has broken; servers differ in what they make of it.
func whole(text string) string { return strings.TrimRight(text, "\uFFFD") }

func greedily(ctx context.Context, server Generator, name string, messages []chat.Message, maxTokens int) (*chat.Completion, error) {
	zero := 0.
	d := chat.Draw{Model: name, Messages: messages, Prefixes: []string{""}, Seeds: []int64{1}, MaxTokens: maxTokens,
		Sampling: chat.Sampling{Temperature: &zero, Logprobs: true}}
	done, err := one(ctx, server, d)
	if chat.KindOf(err) == chat.Invalid { // no log-probs there
		d.Sampling.Logprobs = false
		done, err = one(ctx, server, d)
	}
	return done, err
}

// one draws a single reply.
func one(ctx context.Context, server Generator, d chat.Draw) (done *chat.Completion, err error) {
	failed := server.Continue(ctx, d, func(p chat.Piece) {
		if p.Done != nil {
			done = p.Done
		}
		if p.Err != nil {
			err = p.Err
		}
	})
	switch {
	case failed != nil:
		return nil, failed
	case err != nil:
		return nil, err
	case done == nil:
		return nil, &chat.Error{Kind: chat.Upstream, Msg: "the draw ended without a reply"}
	}
	return done, nil
}

// deltas compares log-probs token by token up to where the texts part.
func deltas(m *lm.Model, ours []lm.Token, theirs []chat.TokenLogprob) []float64 {
	var all []float64
	for i := range min(len(ours), len(theirs)) {
		if string(m.Tokenizer().Piece(ours[i].ID)) != theirs[i].Token && m.Tokenizer().Decode([]int32{ours[i].ID}) != theirs[i].Token {
			break
		}
		all = append(all, math.Abs(ours[i].Logprob-theirs[i].Logprob))
	}
	return all
}
