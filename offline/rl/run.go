package rl

import (
	"context"
	"fmt"
	"math"
	"slices"

	"plumb/chat"
	"plumb/offline/checkpoint"
	"plumb/offline/optim"
)

// run is a training under way. The state, and the slices that values returns, are all there is to it.
type run struct {
	Config
	actor         actor
	estimator     estimator
	prompts       []prompt
	reward, watch Rewarder // watch may be nil
	each          func(Step) error
	dir           string

	params, grad []float32
	adam         optim.AdamW
	head         *valueHead // nil without a critic
	kept         []float32  // parameters of the policy to be returned
	state
}

// state is the header of a checkpoint.
type state struct {
	Fingerprint string  `json:"fingerprint"`
	Step        int     `json:"step"`      // steps learned from
	Adam        int     `json:"adam"`      // steps Adam has made
	HeadAdam    int     `json:"head_adam"` // and that of the value head
	Scale       scale   `json:"scale"`     // zero until it is measured
	KLCoef      float64 `json:"kl_coef"`
	Watched     watched `json:"watched"`
	Best        Step    `json:"best"` // what was measured of kept
	Last        Step    `json:"last"`
	Stopped     string  `json:"stopped,omitempty"`
	Done        bool    `json:"done"`
}

func newRun(c Config, a actor, prompts []prompt) *run {
	r := &run{Config: c, actor: a, estimator: c.estimator(), prompts: prompts}
	values, grad, width := a.parameters()
	r.params, r.grad, r.kept = values, grad, slices.Clone(values)
	r.adam = optim.AdamW{Beta2: c.Beta2, M: make([]float32, len(values)), V: make([]float32, len(values))}
	if r.estimator.critic() {
		r.head = newValueHead(width)
	}
	r.KLCoef = max(0, c.Beta)
	return r
}

// train goes on until the run is done.
func (r *run) train(ctx context.Context) error {
	if err := r.resume(); err != nil {
		return err
	}
	if r.Scale == (scale{}) {
		batch, err := r.rollOut(ctx, -1, (r.Baseline+r.Group-1)/r.Group)
		if err != nil {
			return err
		}
		rewards, err := r.rate(ctx, r.reward, batch)
		if err != nil {
			return err
		}
		r.Scale = newScale(rewards, r.Group, r.Config)
	}
	for !r.Done {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step draws a batch, measures the policy on it, decides whether to keep the policy and whether to go on, and learns.
func (r *run) step(ctx context.Context) error {
	batch, err := r.rollOut(ctx, r.Step, r.Config.prompts())
	if err != nil {
		return err
	}
	s := Step{Step: r.Step, Steps: r.Steps, KLCoef: r.KLCoef}
	if err := r.measure(ctx, batch, &s); err != nil {
		return err
	}
	keep := r.judge(s)
	if keep {
		copy(r.kept, r.params)
	}
	if r.Done = r.Stopped != "" || r.Step == r.Steps; !r.Done {
		if err := r.learn(ctx, batch, &s); err != nil {
			return err
		}
		r.Step++
		r.KLCoef = control{r.KLTarget, r.KLGain}.next(r.KLCoef, s.KL)
	}
	if r.Last = s; keep {
		r.Best = s
	}
	if r.each != nil {
		if err := r.each(s); err != nil {
			return err
		}
	}
	return r.save()
}

// measure fills in what the rollouts say of the policy, and their scores and log-probs.
func (r *run) measure(ctx context.Context, batch []rollout, s *Step) error {
	rewards, err := r.rate(ctx, r.reward, batch)
	if err != nil {
		return err
	}
	if err := r.actor.reference(ctx, pointers(batch)); err != nil {
		return err
	}
	err = r.actor.forward(ctx, pointers(batch), false, func(o *rollout, logps []float64, states []float32) []float64 {
		o.old = logps
		if r.head != nil {
			o.values = r.head.values(states, len(logps))
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(len(batch))
	for i := range batch {
		o, w := &batch[i], rewards[i]
		o.score = r.Scale.score(w, o.ended, r.Config)
		s.Reward += w.Reward / n
		s.SD += w.SD / n
		s.OOD += w.OOD / n
		s.Score += o.score / n
		s.KL += o.kl() / n
		s.Tokens += len(o.tokens)
		if o.ended {
			s.Ended += 1 / n
		}
		for _, logp := range o.old {
			s.Entropy -= logp
		}
	}
	s.Entropy /= float64(s.Tokens)
	s.Length = float64(s.Tokens) / n
	if !finite(s.KL) || !finite(s.Entropy) {
		return fmt.Errorf("train by reward: after %d steps the KL is %v and the entropy %v; a smaller lr may help", s.Step, s.KL, s.Entropy)
	}
	return r.observe(ctx, batch, s)
}

// observe has the watcher score the batch.
func (r *run) observe(ctx context.Context, batch []rollout, s *Step) error {
	if r.watch == nil {
		return nil
	}
	rewards, err := r.rate(ctx, r.watch, batch)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	values := make([]float64, len(rewards))
	for i, w := range rewards {
		values[i] = w.Reward
	}
	mean, variance := overPrompts(values, r.Group)
	se := math.Sqrt(variance)
	s.RewardWatch, s.RewardWatchSE = &mean, &se
	return nil
}

// judge says whether a policy is worth keeping in place of the one kept, and sets Stopped where the run must end.
func (r *run) judge(s Step) (keep bool) {
	if r.KLBudget > 0 && s.KL > r.KLBudget {
		r.Stopped = fmt.Sprintf("kl: the policy is %.2f nats a reply from the reference after %d steps; %v are allowed", s.KL, s.Step, r.KLBudget)
		return false
	}
	if s.RewardWatch == nil {
		return true
	}
	g := guard{r.WatchWindow, r.WatchErrors}
	keep, fallen := g.see(&r.Watched, sight{*s.RewardWatch, *s.RewardWatchSE * *s.RewardWatchSE, s.Score})
	if fallen > 0 {
		r.Stopped = fmt.Sprintf("watch: over %d steps up to %d the watched reward is %.1f standard errors below its best, and the reward above what it was then",
			r.WatchWindow, s.Step, fallen)
	}
	return keep
}

// values are what a checkpoint holds beside the state.
func (r *run) values() [][]float32 {
	all := [][]float32{r.params, r.adam.M, r.adam.V, r.kept}
	if r.head != nil {
		all = append(all, r.head.weights, r.head.adam.M, r.head.adam.V)
	}
	return all
}

// resume goes on from the checkpoint if there is one.
func (r *run) resume() error {
	if r.dir == "" {
		return nil
	}
	var s state
	ok, err := checkpoint.Load(r.dir, r.Fingerprint, &s, r.values()...)
	if err != nil || !ok {
		return err
	}
	if s.Step < 0 || s.Step > r.Steps || s.Adam < 0 || s.HeadAdam < 0 {
		return &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("load checkpoint %s: damaged: step %d of %d; remove it to begin anew", checkpoint.Path(r.dir), s.Step, r.Steps)}
	}
	r.state = s
	r.adam.T = s.Adam
	if r.head != nil {
		r.head.adam.T = s.HeadAdam
	}
	return nil
}

func (r *run) save() error {
	if r.dir == "" {
		return nil
	}
	s := r.state
	if s.Adam = r.adam.T; r.head != nil {
		s.HeadAdam = r.head.adam.T
	}
	return checkpoint.Save(r.dir, s, r.values()...)
}
