package evaluate

import (
	"context"
	"fmt"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/train"
)

// Policy is a model, as it is or with an adapter.
type Policy struct {
	Model   *lm.Model
	Adapter *lm.Adapter // nil for the model as it is
}

// logprobs returns Σ log-prob of each branch of each tree, in their order, limit tokens or one tree at a time.
func (p Policy) logprobs(ctx context.Context, all []lm.Tree, limit int) ([]float64, error) {
	var sums []float64
	for _, g := range train.Groups(all, limit) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pass, err := p.Model.Forward(p.Adapter, all[g.From:g.To], false)
		if err != nil {
			return nil, fmt.Errorf("measure log-probs: %w", err)
		}
		for _, tree := range pass.Logprobs {
			for _, branch := range tree {
				sum := 0.
				for _, x := range branch {
					sum += x
				}
				sums = append(sums, sum)
			}
		}
		pass.Release()
	}
	return sums, nil
}

// drawn is a reply that a policy drew.
type drawn struct {
	text  string
	ids   []int32 // the ending token included
	ended bool
}

// draw draws len(seeds) replies to a prompt.
func (p Policy) draw(ctx context.Context, messages []chat.Message, seeds []int64, s lm.Settings) (prompt []int32, replies []drawn, err error) {
	if prompt, err = p.Model.EncodePrompt(messages, ""); err != nil {
		return nil, nil, err
	}
	jobs := make([]lm.Job, len(seeds))
	for i, seed := range seeds {
		jobs[i].Seed = seed
	}
	replies = make([]drawn, len(seeds))
	err = p.Model.Generate(ctx, p.Adapter, prompt, jobs, s, func(job int, t lm.Token) bool {
		r := &replies[job]
		r.ids = append(r.ids, t.ID)
		r.ended = t.Finish == chat.FinishStop
		return true
	})
	if err != nil {
		return nil, nil, fmt.Errorf("draw replies: %w", err)
	}
	for i := range replies {
		r := &replies[i]
		said := r.ids
		if r.ended && len(said) > 0 {
			said = said[:len(said)-1]
		}
		r.text = p.text(said)
	}
	return prompt, replies, nil
}

// text decodes a reply as servers send it: bytes that are no characters become U+FFFD.
func (p Policy) text(ids []int32) string {
	var b strings.Builder
	stream := p.Model.Tokenizer().Stream()
	for _, id := range ids {
		b.WriteString(stream.Push(id))
	}
	b.WriteString(stream.Flush())
	return b.String()
}
