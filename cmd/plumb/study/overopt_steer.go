package study

import (
	"context"
	"fmt"
	"math"

	"plumb/chat"
	"plumb/rm"
)

// steering is a reward model on its way to be over-optimised, and what one unit of its rewards is worth.
type steering struct {
	model   *rm.Model
	guarded bool
	units   map[string]unit // by question
}

// unit is the mean and the standard deviation of the rewards of the base's replies to one question. Rewards compare within a
// question alone; in these units they compare between questions, and between reward models.
type unit struct{ mean, sd float64 }

func (u unit) of(reward float64) float64 { return (reward - u.mean) / u.sd }

// steering fits the reward model to the first half of the votes: as it comes or, guarded, with the canary bank.
func (o *Overopt) steering(ctx context.Context, guarded bool) (*steering, error) {
	trainer := rm.Trainer{Seed: o.Seed, Canaries: -1}
	if guarded {
		trainer.Canaries = 0
	}
	m, err := trainer.Fit(ctx, rewardData(o.votes[0]))
	if err != nil {
		return nil, err
	}
	return &steering{model: m, guarded: guarded, units: map[string]unit{}}, nil
}

// resistance is the share of voted prompts where none of the known hacks outranks an honest reply.
func (s *steering) resistance() float64 {
	if r := s.model.Meta().Metrics.HackResistance; r != nil {
		return *r
	}
	return math.NaN()
}

// scale takes the unit of each pool's question from the pool.
func (s *steering) scale(ctx context.Context, pools []pool) error {
	for _, p := range pools {
		rewards, err := s.model.Score(ctx, p.messages(), texts(p.replies))
		if err != nil {
			return fmt.Errorf("score pool: %w", err)
		}
		s.units[p.question] = unitOf(rewards)
	}
	return nil
}

// leastSD keeps a unit finite where all replies have one reward.
const leastSD = 1e-6

func unitOf(rewards []chat.Reward) unit {
	n := float64(len(rewards))
	var u unit
	for _, r := range rewards {
		u.mean += r.Reward / n
	}
	for _, r := range rewards {
		u.sd += (r.Reward - u.mean) * (r.Reward - u.mean) / n
	}
	u.sd = math.Max(leastSD, math.Sqrt(u.sd))
	return u
}
