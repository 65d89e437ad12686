package train

import (
	"context"
	"fmt"

	"plumb/lm"
	"plumb/offline/loss"
)

// Replies trains on single replies with thumbs, with a method of kind Unpaired.
func (t Trainer) Replies(ctx context.Context, replies []Reply) (*Result, error) {
	r, err := t.start(Unpaired)
	if err != nil {
		return nil, err
	}
	l, err := loss.ParseUnpaired(r.Config.Method, r.Config.options())
	if err != nil {
		return nil, err
	}
	return r.loop(ctx, &unpaired{run: r, replies: replies, loss: l})
}

// ReferenceReplies computes what Replies needs of the reference for its own rows, so that it is in the cache. What KTO compares across
// rows follows while it trains.
func (t Trainer) ReferenceReplies(ctx context.Context, replies []Reply) error {
	r, err := t.start(Unpaired)
	if err != nil {
		return err
	}
	return (&unpaired{run: r, replies: replies}).begin(ctx)
}

// unpaired is the mean loss over single replies, measured against a point that the batch as a whole gives.
type unpaired struct {
	*run
	replies []Reply
	loss    loss.Unpaired
	refs    [][]float64
}

func (o *unpaired) rows() (int, string, int) {
	return len(o.replies), hashReplies(o.replies), 2
}

func (o *unpaired) begin(ctx context.Context) (err error) {
	o.refs, err = o.ref.Logprobs(ctx, o.trees(all(len(o.replies))), o.Config.PassTokens, o.Referenced)
	return err
}

func (o *unpaired) trees(rows []int) []lm.Tree {
	trees := make([]lm.Tree, len(rows))
	for i, row := range rows {
		trees[i] = lm.Tree{Prompt: o.replies[row].Prompt, Branches: [][]int32{o.replies[row].Completion}}
	}
	return trees
}

func (o *unpaired) batch(ctx context.Context, rows []int, grad *lm.Params) (Step, error) {
	var s Step
	point, err := o.point(ctx, rows)
	if err != nil {
		return s, err
	}
	if _, ok := o.loss.(loss.KTO); ok {
		s.KL = &point
	}
	var seen sides
	trees := o.trees(rows)
	for _, g := range Groups(trees, o.Config.PassTokens) {
		pass, err := o.Model.Forward(o.adapter, trees[g.From:g.To], true)
		if err != nil {
			return s, fmt.Errorf("train: %w", err)
		}
		dlogp := make([][][]float64, g.To-g.From)
		for i, row := range rows[g.From:g.To] {
			r, logps := o.replies[row], pass.Logprobs[i][0]
			e := loss.Example{Logp: total(logps), Ref: o.refs[row][0], Label: r.Label}
			value, d := o.loss.Example(e, point)
			share := r.Weight / float64(len(rows))
			s.Loss += share * value
			dlogp[i] = [][]float64{repeat(share*d, len(logps))}
			seen.add(map[bool]int{false: 1}[r.Label], o.Config.Beta*(e.Logp-e.Ref), e.Logp)
			s.Tokens += len(logps)
		}
		pass.Backward(dlogp, grad)
		pass.Release()
	}
	seen.report(&s)
	return s, nil
}

// point returns what the replies of a batch are measured against.
func (o *unpaired) point(ctx context.Context, rows []int) (float64, error) {
	switch l := o.loss.(type) {
	case loss.KTO:
		examples, err := o.examples(ctx, o.mismatched(rows))
		return l.Point(examples), err
	case loss.BCO:
		examples, err := o.examples(ctx, o.trees(rows))
		rewards := make([]float64, len(examples))
		for i, e := range examples {
			rewards[i] = o.Config.Beta * (e.Logp - e.Ref)
		}
		return o.delta.Update(rewards), err
	}
	return 0, nil
}

// mismatched gives each prompt of a batch the reply that belongs to the one before it, the first that of the last.
func (o *unpaired) mismatched(rows []int) []lm.Tree {
	trees := o.trees(rows)
	last := trees[len(trees)-1].Branches
	for i := range trees {
		own := trees[i].Branches
		reply := last[0]
		if room := o.Config.MaxLength - len(trees[i].Prompt); len(reply) > room && room > 0 {
			reply = reply[:room]
		}
		trees[i].Branches = [][]int32{reply}
		last = own
	}
	return trees
}

// examples computes log-probs under policy and reference, without a gradient.
func (o *unpaired) examples(ctx context.Context, trees []lm.Tree) ([]loss.Example, error) {
	refs, err := o.ref.Logprobs(ctx, trees, o.Config.PassTokens, nil)
	if err != nil {
		return nil, err
	}
	examples := make([]loss.Example, len(trees))
	for _, g := range Groups(trees, o.Config.PassTokens) {
		pass, err := o.Model.Forward(o.adapter, trees[g.From:g.To], false)
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		for i := g.From; i < g.To; i++ {
			examples[i] = loss.Example{Logp: total(pass.Logprobs[i-g.From][0]), Ref: refs[i][0]}
		}
		pass.Release()
	}
	return examples, nil
}
