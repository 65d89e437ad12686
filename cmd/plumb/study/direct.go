package study

import (
	"context"
	"time"

	"plumb/offline/distill"
	"plumb/offline/evaluate"
	"plumb/offline/optim"
	"plumb/offline/pairs"
	"plumb/offline/rows"
	"plumb/offline/train"
	"plumb/rm"
)

// usualRows is about how many rows the settings' epochs are meant for.
const usualRows = 250

// fit trains an adapter on n rows as c says: in as many steps as on the usual number of rows, if they are fewer, since a step moves a
// model as far whatever it was made of.
func (b *bench) fit(c train.Config, n int, with func(train.Trainer) (*train.Result, error)) (arm, error) {
	a := arm{draws: 1}
	c.Seed = b.Seed
	if b.Feedback != "" && n < usualRows {
		c = c.WithDefaults()
		c.Epochs *= usualRows / float64(max(1, n))
		c.Schedule = optim.Linear // so many passes over a few rows need to settle
	}
	r, err := with(train.Trainer{Model: b.Model, Config: c, Anchors: b.anchors, Each: func(s train.Step) error {
		a.trained += s.Tokens
		b.step(s.Step, s.Steps)
		return nil
	}})
	if err != nil {
		return a, err
	}
	a.policy, a.rows = evaluate.Policy{Model: b.Model, Adapter: r.Adapter}, r.Rows
	return a, nil
}

// bestOfN has the reward model choose among draws of the base; nothing is trained but that.
func bestOfN(ctx context.Context, b *bench) (arm, error) {
	set, err := b.feedback(ctx, b.learnsFrom(compared))
	if err != nil {
		return arm{}, err
	}
	m, err := b.reward(ctx, b.learnsFrom(compared))
	return arm{draws: Candidates, judge: m, fit: m, rows: set.Len()}, err
}

// cloning imitates what people liked or showed: the better reply of each comparison, replies with a thumb up, demonstrations.
func cloning(ctx context.Context, b *bench) (arm, error) { return b.clone(ctx) }

// clone is [cloning], done once. Who uses it pays for it, whoever had it done.
func (b *bench) clone(ctx context.Context) (arm, error) {
	if b.imitated != nil {
		b.lent += b.imitated.seconds
		return *b.imitated, nil
	}
	begun := time.Now()
	set, err := b.feedback(ctx, b.learnsFrom(compared))
	if err != nil {
		return arm{}, err
	}
	replies, _ := b.encoder().Demonstrations(liked(set))
	a, err := b.fit(b.Settings.SFT, len(replies), func(t train.Trainer) (*train.Result, error) { return t.Imitate(ctx, replies) })
	if err != nil {
		return arm{}, err
	}
	a.seconds = time.Since(begun).Seconds()
	b.imitated = &a
	return a, nil
}

// liked returns what people liked or showed, as rows to imitate. A pair made of two thumbs says nothing new.
func liked(set pairs.Set) []rows.Demonstration {
	var all []rows.Demonstration
	for _, p := range set.Preferences {
		if p.Class != pairs.UpDown {
			r := p.Row()
			all = append(all, rows.Demonstration{Prompt: r.Prompt, Completion: r.Chosen, Weight: r.Weight})
		}
	}
	for _, u := range set.Unpaired {
		if u.Label {
			r := u.Row()
			all = append(all, rows.Demonstration{Prompt: r.Prompt, Completion: r.Completion, Weight: r.Weight})
		}
	}
	for _, w := range set.Demonstrations {
		all = append(all, w.Row())
	}
	return all
}

// dpo learns from the pairs.
func dpo(ctx context.Context, b *bench) (arm, error) {
	set, err := b.feedback(ctx, b.learnsFrom(compared))
	if err != nil {
		return arm{}, err
	}
	var all []rows.Preference
	for _, p := range set.Preferences {
		all = append(all, p.Row())
	}
	encoded, _ := b.encoder().Pairs(all)
	return b.fit(b.Settings.DPO, len(encoded), func(t train.Trainer) (*train.Result, error) { return t.Preferences(ctx, encoded) })
}

// kto learns from thumbs alone: as many votes, each of them a thumb on one reply.
func kto(ctx context.Context, b *bench) (arm, error) {
	set, err := b.feedback(ctx, b.learnsFrom(thumbed))
	if err != nil {
		return arm{}, err
	}
	var all []rows.Unpaired
	for _, u := range set.Unpaired {
		all = append(all, u.Row())
	}
	encoded, _ := b.encoder().Unpaired(all)
	return b.fit(b.Settings.KTO, len(encoded), func(t train.Trainer) (*train.Result, error) { return t.Replies(ctx, encoded) })
}

// pools are the candidates of the voted prompts, as the reward model of the comparisons sees them.
func (b *bench) pools(ctx context.Context) ([]distill.Pool, *rm.Model, error) {
	m, err := b.reward(ctx, b.learnsFrom(compared))
	if err != nil {
		return nil, nil, err
	}
	pools, _, err := distill.Reader{Judge: m, Caution: 1}.Pools(ctx, b.generations)
	return pools, m, err
}

// distilled imitates the reward model's choice among the candidates of each prompt.
func distilled(ctx context.Context, b *bench) (arm, error) {
	pools, m, err := b.pools(ctx)
	if err != nil {
		return arm{}, err
	}
	best, _ := b.Settings.Best.Rows(pools)
	replies, _ := b.encoder().Demonstrations(best)
	a, err := b.fit(b.Settings.Distill, usualRows, func(t train.Trainer) (*train.Result, error) { return t.Imitate(ctx, replies) })
	a.fit = m
	return a, err
}

// bonbon learns from the reward model's best against its worst candidate of each prompt.
func bonbon(ctx context.Context, b *bench) (arm, error) {
	pools, m, err := b.pools(ctx)
	if err != nil {
		return arm{}, err
	}
	all, n, _ := b.Settings.BoNBoN.Rows(pools)
	encoded, _ := b.encoder().Pairs(all)
	c := b.Settings.Pairs
	c.Method, c.Beta = b.Settings.BoNBoN.Method(max(2, n))
	a, err := b.fit(c, usualRows, func(t train.Trainer) (*train.Result, error) { return t.Preferences(ctx, encoded) })
	a.fit = m
	return a, err
}
