package distill

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
)

// Measurement draws replies of a policy before and after its training and says how many draws the training saves. Zero fields mean the
// defaults in their comments.
type Measurement struct {
	Before, After evaluate.Policy
	Choose        Judge // picks among draws, as in serving
	Value         Judge // what a reply is worth, best made of votes that nothing else was made of; nil: Choose, which flatters both alike

	Most        int     // draws of Before that are to be reached; 8
	Draws       int     // replies of each to a prompt, at least Most; Most
	Temperature float64 // .8
	MaxTokens   int     // of a reply; 64
	Seed        int64
}

// Saved measures on the prompts. Both policies draw under the same seeds. Cost: 2·Draws replies a prompt.
func (m Measurement) Saved(ctx context.Context, prompts [][]chat.Message) (Saved, error) {
	most := cmp.Or(m.Most, 8)
	var before, after []Draws
	for i, messages := range prompts {
		random := rand.New(rand.NewPCG(uint64(m.Seed), uint64(i)))
		seeds := make([]int64, cmp.Or(m.Draws, most))
		for k := range seeds {
			seeds[k] = random.Int64()
		}
		for _, side := range []struct {
			policy evaluate.Policy
			all    *[]Draws
		}{{m.Before, &before}, {m.After, &after}} {
			d, err := m.draws(ctx, side.policy, messages, seeds)
			if err != nil {
				return Saved{}, fmt.Errorf("measure draws saved: %w", err)
			}
			*side.all = append(*side.all, d)
		}
	}
	return Compare(before, after, most)
}

func (m Measurement) draws(ctx context.Context, p evaluate.Policy, messages []chat.Message, seeds []int64) (d Draws, err error) {
	_, replies, err := p.Draw(ctx, messages, seeds, lm.Settings{Temperature: cmp.Or(m.Temperature, .8), MaxTokens: cmp.Or(m.MaxTokens, 64)})
	if err != nil {
		return d, err
	}
	texts := make([]string, len(replies))
	for i, r := range replies {
		texts[i] = r.Text
	}
	if d.Rewards, err = rewards(ctx, m.Choose, messages, texts); err != nil || m.Value == nil {
		d.Worth = d.Rewards
		return d, err
	}
	d.Worth, err = rewards(ctx, m.Value, messages, texts)
	return d, err
}

func rewards(ctx context.Context, judge Judge, messages []chat.Message, texts []string) ([]float64, error) {
	scored, err := judge.Score(ctx, messages, texts)
	if err != nil {
		return nil, err
	}
	all := make([]float64, len(scored))
	for i, r := range scored {
		if all[i] = r.Reward; math.IsNaN(r.Reward) || math.IsInf(r.Reward, 0) {
			return nil, fmt.Errorf("reply %d has reward %v, want a number", i, r.Reward)
		}
	}
	return all, nil
}
