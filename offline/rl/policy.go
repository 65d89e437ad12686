package rl

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/train"
)

// policy is a language model with an adapter, as an actor. Its states are the model's final hidden states.
type policy struct {
	model   *lm.Model
	adapter *lm.Adapter
	start   *lm.Adapter // the reference; nil is the model as it is
	grad    *lm.Params
	prompts [][]int32
	draws   lm.Settings
	limit   int // tokens of a pass
}

func newPolicy(m *lm.Model, start *lm.Adapter, c Config) (*policy, error) {
	p := &policy{model: m, start: start, draws: lm.Settings{Temperature: 1, MaxTokens: c.MaxTokens}, limit: c.PassTokens}
	if start != nil {
		p.adapter = start.Clone()
	} else {
		var err error
		if p.adapter, err = m.NewAdapter(c.lora()); err != nil {
			return nil, err
		}
	}
	p.grad = p.adapter.ZeroLike()
	return p, nil
}

// prompt is a conversation to be answered, with its place among those that were given.
type prompt struct {
	messages []chat.Message
	place    int
}

// take encodes the prompts that leave room for a reply, and counts the others.
func (p *policy) take(all [][]chat.Message, c Config) (taken []prompt, dropped int, err error) {
	room := c.MaxLength
	if context := p.model.Config().Context; context > 0 {
		room = min(room, context)
	}
	for i, messages := range all {
		tokens, err := p.model.EncodePrompt(messages, "")
		if err != nil {
			return nil, 0, fmt.Errorf("encode prompts[%d]: %w", i, err)
		}
		if len(tokens) == 0 || len(tokens)+c.MaxTokens > room {
			dropped++
			continue
		}
		p.prompts = append(p.prompts, tokens)
		taken = append(taken, prompt{messages, i})
	}
	if len(taken) == 0 {
		return nil, 0, &chat.Error{Kind: chat.Invalid, Param: "prompts", Msg: fmt.Sprintf(
			"train by reward: %d prompts, of which none leaves room for a reply of %d tokens within %d", len(all), c.MaxTokens, room)}
	}
	return taken, dropped, nil
}

// promptsHash identifies the prompts in their order.
func (p *policy) promptsHash() string {
	h := sha256.New()
	for _, tokens := range p.prompts {
		b := binary.LittleEndian.AppendUint64(nil, uint64(len(tokens)))
		for _, token := range tokens {
			b = binary.LittleEndian.AppendUint32(b, uint32(token))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// draw implements actor. Each prompt is read once for all its replies, and some prompts are answered at once: what is drawn does not
// depend on it.
func (p *policy) draw(ctx context.Context, prompts []int, seeds [][]int64) ([][]reply, error) {
	all, tasks := make([][]reply, len(prompts)), make([]lm.Task, len(prompts))
	for i, prompt := range prompts {
		all[i] = make([]reply, len(seeds[i]))
		tasks[i] = lm.Task{Prompt: p.prompts[prompt], Jobs: lm.Jobs(seeds[i])}
	}
	err := p.model.GenerateAll(ctx, p.adapter, tasks, p.draws, func(task, job int, t lm.Token) bool {
		r := &all[task][job]
		r.tokens = append(r.tokens, t.ID)
		r.ended = t.Finish == chat.FinishStop
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("draw replies: %w", err)
	}
	for _, replies := range all {
		for i := range replies {
			said := replies[i].tokens
			if replies[i].ended {
				said = said[:len(said)-1]
			}
			replies[i].text = p.text(said)
		}
	}
	return all, nil
}

// text decodes a reply as servers send it: bytes that are no characters become U+FFFD.
func (p *policy) text(tokens []int32) string {
	var b strings.Builder
	stream := p.model.Tokenizer().Stream()
	for _, id := range tokens {
		b.WriteString(stream.Push(id))
	}
	b.WriteString(stream.Flush())
	return b.String()
}

// forward implements actor. Neighbours that answer one prompt share its computation.
func (p *policy) forward(ctx context.Context, batch []*rollout, learn bool, visit func(*rollout, []float64, []float32) []float64) error {
	return p.passes(ctx, p.adapter, batch, learn, func(pass *lm.Pass, members [][]*rollout) {
		dlogps := make([][][]float64, len(members))
		for t, replies := range members {
			for b, r := range replies {
				dlogps[t] = append(dlogps[t], visit(r, pass.Logprobs[t][b], pass.Hidden(t, b)))
			}
		}
		if learn {
			pass.Backward(dlogps, p.grad)
		}
	})
}

// reference implements actor.
func (p *policy) reference(ctx context.Context, batch []*rollout) error {
	return p.passes(ctx, p.start, batch, false, func(pass *lm.Pass, members [][]*rollout) {
		for t, replies := range members {
			for b, r := range replies {
				r.ref = pass.Logprobs[t][b]
			}
		}
	})
}

// passes runs the model over the replies of a batch, as many at once as the limit allows. members are the replies of each tree of a pass.
func (p *policy) passes(ctx context.Context, ad *lm.Adapter, batch []*rollout, keep bool, each func(pass *lm.Pass, members [][]*rollout)) error {
	var trees []lm.Tree
	var members [][]*rollout
	for i, r := range batch {
		if i == 0 || batch[i-1].prompt != r.prompt {
			trees = append(trees, lm.Tree{Prompt: p.prompts[r.prompt]})
			members = append(members, nil)
		}
		last := len(trees) - 1
		trees[last].Branches = append(trees[last].Branches, r.tokens)
		members[last] = append(members[last], r)
	}
	for _, g := range train.Groups(trees, p.limit) {
		if err := ctx.Err(); err != nil {
			return err
		}
		pass, err := p.model.Forward(ad, trees[g.From:g.To], keep)
		if err != nil {
			return fmt.Errorf("train by reward: %w", err)
		}
		each(pass, members[g.From:g.To])
		pass.Release()
	}
	return nil
}

// parameters implements actor.
func (p *policy) parameters() (values, grad []float32, width int) {
	return p.adapter.Data, p.grad.Data, p.model.Config().Dim
}
