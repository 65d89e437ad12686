package evaluate

import (
	"context"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/train"
)

// Reply is a reply that a policy drew.
type Reply struct {
	Text  string
	IDs   []int32 // the ending token included
	Ended bool    // by itself, not at the token limit
}

// Draw draws a reply to the prompt for each seed, and returns the prompt's tokens beside them. The same seed gives the same reply,
// whatever else is drawn.
func (p Policy) Draw(ctx context.Context, messages []chat.Message, seeds []int64, s lm.Settings) (prompt []int32, replies []Reply, err error) {
	prompt, all, err := p.draw(ctx, messages, seeds, s)
	for _, d := range all {
		replies = append(replies, Reply{d.text, d.ids, d.ended})
	}
	return prompt, replies, err
}

// Divergence returns Σ KL(p ‖ from) in nats over the tokens of a tree's branches, exact over the vocabulary, and how many tokens they
// are. On replies that p drew the mean over them estimates the divergence of the policies.
func (p Policy) Divergence(from Policy, t lm.Tree) (kl float64, tokens int, err error) {
	tokens, sums, err := Evaluation{Candidate: p, Base: from, IncumbentIsBase: true}.divergence(t)
	return sums[1], tokens, err
}

// NLL returns the mean negative log-likelihood of a token of the replies, in nats; 0 of nothing. It computes limit tokens or one reply at
// a time.
func (p Policy) NLL(ctx context.Context, replies []train.Reply, limit int) (float64, error) {
	sums, err := p.logprobs(ctx, single(replies), limit)
	nll, tokens := 0., 0
	for i, sum := range sums {
		nll -= sum
		tokens += len(replies[i].Completion)
	}
	return nll / float64(max(1, tokens)), err
}
