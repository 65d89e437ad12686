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

// drawing is what a policy drew to a prompt.
type drawing struct {
	prompt  []int32
	replies []drawn
}

// draw draws len(seeds) replies to a prompt.
func (p Policy) draw(ctx context.Context, messages []chat.Message, seeds []int64, s lm.Settings) (prompt []int32, replies []drawn, err error) {
	all, err := p.drawAll(ctx, [][]chat.Message{messages}, [][]int64{seeds}, s)
	if err != nil {
		return nil, nil, err
	}
	return all[0].prompt, all[0].replies, nil
}

// drawAll draws a reply for each of a prompt's seeds, many prompts at once: what is drawn does not depend on it.
func (p Policy) drawAll(ctx context.Context, prompts [][]chat.Message, seeds [][]int64, s lm.Settings) ([]drawing, error) {
	all, tasks := make([]drawing, len(prompts)), make([]lm.Task, len(prompts))
	for i, messages := range prompts {
		prompt, err := p.Model.EncodePrompt(messages, "")
		if err != nil {
			return nil, err
		}
		all[i] = drawing{prompt, make([]drawn, len(seeds[i]))}
		tasks[i] = lm.Task{Prompt: prompt, Jobs: lm.Jobs(seeds[i])}
	}
	err := p.Model.GenerateAll(ctx, p.Adapter, tasks, s, func(task, job int, t lm.Token) bool {
		r := &all[task].replies[job]
		r.ids = append(r.ids, t.ID)
		r.ended = t.Finish == chat.FinishStop
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("draw replies: %w", err)
	}
	for _, d := range all {
		for i := range d.replies {
			r := &d.replies[i]
			said := r.ids
			if r.ended && len(said) > 0 {
				said = said[:len(said)-1]
			}
			r.text = p.text(said)
		}
	}
	return all, nil
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
