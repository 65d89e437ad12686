package rl

import "context"

// actor is a policy as the loop sees it: what can be drawn from, gives the log-prob of what was drawn, and is moved by a gradient.
// Prompts are numbers, whose meaning the actor knows.
type actor interface {
	// draw draws replies: for each prompt one reply a seed. The same prompt, seed and parameters give the same reply.
	draw(ctx context.Context, prompts []int, seeds [][]int64) ([][]reply, error)
	// forward computes the log-probs of replies under the policy and hands them to visit, reply by reply, with what the policy knew
	// before each token: width values a token, valid during the call. With learn set, visit returns the partials of a loss in the
	// log-probs, and their gradient is added to that of the parameters.
	forward(ctx context.Context, batch []*rollout, learn bool, visit func(r *rollout, logps []float64, states []float32) []float64) error
	// reference sets the log-probs of replies under the policy at the start.
	reference(ctx context.Context, batch []*rollout) error
	// parameters returns what is trained and its gradient, both to be changed in place, and the width of a state.
	parameters() (values, grad []float32, width int)
}

// reply is what a policy drew.
type reply struct {
	tokens []int32 // the ending token included
	text   string
	ended  bool // by itself, not at the limit
}

// rollout is a reply to a prompt, with what is known of it. The slices have one value a token.
type rollout struct {
	reply
	prompt int

	score      float64   // what is maximised, in the unit of scale.go, without KL
	old        []float64 // log-probs under the policy that drew it
	ref        []float64 // and under the reference
	values     []float64 // what the value head expected from each token on; nil without one
	advantages []float64
	returns    []float64 // what the values should have been; nil without a value head
}

// kl returns Σ log π/π_ref: over replies of π an estimate of their KL without bias.
func (r *rollout) kl() float64 {
	sum := 0.
	for t, logp := range r.old {
		sum += logp - r.ref[t]
	}
	return sum
}

// pointers returns the addresses of the elements.
func pointers(batch []rollout) []*rollout {
	all := make([]*rollout, len(batch))
	for i := range batch {
		all[i] = &batch[i]
	}
	return all
}
