package irl

import (
	"context"
	"fmt"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/lm/token"
)

// source is a distribution over replies that can be drawn from and computed. Equal sources are the same distribution.
type source interface {
	// draw draws one candidate for each seed.
	draw(ctx context.Context, prompt []chat.Message, seeds []int64) ([]candidate, error)
	// logprobs returns the log-prob of each candidate, in nats, its end included.
	logprobs(ctx context.Context, prompt []chat.Message, candidates []candidate) ([]float64, error)
}

// candidate is a reply that was drawn.
type candidate struct {
	text string
	ids  []int32 // its tokens, that of the end included
	cut  bool    // it reached the most tokens there may be
}

// policy is a language model at a temperature: a source. It draws without filters: what top-p cuts off the reference would
// have no weight that could make up for it.
type policy struct {
	model       *lm.Model
	adapter     *lm.Adapter // nil for the model as it is
	temperature float64     // > 0
	maxTokens   int         // of a reply
	passTokens  int         // computed at once
}

func (p policy) draw(ctx context.Context, prompt []chat.Message, seeds []int64) ([]candidate, error) {
	tokens, err := p.model.EncodePrompt(prompt, "")
	if err != nil {
		return nil, fmt.Errorf("draw candidates: %w", err)
	}
	drawn, texts := make([]candidate, len(seeds)), make([]strings.Builder, len(seeds))
	streams := make([]*token.Stream, len(seeds))
	for i := range streams {
		streams[i] = p.model.Tokenizer().Stream()
	}
	err = p.model.Generate(ctx, p.adapter, tokens, lm.Jobs(seeds), lm.Settings{Temperature: p.temperature, MaxTokens: p.maxTokens}, func(i int, t lm.Token) bool {
		drawn[i].ids = append(drawn[i].ids, t.ID)
		if drawn[i].cut = t.Finish == chat.FinishLength; t.Finish != chat.FinishStop {
			texts[i].WriteString(streams[i].Push(t.ID))
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("draw candidates: %w", err)
	}
	for i := range drawn {
		texts[i].WriteString(streams[i].Flush())
		drawn[i].text = texts[i].String()
	}
	return drawn, nil
}

func (p policy) logprobs(ctx context.Context, prompt []chat.Message, candidates []candidate) ([]float64, error) {
	tokens, err := p.model.EncodePrompt(prompt, "")
	if err != nil {
		return nil, fmt.Errorf("compute log-probs of candidates: %w", err)
	}
	sums := make([]float64, 0, len(candidates))
	for from := 0; from < len(candidates); {
		tree := lm.Tree{Prompt: tokens}
		size := len(tokens)
		for _, c := range candidates[from:] {
			if size += len(c.ids); size > p.passTokens && len(tree.Branches) > 0 {
				break
			}
			tree.Branches = append(tree.Branches, c.ids)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pass, err := p.model.Forward(p.adapter, []lm.Tree{tree}, false)
		if err != nil {
			return nil, fmt.Errorf("compute log-probs of candidates: %w", err)
		}
		for branch := range tree.Branches {
			sums = append(sums, p.sum(pass, tree.Branches[branch], branch))
		}
		pass.Release()
		from += len(tree.Branches)
	}
	return sums, nil
}

// sum returns the log-prob of a branch of a pass over one tree, at the policy's temperature.
func (p policy) sum(pass *lm.Pass, ids []int32, branch int) (sum float64) {
	if p.temperature == 1 {
		for _, logp := range pass.Logprobs[0][branch] {
			sum += logp
		}
		return sum
	}
	logits := pass.Logits(0, branch)
	vocab := len(logits) / max(1, len(ids))
	for at, id := range ids {
		row := logits[at*vocab : (at+1)*vocab]
		kernel.Scale(float32(1/p.temperature), row)
		sum += float64(row[id]) - kernel.LogSumExp(row)
	}
	return sum
}
