package study

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"plumb/cmd/plumb/people"
	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/offline/distill"
	"plumb/offline/evaluate"
	"plumb/offline/gate"
	"plumb/offline/rows"
	"plumb/offline/train"
	"plumb/rm"
	"plumb/sampler"
)

// observed is what a policy drew to the held-out prompts, and how far it went from the base.
type observed struct {
	prompts []answers
	kl      float64 // nats a token
	nll     float64 // nats a token of neutral text
	tokens  float64 // a reply
}

// answers are the replies to one prompt: each is 1 or 0, but for its words.
type answers struct {
	texts              []string
	taste, gold, words []float64
}

// observe draws replies to all held-out prompts, under the same seeds for every policy, and measures the policy.
func (b *bench) observe(ctx context.Context, p evaluate.Policy, name string) (*observed, error) {
	b.begin(1, name+": measuring")
	trees, drawn, err := b.ask(ctx, p, b.HeldOut, "held out", b.Draws)
	if err != nil {
		return nil, err
	}
	o := &observed{prompts: make([]answers, len(b.HeldOut))}
	if b.base == nil {
		b.ends = ended(drawn) >= .5
	}
	tokens := 0
	for i, prompt := range b.HeldOut {
		for _, r := range drawn[i] {
			whole := (r.Ended || !b.ends) && !gate.Repeats(r.Text)
			o.prompts[i].add(b.Taste.Holds(prompt, r.Text), whole, r.Text)
			tokens += len(r.IDs)
		}
		if p.Adapter != nil {
			kl, _, err := p.Divergence(evaluate.Policy{Model: b.Model}, trees[i])
			if err != nil {
				return nil, err
			}
			o.kl += kl
		}
	}
	o.kl /= float64(max(1, tokens))
	o.tokens = float64(tokens) / float64(len(b.HeldOut)*b.Draws)
	neutral, _ := b.encoder().Demonstrations(b.Neutral)
	o.nll, err = p.NLL(ctx, neutral, 1024)
	return o, err
}

// ask draws n replies to each prompt, some prompts at once: what is drawn does not depend on it. what names the seeds.
func (b *bench) ask(ctx context.Context, p evaluate.Policy, prompts []string, what string, n int) ([]lm.Tree, [][]evaluate.Reply, error) {
	trees, replies := make([]lm.Tree, len(prompts)), make([][]evaluate.Reply, len(prompts))
	var telling sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(kernel.Threads())
	for i, prompt := range prompts {
		group.Go(func() (err error) {
			if trees[i].Prompt, replies[i], err = p.Draw(ctx, said(prompt), b.seeds(what, i, n), b.settings()); err != nil {
				return err
			}
			for _, r := range replies[i] {
				trees[i].Branches = append(trees[i].Branches, r.IDs)
			}
			telling.Lock()
			defer telling.Unlock()
			done++
			b.step(done, len(prompts))
			return nil
		})
	}
	return trees, replies, group.Wait()
}

func (b *bench) encoder() train.Encoder { return train.Encoder{Model: b.Model} }

func (a *answers) add(liked, whole bool, text string) {
	one := map[bool]float64{true: 1}
	a.texts = append(a.texts, text)
	a.taste = append(a.taste, one[liked])
	a.gold = append(a.gold, one[liked && whole])
	a.words = append(a.words, float64(len(strings.Fields(text))))
}

// ended is the share of replies that ended by themselves.
func ended(drawn [][]evaluate.Reply) float64 {
	n, all := 0., 0.
	for _, replies := range drawn {
		for _, r := range replies {
			all++
			if r.Ended {
				n++
			}
		}
	}
	return n / max(1, all)
}

