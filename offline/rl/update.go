package rl

import (
	"context"
	"fmt"
	"math/rand/v2"

	"plumb/offline/loss"
	"plumb/offline/optim"
)

// learn makes advantages of the scores, and passes over the batch in minibatches of whole groups, each an update. It ends early once
// the policy has moved StepKL from the one that drew the batch: from there on the replies say little of the policy.
func (r *run) learn(ctx context.Context, batch []rollout, s *Step) error {
	r.estimator.estimate(batch, r.Group, r.betaIn(InReward))
	if r.head != nil {
		var values, returns []float64
		for i := range batch {
			values, returns = append(values, batch[i].values...), append(returns, batch[i].returns...)
		}
		explained := loss.ExplainedVariance(values, returns)
		s.Explained = &explained
	}
	s.LR = r.schedule().At(r.Step)
	var sum figures
	for epoch := range r.Epochs {
		for _, part := range r.minibatches(batch, epoch) {
			f, err := r.gradient(ctx, part)
			if err != nil {
				return err
			}
			sum.add(f)
			if r.StepKL > 0 && f.moved > r.StepKL {
				sum.report(s, r.head != nil)
				return nil
			}
			norm := optim.Clip(r.grad, max(0, r.Clip))
			if !finite(norm) || !finite(f.loss) || !finite(f.valueLoss) {
				return fmt.Errorf("train by reward: step %d has loss %v, value loss %v and gradient norm %v; a smaller lr may help",
					s.Step, f.loss, f.valueLoss, norm)
			}
			r.adam.Step(r.params, r.grad, s.LR)
			if r.head != nil {
				r.head.step(r.ValueLR)
			}
			sum.norm += norm
			s.Updates++
		}
	}
	sum.report(s, r.head != nil)
	return nil
}

// betaIn returns the KL coefficient if the KL stands in that place, else 0.
func (r *run) betaIn(place string) float64 {
	if r.Config.KL == place {
		return r.KLCoef
	}
	return 0
}

// minibatches deals the groups of a batch out, in an order that hangs on the seed, the step and the epoch.
func (r *run) minibatches(batch []rollout, epoch int) [][]*rollout {
	n := r.Config.prompts()
	order := rand.New(rand.NewPCG(uint64(r.Seed), shuffleStream+uint64(r.Step)<<12+uint64(epoch))).Perm(n)
	parts := make([][]*rollout, r.Minibatches)
	for k, group := range order {
		part := &parts[k*r.Minibatches/n]
		*part = append(*part, pointers(batch[group*r.Group:(group+1)*r.Group])...)
	}
	return parts
}

// gradient computes the gradients of policy and value head over a minibatch: of the mean over its tokens.
func (r *run) gradient(ctx context.Context, part []*rollout) (f figures, err error) {
	clear(r.grad)
	if r.head != nil {
		clear(r.head.grad)
	}
	tokens := 0
	for _, o := range part {
		tokens += len(o.tokens)
	}
	share := 1 / float64(tokens)
	err = r.actor.forward(ctx, part, true, func(o *rollout, logps []float64, states []float32) []float64 {
		r.criticise(o, states, share, &f)
		_, moved := loss.ApproxKL(logps, o.old)
		f.moved += moved * float64(len(logps)) / float64(len(part))
		return r.blame(o, logps, share, &f)
	})
	f.n = 1
	return f, err
}

// blame returns the partials of the policy's loss in the log-probs of a reply, each token counting share.
func (r *run) blame(o *rollout, logps []float64, share float64, f *figures) []float64 {
	clipped, beta := loss.Clipped{Range: r.ClipRatio}, r.betaIn(InLoss)
	dlogps := make([]float64, len(logps))
	for t, logp := range logps {
		value, d, held := clipped.Token(logp, o.old[t], o.advantages[t])
		if held {
			f.clipped += share
		}
		if beta > 0 {
			kl, dkl := loss.ReverseKL(logp, o.old[t], o.ref[t])
			value, d = value+beta*kl, d+beta*dkl
		}
		f.loss += share * value
		dlogps[t] = share * d
	}
	return dlogps
}

// criticise adds the gradient of the value head on a reply.
func (r *run) criticise(o *rollout, states []float32, share float64, f *figures) {
	if r.head == nil {
		return
	}
	clipped := loss.ClippedValue{Range: r.ValueRange}
	values := r.head.values(states, len(o.tokens))
	for t, v := range values {
		value, d := clipped.Token(v, o.values[t], o.returns[t])
		f.valueLoss += share * value
		values[t] = share * d
	}
	r.head.backward(states, values)
}

// figures are what minibatches measured: of one, or sums over n.
type figures struct{ n, loss, valueLoss, clipped, moved, norm float64 }

func (f *figures) add(g figures) {
	f.n += g.n
	f.loss += g.loss
	f.valueLoss += g.valueLoss
	f.clipped += g.clipped
	f.moved = g.moved // the last counts
}

func (f figures) report(s *Step, critic bool) {
	mean, clipped, moved := f.loss/f.n, f.clipped/f.n, f.moved
	s.Loss, s.ClipFraction, s.StepKL = &mean, &clipped, &moved
	if s.Updates > 0 {
		norm := f.norm / float64(s.Updates)
		s.GradNorm = &norm
	}
	if critic {
		value := f.valueLoss / f.n
		s.ValueLoss = &value
	}
}
