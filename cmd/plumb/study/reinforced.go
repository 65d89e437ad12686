package study

import (
	"context"
	"math"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
	"plumb/offline/rl"
	"plumb/rm"
)

// reinforce trains by reward on the voted prompts, from start, or from the base where that is nil.
func (b *bench) reinforce(ctx context.Context, c rl.Config, reward *rm.Model, start *lm.Adapter) (arm, error) {
	a := arm{draws: 1, fit: reward}
	c.Seed, c.MaxTokens = b.Seed, b.MaxTokens
	epochs := c.WithDefaults().Epochs
	var prompts [][]chat.Message
	for _, p := range b.Voted {
		prompts = append(prompts, said(p))
	}
	r, err := rl.Trainer{Model: b.Model, Config: c, Start: start, Reward: reward, Each: func(s rl.Step) error {
		a.drawn += s.Tokens
		if s.Updates > 0 {
			a.trained += s.Tokens * epochs
		}
		b.step(s.Step, s.Steps)
		return nil
	}}.Train(ctx, prompts)
	if err != nil {
		return a, err
	}
	a.policy, a.note = evaluate.Policy{Model: b.Model, Adapter: r.Adapter}, r.Stopped
	return a, nil
}

// rlhf is the three steps of Ouyang et al. 2022: imitation where it helps, a reward model, PPO.
func rlhf(ctx context.Context, b *bench) (arm, error) {
	m, err := b.reward(ctx, b.learnsFrom(compared))
	if err != nil {
		return arm{}, err
	}
	start, trained, err := b.head(ctx, m)
	if err != nil {
		return arm{}, err
	}
	a, err := b.reinforce(ctx, b.Settings.PPO, m, start)
	a.rows, a.trained = b.sets[b.learnsFrom(compared)].rows.Len(), a.trained+trained
	if start != nil && a.note == "" {
		a.note = "from SFT"
	}
	return a, err
}

// head returns the imitation of liked replies if the reward model likes its replies to voted prompts better than the base's own, by more
// than two standard errors: then the base had not learned yet what is wanted. Otherwise nil, and PPO begins with the base.
func (b *bench) head(ctx context.Context, m *rm.Model) (start *lm.Adapter, trained int, err error) {
	b.preparing = true
	defer func() { b.preparing = false }()
	imitated, err := b.clone(ctx)
	if err != nil {
		return nil, 0, err
	}
	few := b.Voted[:min(len(b.Voted), 32)]
	_, drawn, err := b.ask(ctx, imitated.policy, few, "head start", 2)
	if err != nil {
		return nil, 0, err
	}
	var gain, square float64
	n := float64(len(few))
	for i, prompt := range few {
		var own, old []string
		for _, r := range drawn[i] {
			own = append(own, r.Text)
		}
		for _, c := range b.generations[i].Candidates {
			old = append(old, c.Text)
		}
		after, err := score(ctx, m, prompt, own)
		if err != nil {
			return nil, 0, err
		}
		before, err := score(ctx, m, prompt, old)
		if err != nil {
			return nil, 0, err
		}
		d := meanOf(after) - meanOf(before)
		gain, square = gain+d, square+d*d
	}
	gain /= n
	if se := math.Sqrt(math.Max(0, square/n-gain*gain) / n); gain > 2*se {
		return imitated.policy.Adapter, imitated.trained, nil
	}
	return nil, 0, nil
}

func meanOf(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += v
	}
	return sum / float64(max(1, len(x)))
}

// reinforced is RL from the base against the reward model of the comparisons, by the algorithm of c.
func reinforced(of func(Settings) rl.Config) func(context.Context, *bench) (arm, error) {
	return func(ctx context.Context, b *bench) (arm, error) {
		m, err := b.reward(ctx, b.learnsFrom(compared))
		if err != nil {
			return arm{}, err
		}
		a, err := b.reinforce(ctx, of(b.Settings), m, nil)
		a.rows = b.sets[b.learnsFrom(compared)].rows.Len()
		return a, err
	}
}

// inverse has a reward inferred from demonstrations choose among draws of the base.
func inverse(ctx context.Context, b *bench) (arm, error) {
	m, err := b.reward(ctx, b.learnsFrom(wished))
	if err != nil {
		return arm{}, err
	}
	g := b.sets[b.learnsFrom(wished)]
	return arm{draws: Candidates, judge: m, fit: m, rows: g.rows.Len(), drawn: g.drawn}, nil
}

// inverseReinforced has PPO maximise a reward inferred from demonstrations.
func inverseReinforced(ctx context.Context, b *bench) (arm, error) {
	m, err := b.reward(ctx, b.learnsFrom(wished))
	if err != nil {
		return arm{}, err
	}
	a, err := b.reinforce(ctx, b.Settings.PPO, m, nil)
	g := b.sets[b.learnsFrom(wished)]
	a.rows, a.drawn = g.rows.Len(), a.drawn+g.drawn
	return a, err
}
