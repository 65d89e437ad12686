package rl

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"plumb/chat"
)

// scale is the unit in which rewards are counted: the standard deviation, over the reference's replies to a prompt, of what is
// maximised. A reward model's own unit is arbitrary (a fit with more votes or less regularisation stretches it), and with it would
// be everything that is weighed against the reward. It is measured once, before the first step.
//
// What is maximised is the reward less the reward model's doubts,
//
//	reward − c·sd − c/2·ood·RawSD,
//
// c being the conservatism: the spread of the ensemble is in the reward's own unit, the distance is without one. A policy finds the
// replies that a model is wrong about, and there its heads differ (Coste et al. 2024, https://arxiv.org/abs/2310.02743).
type scale struct {
	RawMean float64 `json:"raw_mean"` // of the reward alone
	RawSD   float64 `json:"raw_sd"`   // within a prompt; 1 where replies do not differ
	Mean    float64 `json:"mean"`     // of what is maximised
	SD      float64 `json:"sd"`
}

// newScale measures rewards of the reference's replies, a group of neighbours to each prompt.
func newScale(rewards []chat.Reward, group int, c Config) scale {
	values := make([]float64, len(rewards))
	for i, r := range rewards {
		values[i] = r.Reward
	}
	var s scale
	s.RawMean, s.RawSD = stat.Mean(values, nil), within(values, group)
	for i, r := range rewards {
		values[i] = s.doubted(r, c)
	}
	s.Mean, s.SD = stat.Mean(values, nil), within(values, group)
	return s
}

// doubted returns the reward less the reward model's doubts.
func (s scale) doubted(r chat.Reward, c Config) float64 {
	conservatism := max(0, c.Conservatism)
	return r.Reward - conservatism*r.SD - conservatism/2*r.OOD*s.RawSD
}

// score returns what is maximised of a reply.
func (s scale) score(r chat.Reward, ended bool, c Config) float64 {
	score := (s.doubted(r, c) - s.Mean) / s.SD
	if c.RewardClip > 0 {
		score = max(-c.RewardClip, min(c.RewardClip, score))
	}
	if !ended {
		score -= max(0, c.EndPenalty)
	}
	return score
}

// within returns the standard deviation of x within groups of neighbours, or over all of it where a group is one. Rewards compare only
// within a prompt. It is 1 where they do not differ.
func within(x []float64, group int) float64 {
	if group < 2 {
		group = len(x)
	}
	sum, n := 0., 0.
	for from := 0; from < len(x); from += group {
		if part := x[from:min(len(x), from+group)]; len(part) > 1 {
			sum += stat.Variance(part, nil)
			n++
		}
	}
	if sd := math.Sqrt(max(0, sum) / max(1, n)); sd > 1e-12*math.Abs(stat.Mean(x, nil)) {
		return sd
	}
	return 1
}
