package train

import (
	"context"
	"fmt"

	"plumb/lm"
	"plumb/offline/loss"
)

// Preferences trains on pairs, with a method of kind Preference.
func (t Trainer) Preferences(ctx context.Context, pairs []Pair) (*Result, error) {
	r, err := t.start(Preference)
	if err != nil {
		return nil, err
	}
	l, err := loss.Parse(r.Config.Method, r.Config.options())
	if err != nil {
		return nil, err
	}
	return r.loop(ctx, &preferences{run: r, pairs: pairs, loss: l})
}

// ReferencePairs computes what Preferences needs of the reference, so that it is in the cache.
func (t Trainer) ReferencePairs(ctx context.Context, pairs []Pair) error {
	r, err := t.start(Preference)
	if err != nil {
		return err
	}
	l, err := loss.Parse(r.Config.Method, r.Config.options())
	if err != nil {
		return err
	}
	return (&preferences{run: r, pairs: pairs, loss: l}).begin(ctx)
}

// preferences is the mean loss over pairs.
type preferences struct {
	*run
	pairs []Pair
	loss  loss.Pairwise
	refs  [][]float64 // log-probs of chosen and rejected under the reference
}

func (o *preferences) rows() (int, string, int) {
	return len(o.pairs), rowsHash(o.pairs, func(p Pair) ([]int32, [][]int32, float64, bool) {
		return p.Prompt, [][]int32{p.Chosen, p.Rejected}, p.Weight, true
	}), 1
}

func (o *preferences) begin(ctx context.Context) (err error) {
	o.refs = make([][]float64, len(o.pairs))
	if !o.loss.Reference() {
		for i := range o.refs {
			o.refs[i] = make([]float64, 2)
		}
		return nil
	}
	o.refs, err = o.ref.Logprobs(ctx, o.trees(all(len(o.pairs))), o.Config.PassTokens, o.Referenced)
	return err
}

func (o *preferences) trees(rows []int) []lm.Tree {
	trees := make([]lm.Tree, len(rows))
	for i, row := range rows {
		p := o.pairs[row]
		trees[i] = lm.Tree{Prompt: p.Prompt, Branches: [][]int32{p.Chosen, p.Rejected}}
	}
	return trees
}

func (o *preferences) batch(_ context.Context, rows []int, grad *lm.Params) (Step, error) {
	var s Step
	var seen sides
	var right mean
	trees := o.trees(rows)
	for _, g := range Groups(trees, o.Config.PassTokens) {
		pass, err := o.Model.Forward(o.adapter, trees[g.From:g.To], true)
		if err != nil {
			return s, fmt.Errorf("train: %w", err)
		}
		dlogp := make([][][]float64, g.To-g.From)
		for i, row := range rows[g.From:g.To] {
			logps, refs := pass.Logprobs[i], o.refs[row]
			p := loss.Pair{Chosen: total(logps[0]), Rejected: total(logps[1]), RefChosen: refs[0], RefRejected: refs[1],
				NChosen: len(logps[0]), NRejected: len(logps[1])}
			value, dchosen, drejected := o.loss.Pair(p)
			share := o.pairs[row].Weight / float64(len(rows))
			s.Loss += share * value
			dlogp[i] = [][]float64{repeat(share*dchosen, p.NChosen), repeat(share*drejected, p.NRejected)}
			chosen, rejected := loss.Rewards(o.Config.Beta, p)
			seen.add(0, chosen, p.Chosen)
			seen.add(1, rejected, p.Rejected)
			right.add(map[bool]float64{true: 1}[chosen > rejected])
			s.Tokens += p.NChosen + p.NRejected
		}
		pass.Backward(dlogp, grad)
		pass.Release()
	}
	seen.report(&s)
	s.Accuracies = right.get()
	return s, nil
}

// repeat returns n times x: the partial of a sum in each of its terms.
func repeat(x float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = x
	}
	return all
}
