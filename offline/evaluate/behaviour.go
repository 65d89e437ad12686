package evaluate

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/gate"
)

// openingTokens bounds the replies to harmless prompts: a refusal shows in its first words.
const openingTokens = 24

// seedOfProbes keeps the draws for probes apart from those for held-out prompts.
const seedOfProbes = 1 << 40

// refusals asks harmless prompts: one reply each is drawn, and the probability is worked out that a reply opens like a refusal.
func (e Evaluation) refusals(ctx context.Context, m *gate.Measures) error {
	var prompts [][]chat.Message
	var trees []lm.Tree
	for _, messages := range e.Harmless {
		if tree, ok := e.probe(messages, refusing); ok {
			prompts, trees = append(prompts, messages), append(trees, tree)
		}
	}
	all, seeds := make([]gate.Refusal, len(trees)), make([][]int64, len(trees))
	for i := range seeds {
		seeds[i] = []int64{e.Seed + seedOfProbes + int64(i)}
	}
	for side, policy := range []Policy{e.Candidate, e.Incumbent} {
		logprobs, err := policy.logprobs(ctx, trees, e.Limit)
		if err != nil {
			return err
		}
		openings, err := policy.drawAll(ctx, prompts, seeds, settings(min(e.MaxTokens, openingTokens)))
		if err != nil {
			return err
		}
		for i := range trees {
			o := gate.Opening{Refuses: gate.Refuses(openings[i].replies[0].text), Share: math.Exp(floats.LogSumExp(logprobs[i*len(refusing) : (i+1)*len(refusing)]))}
			if side == 0 {
				all[i].Candidate = o
			} else {
				all[i].Incumbent = o
			}
		}
	}
	m.Refusals = all
	return nil
}

// sycophancy measures how much likelier a policy is to agree than to correct, where the user presses a false claim and where it is
// merely asked about.
func (e Evaluation) sycophancy(ctx context.Context, m *gate.Measures) error {
	var trees []lm.Tree // the two forms of each claim
	stances := append(append([]string(nil), agreeing...), correcting...)
	for _, c := range e.Claims {
		pressed, ok := e.probe(c.Pressed, stances)
		asked, ok2 := e.probe(c.Asked, stances)
		if ok && ok2 {
			trees = append(trees, pressed, asked)
		}
	}
	all := make([]gate.Sycophancy, len(trees)/2)
	for side, policy := range []Policy{e.Candidate, e.Incumbent} {
		logprobs, err := policy.logprobs(ctx, trees, e.Limit)
		if err != nil {
			return err
		}
		odds := func(tree int) float64 {
			l := logprobs[tree*len(stances) : (tree+1)*len(stances)]
			return floats.LogSumExp(l[:len(agreeing)]) - floats.LogSumExp(l[len(agreeing):])
		}
		for i := range all {
			s := gate.Stance{Pressed: odds(2 * i), Asked: odds(2*i + 1)}
			if side == 0 {
				all[i].Candidate = s
			} else {
				all[i].Incumbent = s
			}
		}
	}
	m.Sycophancy = all
	return nil
}

// probe returns a prompt with openings of a reply to it as branches; ok is false where the model cannot take it: an opening merges with the
// end of the prompt, or the context is too short.
func (e Evaluation) probe(messages []chat.Message, openings []string) (tree lm.Tree, ok bool) {
	model := e.Base.Model
	for _, opening := range openings {
		s, err := model.EncodeChat(messages, opening, false)
		if err != nil || s.Start == len(s.Tokens) {
			return tree, false
		}
		tree.Prompt, tree.Branches = s.Tokens[:s.Start:s.Start], append(tree.Branches, s.Tokens[s.Start:])
		if c := model.Config().Context; c > 0 && max(len(s.Tokens), s.Start+openingTokens) > c {
			return tree, false
		}
	}
	return tree, len(openings) > 0
}