// report sums up an arm by what its policy drew. Where a judge chooses among draws, each figure is the expectation over all sets of so
// many draws.
func (b *bench) report(ctx context.Context, name string, a arm, o *observed) (Method, error) {
	m := Method{Method: name, Draws: a.draws, KL: o.kl, NLL: o.nll/b.base.nll - 1, Seconds: a.seconds, Rows: a.rows,
		DrawnTokens: a.drawn, TrainedTokens: a.trained, Note: a.note}
	var proxy *rm.Model // nil where nobody voted
	var err error
	if b.Feedback != Nothing {
		if proxy, err = b.reward(ctx, b.learnsFrom(compared)); err != nil {
			return m, err
		}
	}
	judge := proxy
	if a.judge != nil {
		judge = a.judge
	}
	if a.fit != nil {
		m.Reward = accuracy(a.fit)
	}
	n := float64(len(b.HeldOut))
	shares := make([]float64, len(b.HeldOut))
	for i, p := range o.prompts {
		by, err := score(ctx, judge, b.HeldOut[i], p.texts)
		if err != nil {
			return m, err
		}
		rewards := by
		if judge != proxy {
			if rewards, err = score(ctx, proxy, b.HeldOut[i], p.texts); err != nil {
				return m, err
			}
		}
		expect := func(values []float64) float64 { return sampler.ExpectedBest(by, values, a.draws) }
		shares[i] = expect(p.taste)
		m.Taste += shares[i] / n
		m.Gold += expect(p.gold) / n
		m.Proxy += expect(rewards) / n
		m.Length += expect(p.words) / n
	}
	m.Lo, m.Hi = people.Interval(shares, m.Taste)
	if a.draws > 1 {
		m.KL += sampler.BestOfNKLBound(a.draws) / o.tokens
	}
	if a.policy.Adapter == nil {
		return m, nil
	}
	m.Budget = b.Settings.KL
	if b.Rewrite != nil {
		shown, err := b.shown(ctx, a.policy)
		if err != nil {
			return m, err
		}
		m.Budget += shown
	}
	m.Saved, err = b.saved(ctx, proxy, o)
	return m, err
}

// shown is how far demonstrations themselves say to go: how much likelier, in nats a token, a policy finds those of the held-out
// prompts than the base does. The gate allows as much beside its limits.
func (b *bench) shown(ctx context.Context, p evaluate.Policy) (float64, error) {
	var all []rows.Demonstration
	for i, prompt := range b.HeldOut {
		all = append(all, rows.Demonstration{Prompt: rows.Text{Messages: said(prompt)}, Completion: rows.Plain(b.Rewrite(b.base.prompts[i].texts[0]))})
	}
	replies, _ := b.encoder().Demonstrations(all)
	before, err := evaluate.Policy{Model: b.Model}.NLL(ctx, replies, 1024)
	if err != nil {
		return 0, err
	}
	after, err := p.NLL(ctx, replies, 1024)
	return max(0, before-after), err
}

// accuracy is that of a reward model on votes it was not fitted on, of the kind it saw most of.
func accuracy(m *rm.Model) *float64 {
	metrics := m.Meta().Metrics
	for _, v := range []*float64{metrics.Accuracy, metrics.ListAccuracy, metrics.ThumbAccuracy} {
		if v != nil {
			return v
		}
	}
	return nil
}

// saved compares best-of-n of a policy with best-of-n of the base, under one judge, in gold.
func (b *bench) saved(ctx context.Context, judge *rm.Model, o *observed) (*distill.Saved, error) {
	draws := func(o *observed) ([]distill.Draws, error) {
		var all []distill.Draws
		for i, p := range o.prompts {
			rewards, err := score(ctx, judge, b.HeldOut[i], p.texts)
			if err != nil {
				return nil, err
			}
			all = append(all, distill.Draws{Rewards: rewards, Worth: p.gold})
		}
		return all, nil
	}
	before, err := draws(b.base)
	if err != nil {
		return nil, err
	}
	after, err := draws(o)
	if err != nil {
		return nil, err
	}
	s, err := distill.Compare(before, after, Candidates)
	return &s, err
}

// score returns the rewards of replies: 0 without a reward model.
func score(ctx context.Context, m *rm.Model, prompt string, replies []string) ([]float64, error) {
	if m == nil {
		return make([]float64, len(replies)), nil
	}
	scored, err := m.Score(ctx, said(prompt), replies)
	if err != nil {
		return nil, err
	}
	rewards := make([]float64, len(scored))
	for i, r := range scored {
		if rewards[i] = r.Reward; math.IsNaN(r.Reward) {
			return nil, fmt.Errorf("score replies: a reward is no number")
		}
	}
	return rewards, nil
}
