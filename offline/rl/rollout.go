package rl

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"plumb/chat"
)

// Streams of random numbers, apart from each other and from those of a seed elsewhere.
const (
	dealStream    = 0x6465616c
	drawStream    = 0x64726177 << 32
	shuffleStream = 0x73687566 << 32
)

// deal returns the prompts of n groups, counted from the first one of a training: pass after pass over all prompts, each in an
// order of its own that hangs on the seed alone.
func (r *run) deal(from, n int) []int {
	dealt := make([]int, n)
	var order []int
	for i := range dealt {
		pass, at := (from+i)/len(r.prompts), (from+i)%len(r.prompts)
		if order == nil || at == 0 {
			order = rand.New(rand.NewPCG(uint64(r.Seed)^dealStream, uint64(pass))).Perm(len(r.prompts))
		}
		dealt[i] = order[at]
	}
	return dealt
}

// rollOut draws the replies of n groups from the policy. age is that of the policy, −1 for those that measure the scale.
func (r *run) rollOut(ctx context.Context, age, n int) ([]rollout, error) {
	prompts := r.deal(max(0, age)*r.Config.prompts(), n)
	random := rand.New(rand.NewPCG(uint64(r.Seed), drawStream+uint64(age+1)))
	seeds := make([][]int64, n)
	for i := range seeds {
		seeds[i] = make([]int64, r.Group)
		for k := range seeds[i] {
			seeds[i][k] = random.Int64()
		}
	}
	replies, err := r.actor.draw(ctx, prompts, seeds)
	if err != nil {
		return nil, err
	}
	batch := make([]rollout, 0, n*r.Group)
	for i, group := range replies {
		for _, reply := range group {
			batch = append(batch, rollout{reply: reply, prompt: prompts[i]})
		}
	}
	return batch, nil
}

// rate has a reward model score the replies of a batch. A reward that is not a number is an error, which names its prompt: nothing good
// comes of learning from it.
func (r *run) rate(ctx context.Context, model Rewarder, batch []rollout) ([]chat.Reward, error) {
	all := make([]chat.Reward, 0, len(batch))
	for from := 0; from < len(batch); from += r.Group {
		texts := make([]string, r.Group)
		for i := range texts {
			texts[i] = batch[from+i].text
		}
		p := r.prompts[batch[from].prompt]
		rewards, err := model.Score(ctx, p.messages, texts)
		if err != nil {
			return nil, fmt.Errorf("score replies to prompts[%d]: %w", p.place, err)
		}
		if len(rewards) != len(texts) {
			return nil, fmt.Errorf("score replies to prompts[%d]: %d rewards for %d replies", p.place, len(rewards), len(texts))
		}
		for i, w := range rewards {
			if !finite(w.Reward) || !finite(w.SD) || !finite(w.OOD) {
				return nil, &chat.Error{Kind: chat.Invalid, Param: fmt.Sprintf("prompts[%d]", p.place), Msg: fmt.Sprintf(
					"score replies to prompts[%d]: reply %d has reward %v, sd %v, ood %v; want numbers", p.place, i, w.Reward, w.SD, w.OOD)}
			}
		}
		all = append(all, rewards...)
	}
	return all, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
