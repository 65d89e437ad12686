package irl

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"plumb/chat"
	"plumb/offline/pairs"
	"plumb/rm"
)

// learning is one call of [Learner.Learn] under way.
type learning struct {
	Learner
	reference source
	first     source // of the first round
	positive  source // of own positives; nil for the nearest candidates
	improve   func(ctx context.Context, reward Rewarder) (source, error)

	data    Data
	sources []source // one a round
	pools   []*pool
	of      []int // by demonstration: its pool
	own     []rm.Pair
	report  Report
}

// learn goes round.
func (s *learning) learn(ctx context.Context, d Data) (*rm.Model, error) {
	if len(d.Demonstrations) < 2 {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("learn reward: %d demonstrations, want at least 2; left out: %v", len(d.Demonstrations), s.report.Dropped)}
	}
	s.data = d
	s.gather()
	s.report.Demonstrations, s.report.Edits, s.report.Prompts, s.report.Own = len(d.Demonstrations), len(d.Edits), len(s.pools), "nearest"
	if s.positive != nil {
		s.report.Own = "sft"
	}
	var m *rm.Model
	next := s.first
	for round := range s.Rounds {
		s.sources = append(s.sources, next)
		if err := s.draw(ctx, round); err != nil {
			return nil, err
		}
		var err error
		if m, err = s.fit(ctx); err != nil {
			return nil, err
		}
		if err := s.measure(ctx, m); err != nil {
			return nil, err
		}
		if s.improve != nil {
			if next, err = s.improve(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	s.report.finish(m.Meta().Metrics, s.MaxTokens)
	return m, nil
}

// gather makes a pool for each prompt.
func (s *learning) gather() {
	byPrompt := map[string]int{}
	for _, d := range s.data.Demonstrations {
		key := pairs.PromptKey(d.Prompt)
		i, ok := byPrompt[key]
		if !ok {
			i = len(s.pools)
			byPrompt[key] = i
			s.pools = append(s.pools, &pool{prompt: d.Prompt})
		}
		s.of = append(s.of, i)
	}
}

// weighted tells whether candidates count unequally: not all are draws from the reference.
func (s *learning) weighted() bool {
	return slices.ContainsFunc(s.sources, func(q source) bool { return q != s.reference })
}

// draw draws the candidates of a round, and in the first one the own positives.
func (s *learning) draw(ctx context.Context, round int) error {
	all, cut := 0, 0
	for i, p := range s.pools {
		fresh, err := s.sources[round].draw(ctx, p.prompt, s.seeds(s.Candidates, "candidates", round, i))
		if err != nil {
			return err
		}
		p.add(fresh)
		if s.weighted() {
			if err := p.weigh(ctx, s.reference, s.sources); err != nil {
				return err
			}
		}
		if round == 0 && s.positive != nil {
			if err := s.drawPositives(ctx, i); err != nil {
				return err
			}
		}
		for _, c := range p.all {
			all++
			if c.cut {
				cut++
			}
		}
	}
	s.report.Cut = float64(cut) / float64(all)
	return nil
}

// drawPositives sets draws from the policy trained on the demonstrations beside as many from the base. All of one prompt weigh
// as much as one pair.
func (s *learning) drawPositives(ctx context.Context, i int) error {
	p := s.pools[i]
	negatives := p.all[:p.drawn[0]]
	positives, err := s.positive.draw(ctx, p.prompt, s.seeds(len(negatives), "own", 0, i))
	if err != nil {
		return err
	}
	for k, c := range positives {
		if c.text != negatives[k].text {
			s.own = append(s.own, rm.Pair{Prompt: p.prompt, Chosen: c.text, Rejected: negatives[k].text, Weight: 1 / float64(len(positives))})
		}
	}
	return nil
}

// fit fits the reward on everything so far.
func (s *learning) fit(ctx context.Context) (*rm.Model, error) {
	data := rm.Data{Pairs: s.data.Edits, Own: s.own, Demonstrations: slices.Clone(s.data.Demonstrations)}
	for i := range data.Demonstrations {
		d, p := &data.Demonstrations[i], s.pools[s.of[i]]
		d.Candidates, d.LogWeights = nil, nil
		for _, c := range p.all {
			d.Candidates = append(d.Candidates, c.text)
		}
		if s.weighted() {
			d.LogWeights = p.logWeights()
		}
	}
	if s.positive == nil {
		var err error
		if data.Own, err = rm.OwnPairs(ctx, s.Trainer.Features, data.Demonstrations); err != nil {
			return nil, err
		}
	}
	return s.Trainer.Fit(ctx, data)
}

// measure adds a round to the report.
func (s *learning) measure(ctx context.Context, m *rm.Model) error {
	metrics := m.Meta().Metrics
	r := Round{ListAccuracy: metrics.ListAccuracy, OwnAccuracy: metrics.OwnAccuracy, ESSMean: metrics.ESSMean, ESSLeast: metrics.ESSLeast, RM: m.Version()}
	own := make([]poolRewards, len(s.pools))
	for i, p := range s.pools {
		var err error
		if own[i], err = s.score(ctx, m, p); err != nil {
			return err
		}
		r.Candidates += len(p.all)
	}
	r.LogZ, r.LogZSE = meanLogZ(own)
	var gaps, fresh, gains []float64
	for i, d := range s.data.Demonstrations {
		rewards, err := m.Score(ctx, d.Prompt, []string{d.Reply})
		if err != nil {
			return fmt.Errorf("score demonstrations: %w", err)
		}
		o := own[s.of[i]]
		gaps, fresh = append(gaps, rewards[0].Reward-o.reference), append(fresh, rewards[0].Reward-o.fresh)
		gains = append(gains, rewards[0].Reward-o.logZ)
	}
	r.Gap, r.FreshGap, r.Gain = mean(gaps), mean(fresh), mean(gains)
	s.report.Rounds = append(s.report.Rounds, r)
	s.Trainer.Log("round %d: %d candidates, demonstrations lead the base by %.2f and the policy by %.2f, and gain %.2f nats; log Z %.3f ± %.3f",
		len(s.report.Rounds), r.Candidates, r.Gap, r.FreshGap, r.Gain, r.LogZ, r.LogZSE)
	return nil
}

// seedOf mixes what a stream of random numbers is for into a key.
func seedOf(seed int64, stream string, round, prompt int) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "irl %d %s %d %d", seed, stream, round, prompt))
}
