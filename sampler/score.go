package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"plumb/chat"
)

// LengthScorer is a [Scorer] that can take off the part of the reward that goes with the length of a reply.
type LengthScorer interface {
	// ScoreByLength is Score with strength in [−1, 1] times the reward's trend over length taken off.
	ScoreByLength(ctx context.Context, prompt []chat.Message, replies []string, strength float64) ([]chat.Reward, error)
}

// oodWeight is what one unit of distance from the training data costs, in standard deviations of the pool's reward, at
// conservatism 1.
const oodWeight = .5

// Stack turns rewards into the scores that rules see: z(reward) − conservatism·(sd + ½·ood), where z and sd are in
// standard deviations of the rewards of the pool, so that knobs mean the same for every prompt and reward model. Rewards
// that are all equal have z = 0 and keep their sd as it is. Every reward must be finite; the result has one score a
// reward. Adding a constant to all rewards changes nothing, and at conservatism 0 neither does scaling them.
func Stack(rewards []chat.Reward, conservatism float64) []float64 {
	mean, unit := spread(rewards)
	scores := make([]float64, len(rewards))
	for i, r := range rewards {
		scores[i] = (r.Reward-mean)/unit - conservatism*(r.SD/unit+oodWeight*r.OOD)
	}
	return scores
}

// spread returns the mean of the rewards and their standard deviation over the pool, 1 where rounding is all there is.
func spread(rewards []chat.Reward) (mean, unit float64) {
	n := float64(len(rewards))
	largest := 0.
	for _, r := range rewards {
		mean += r.Reward / n
		largest = max(largest, math.Abs(r.Reward))
	}
	for _, r := range rewards {
		unit += (r.Reward - mean) * (r.Reward - mean) / n
	}
	unit = math.Sqrt(unit)
	if unit <= 1e-12*largest {
		return mean, 1
	}
	return mean, unit
}

// score has the drawn candidates scored, each distinct text once and all in one call, and notes the rewards. The error
// says why no candidate has a reward.
func (s *Sampler) score(ctx context.Context, r *Request, result *Result) error {
	var replies []string
	at := map[int]int{} // index of a candidate to that of its text in replies
	for i := range result.Candidates {
		if c := &result.Candidates[i]; c.Err == nil && c.SameAs == i && len(c.ToolCalls) == 0 {
			at[i] = len(replies)
			replies = append(replies, c.Text)
		}
	}
	began := time.Now()
	rewards, err := s.rewards(ctx, r, replies)
	millis := float64(time.Since(began)) / float64(time.Millisecond)
	result.RMMillis = &millis
	if err != nil {
		return fmt.Errorf("score candidates: %w", err)
	}
	if len(rewards) != len(replies) {
		return fmt.Errorf("score candidates: got %d rewards for %d replies", len(rewards), len(replies))
	}
	for i := range result.Candidates {
		c := &result.Candidates[i]
		if c.Err != nil || len(c.ToolCalls) > 0 {
			continue
		}
		if reward := rewards[at[c.SameAs]]; usable(reward) {
			c.Reward = &reward
			result.NScored++
		}
	}
	if result.NScored == 0 {
		return errors.New("score candidates: no reward is a finite number")
	}
	return nil
}

func (s *Sampler) rewards(ctx context.Context, r *Request, replies []string) ([]chat.Reward, error) {
	if r.Length == 0 {
		return s.Scorer.Score(ctx, r.Messages, replies)
	}
	return s.Scorer.(LengthScorer).ScoreByLength(ctx, r.Messages, replies, r.Length)
}

// usable says whether a reward can be ranked.
func usable(r chat.Reward) bool {
	for _, x := range []float64{r.Reward, r.SD, r.OOD} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}
