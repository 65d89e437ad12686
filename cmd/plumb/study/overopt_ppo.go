package study

import (
	"context"
	"fmt"
	"math"

	"plumb/chat"
	"plumb/cmd/plumb/people"
	"plumb/offline/rl"
	"plumb/rm"
)

// ppo trains the base by PPO and measures every step on the replies that were drawn for it: they are fresh, and nothing has been
// learned from them yet. Then the gate is asked about the model. The curve ends at the policy that the training returns.
//
// Without guards nothing but the reward counts. With them the reward model's doubt is taken off, the KL to the base costs and has a
// budget, and a second reward model, of other people's votes, watches.
func (o *Overopt) ppo(ctx context.Context, s *steering) (OveroptCurve, OveroptVerdict, error) {
	c := OveroptCurve{Sampler: "ppo", Guard: guardName(s.guarded)}
	listener := &listener{model: s.model, gold: o.gold}
	trainer := rl.Trainer{Model: o.Base, Config: o.ppoConfig(s.guarded), Reward: listener}
	if s.guarded {
		second, err := rm.Trainer{Seed: o.Seed + 2}.Fit(ctx, rewardData(o.votes[1]))
		if err != nil {
			return c, OveroptVerdict{}, fmt.Errorf("fit second reward model: %w", err)
		}
		trainer.Watch = second
	}
	trainer.Each = func(step rl.Step) error {
		proxy, gold := listener.take()
		point := pointOf(step.Step, []float64{math.Max(0, step.KL)}, proxy, gold)
		c.Points = append(c.Points, point)
		o.Progress("ppo, guard "+c.Guard, step.Step, step.Steps)
		return nil
	}
	var prompts [][]chat.Message
	questions, _ := people.Prompts(uint64(o.Seed), o.Budget.Prompts, 0)
	for _, q := range questions {
		prompts = append(prompts, ask(q))
	}
	result, err := trainer.Train(ctx, prompts)
	if err != nil {
		return c, OveroptVerdict{}, err
	}
	u := unit{result.RewardMean, math.Max(leastSD, result.RewardSD)}
	for i := range c.Points {
		c.Points[i].Proxy = u.of(c.Points[i].Proxy)
	}
	// What a guard throws away does not answer anybody.
	c.Points, c.stopped = c.Points[:result.Best.Step+1], result.Stopped
	verdict, err := o.judged(ctx, result.Adapter, s)
	return c, verdict, err
}

// rolloutGroup is how many replies of a step answer one question.
const rolloutGroup = 4

func (o *Overopt) ppoConfig(guarded bool) rl.Config {
	c := rl.Config{Algorithm: rl.AlgorithmPPO, Steps: o.Budget.Steps, Batch: o.Budget.Rollouts, Group: rolloutGroup, MaxTokens: mostTokens,
		Minibatches: min(4, o.Budget.Rollouts/rolloutGroup), LR: 3e-3, Baseline: 4 * o.Budget.Rollouts, PassTokens: 4096, Seed: o.Seed}
	if !guarded {
		c.Conservatism, c.RewardClip, c.EndPenalty, c.Beta, c.KLTarget, c.KLBudget, c.StepKL = -1, -1, -1, -1, -1, -1, -1
	}
	return c
}

// listener is a reward model that also has every reply it scores graded by people. A training calls it from one place.
type listener struct {
	model *rm.Model
	gold  Gold

	rewards, grades []float64 // since the last take
}

// Score implements [rl.Rewarder].
func (l *listener) Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	rewards, err := l.model.Score(ctx, prompt, replies)
	if err != nil {
		return nil, err
	}
	question := prompt[len(prompt)-1].Content
	for i, r := range rewards {
		l.rewards, l.grades = append(l.rewards, r.Reward), append(l.grades, l.gold.Of(question, replies[i]))
	}
	return rewards, nil
}

// Version names the model behind.
func (l *listener) Version() string { return l.model.Version() }

// take returns what was scored since the last time.
func (l *listener) take() (rewards, grades []float64) {
	rewards, grades = l.rewards, l.grades
	l.rewards, l.grades = nil, nil
	return rewards, grades
}
