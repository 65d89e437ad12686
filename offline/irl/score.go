package irl

import (
	"context"
	"fmt"
	"math"
)

// poolRewards is what a reward says of the candidates to one prompt.
type poolRewards struct {
	reference float64 // mean under the reference
	fresh     float64 // mean over those drawn last
	logZ, se  float64
}

func (s *learning) score(ctx context.Context, reward Rewarder, p *pool) (poolRewards, error) {
	texts := make([]string, len(p.all))
	for j, c := range p.all {
		texts[j] = c.text
	}
	scored, err := reward.Score(ctx, p.prompt, texts)
	if err != nil {
		return poolRewards{}, fmt.Errorf("score candidates: %w", err)
	}
	rewards, weights := make([]float64, len(scored)), make([]float64, len(scored))
	for j, r := range scored {
		rewards[j] = r.Reward
	}
	if s.weighted() {
		weights = p.logWeights()
	}
	var out poolRewards
	out.logZ, out.se = LogZ(rewards, weights)
	total := logSumExp(weights)
	for j, r := range rewards {
		out.reference += math.Exp(weights[j]-total) * r
	}
	out.fresh = mean(rewards[p.latest():])
	return out, nil
}

// meanLogZ returns the mean over the prompts and its standard error.
func meanLogZ(all []poolRewards) (value, se float64) {
	for _, p := range all {
		value += p.logZ / float64(len(all))
		se += p.se * p.se
	}
	return value, math.Sqrt(se) / float64(len(all))
}
