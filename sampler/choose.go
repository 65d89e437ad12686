package sampler

import (
	"cmp"
	"math"
	"slices"

	"plumb/chat"
)

// choose applies the rule to the scores of all scored candidates and draws the choice. Equal texts count as often as they
// were drawn, as the rules' guarantees ask for, and are one choice.
func choose(r rule, seed int64, conservatism float64, candidates []Candidate) (choice int, probabilities []float64) {
	var scored []int
	var rewards []chat.Reward
	for i, c := range candidates {
		if c.Reward != nil {
			scored, rewards = append(scored, i), append(rewards, *c.Reward)
		}
	}
	scores := Stack(rewards, conservatism)
	probabilities = r.probabilities(scores)
	for k, i := range scored {
		candidates[i].Score = scores[k]
		candidates[candidates[i].SameAs].Propensity += probabilities[k]
	}
	propensities := make([]float64, len(candidates))
	for i, c := range candidates {
		propensities[i] = c.Propensity
	}
	return pick(propensities, choiceRand(seed).Float64()), probabilities
}

// chooseFirst makes the first candidate drawn, by index, the choice: not the first to be finished, which is the shortest.
func chooseFirst(candidates []Candidate) (choice int) {
	choice = slices.IndexFunc(candidates, func(c Candidate) bool { return c.Err == nil })
	candidates[choice].Propensity = 1
	return choice
}

// returned lists up to n candidates: the choice, the other distinct texts by score and then by index, and then, since a
// client that asks for n replies wants n, those that repeat a text.
func returned(candidates []Candidate, choice, n int) []int {
	var others []int
	for i, c := range candidates {
		if c.Err == nil && i != choice {
			others = append(others, i)
		}
	}
	rank := func(i int) float64 {
		if c := candidates[i]; c.Reward != nil {
			return c.Score
		}
		return math.Inf(-1)
	}
	slices.SortStableFunc(others, func(a, b int) int {
		repeatsA, repeatsB := candidates[a].SameAs != a, candidates[b].SameAs != b
		if repeatsA != repeatsB {
			if repeatsA {
				return 1
			}
			return -1
		}
		return cmp.Compare(rank(b), rank(a))
	})
	chosen := append([]int{choice}, others...)
	return chosen[:min(n, len(chosen))]
}
