// Package opinion gives votes that nobody else has given a second observer: a reward model that has seen no vote of whoever cast them.
// Where every reply is judged by one person alone, as in most logs, nothing else can tell who votes against everybody.
package opinion

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"plumb/chat"
	"plumb/offline/pairs"
	"plumb/rm"
)

// Settings of the models.
const (
	groups  = 5     // of people; each model has not seen one of them
	fewest  = 40    // comparisons from which a model is worth asking
	largest = 20000 // rows that a model is fitted on: more make it no better a witness
)

// models is one reward model for each group of people, fitted on everybody else's rows.
type models struct {
	ctx context.Context // of the building of rows that asks
	by  [groups]*rm.Model
}

// Fit fits the models on a set. It returns nil where there are too few comparisons, or people, to fit them on. Cost: five fits of a reward
// model with one head, on at most 20,000 rows of a kind each. The same set and seed give the same opinion. Safe for concurrent use.
func Fit(ctx context.Context, set pairs.Set, seed int64) (pairs.Opinion, error) {
	set = sample(set)
	if len(set.Preferences) < fewest || len(set.Users()) < 2*groups {
		return nil, nil
	}
	// The priors are not chosen by the votes, which each model is not to have seen all of.
	t := rm.Trainer{Heads: 1, DensePrior: .2, SparsePrior: 1, Canaries: -1, Seed: seed}
	m := &models{ctx: ctx}
	for g := range m.by {
		others := set.Where(func(row pairs.Meta) bool {
			return !slices.ContainsFunc(row.Users, func(u string) bool { return groupOf(u) == g })
		})
		if len(others.Preferences) < fewest/2 {
			continue
		}
		fitted, err := t.Fit(ctx, others.RewardData())
		if err != nil {
			return nil, fmt.Errorf("fit second opinion: %w", err)
		}
		m.by[g] = fitted
	}
	return m, nil
}

// sample takes the first rows of a set, which are in the order of hashes and so by chance.
func sample(s pairs.Set) pairs.Set {
	s.Preferences = s.Preferences[:min(len(s.Preferences), largest)]
	s.Unpaired = s.Unpaired[:min(len(s.Unpaired), largest)]
	s.Rankings = s.Rankings[:min(len(s.Rankings), largest)]
	s.Demonstrations = nil // they say nothing of who compares well
	return s
}

// groupOf is a user's group, always the same.
func groupOf(user string) int {
	h := fnv.New32a()
	h.Write([]byte(user))
	return int(h.Sum32() % groups)
}

// Prefers implements [pairs.Opinion]: the model that has not seen the user's group answers. Replies that the model finds alike, and those it fails on, it has no opinion of.
func (m *models) Prefers(user string, prompt []chat.Message, first, second string) (yes, ok bool) {
	model := m.by[groupOf(user)]
	if model == nil {
		return false, false
	}
	r, err := model.Score(m.ctx, prompt, []string{first, second})
	if err != nil {
		return false, false
	}
	order := cmp.Compare(r[0].Reward, r[1].Reward)
	return order > 0, order != 0
}
