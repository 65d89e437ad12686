package study

import (
	"context"
	"math"
	"math/rand/v2"

	"plumb/chat"
	"plumb/sampler"
)

// bestOfN measures the curve of choosing among n: without guards the highest reward; with them what "auto" serves, which takes doubt
// off the reward and holds the density ratio to what so few votes carry.
func (o *Overopt) bestOfN(ctx context.Context, s *steering) (OveroptCurve, error) {
	c := OveroptCurve{Sampler: "bon", Guard: guardName(s.guarded)}
	for _, n := range o.N {
		var proxy, gold, kl []float64
		for i, p := range o.pools {
			chosen, err := o.choose(ctx, s, p, n, int64(i))
			if err != nil {
				return c, err
			}
			proxy, gold, kl = append(proxy, chosen.Proxy), append(gold, chosen.Gold), append(kl, chosen.KL)
		}
		c.Points = append(c.Points, pointOf(n, kl, proxy, gold))
		o.Progress("best-of-n, guard "+c.Guard, len(c.Points), len(o.N))
	}
	return c, nil
}

// choose returns what is expected of the reply chosen from n of a pool.
func (o *Overopt) choose(ctx context.Context, s *steering, p pool, n int, stream int64) (OveroptPoint, error) {
	rewards, err := s.model.Score(ctx, p.messages(), texts(p.replies))
	if err != nil {
		return OveroptPoint{}, err
	}
	u := s.units[p.question]
	if s.guarded {
		return o.chooseAuto(ctx, s, p, rewards, n, stream)
	}
	z, kl := make([]float64, len(rewards)), make([]float64, len(rewards))
	for i, r := range rewards {
		z[i], kl[i] = u.of(r.Reward), sampler.BestOfNKLEstimate(math.Min(0, p.replies[i].logprob), n)
	}
	return OveroptPoint{KL: sampler.ExpectedBest(z, kl, n), Proxy: sampler.ExpectedBest(z, z, n), Gold: sampler.ExpectedBest(z, p.gold, n)}, nil
}

// chooseAuto is the mean over random subsets, each answered by the sampler that serves, over the probabilities of its choice.
func (o *Overopt) chooseAuto(ctx context.Context, s *steering, p pool, rewards []chat.Reward, n int, stream int64) (OveroptPoint, error) {
	random := rand.New(rand.NewPCG(uint64(mixed(o.Seed, 3, stream)), uint64(n)))
	u, share := s.units[p.question], 1/float64(o.Budget.Subsets)
	var point OveroptPoint
	for k := range o.Budget.Subsets {
		some := subset{p, rewards, random.Perm(len(p.replies))[:n]}
		auto := sampler.Sampler{Generator: some, Scorer: some, Pairs: s.model.Evidence(), Slots: n, MaxN: n}
		result, err := auto.Sample(ctx, sampler.Request{Model: "pool", Messages: p.messages(), Method: sampler.Auto, N: n, Seed: int64(k)})
		if err != nil {
			return point, err
		}
		point.KL += share * *result.KLBound
		for i, c := range result.Candidates {
			at := some.of[i]
			point.Proxy += share * c.Propensity * u.of(rewards[at].Reward)
			point.Gold += share * c.Propensity * p.gold[at]
		}
	}
	return point, nil
}

// subset is a generator that "draws" some of a pool's replies, in order, and a scorer that knows their rewards.
type subset struct {
	pool    pool
	rewards []chat.Reward // of the whole pool
	of      []int
}

func (s subset) Continue(_ context.Context, d chat.Draw, each func(chat.Piece)) error {
	for i := range d.Prefixes {
		each(chat.Piece{Index: i, Done: &chat.Completion{Text: s.pool.replies[s.of[i]].text, Finish: chat.FinishStop}})
	}
	return nil
}

func (s subset) Abilities(context.Context, string) (chat.Abilities, error) {
	return chat.Abilities{Slots: len(s.of)}, nil
}

func (s subset) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	known := map[string]chat.Reward{}
	for _, at := range s.of {
		known[s.pool.replies[at].text] = s.rewards[at]
	}
	out := make([]chat.Reward, len(replies))
	for i, r := range replies {
		out[i] = known[r]
	}
	return out, nil
}
