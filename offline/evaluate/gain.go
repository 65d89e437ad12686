package evaluate

import (
	"cmp"
	"context"
	"fmt"

	"plumb/chat"
	"plumb/offline/gate"
)

// Gain compares two policies by a judge's reward.
type Gain struct {
	Before, After Policy
	Judge         Judge
	Prompts       int // at most, the first ones; 0 means 32
	Draws         int // replies a prompt and policy; 0 means 4
	MaxTokens     int // of a reply; 0 means 64
	Seed          int64
}

// Difference is a mean over prompts and its standard error, in units of reward.
type Difference struct{ Mean, SE float64 }

// Measure draws replies of both policies to each prompt, under equal seeds, and returns how much more reward After's have. It needs at
// least two prompts.
func (g Gain) Measure(ctx context.Context, prompts [][]chat.Message) (Difference, error) {
	draws := cmp.Or(g.Draws, 4)
	prompts = prompts[:min(cmp.Or(g.Prompts, 32), len(prompts))]
	if len(prompts) < 2 {
		return Difference{}, fmt.Errorf("compare policies: %d prompts; want at least 2", len(prompts))
	}
	s := settings(cmp.Or(g.MaxTokens, 64))
	gains := make([]float64, len(prompts))
	for i, messages := range prompts {
		seeds := make([]int64, draws)
		for k := range seeds {
			seeds[k] = g.Seed + int64(i*draws+k)
		}
		for _, side := range []struct {
			policy Policy
			sign   float64
		}{{g.Before, -1}, {g.After, 1}} {
			_, replies, err := side.policy.draw(ctx, messages, seeds, s)
			if err != nil {
				return Difference{}, err
			}
			scored, err := g.Judge.Score(ctx, messages, texts(replies))
			if err != nil {
				return Difference{}, fmt.Errorf("judge replies: %w", err)
			}
			for _, r := range scored {
				gains[i] += side.sign * r.Reward / float64(draws)
			}
		}
	}
	mean, se := gate.MeanSE(gains)
	return Difference{mean, se}, nil
}
