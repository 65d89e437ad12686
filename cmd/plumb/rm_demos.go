package main

import (
	"math/rand/v2"

	"plumb/chat"
	"plumb/offline/rows"
	"plumb/rm"
)

// strangers is how many replies to other prompts a demonstration without candidates is held against.
const strangers = 4

// demonstrations sets each demonstration beside its own candidates, else beside the pool's of its prompt, else beside other
// demonstrations. own is those of all that are beside replies of the model.
func demonstrations(demos []rows.Demonstration, pools []rows.Candidates, seed int64) (all, own []rm.Demonstration) {
	byPrompt := map[string][]rows.Candidate{}
	for _, pool := range pools {
		key := promptText(pool.Prompt)
		byPrompt[key] = append(byPrompt[key], pool.Candidates...)
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 0x64656d6f))
	for i, row := range demos {
		weight, ok := weightOf(row.Weight)
		if !ok {
			continue
		}
		d := rm.Demonstration{Prompt: row.Prompt.Chat(chat.User), Reply: row.Completion.String(), Weight: weight, User: row.User}
		candidates := row.Candidates
		if candidates == nil {
			candidates = byPrompt[promptText(row.Prompt)]
		}
		if candidates != nil {
			d.Candidates, d.LogWeights = weighed(candidates)
			all, own = append(all, d), append(own, d)
			continue
		}
		for range min(strangers, len(demos)-1) {
			k := rng.IntN(len(demos) - 1)
			if k >= i {
				k++
			}
			d.Candidates = append(d.Candidates, demos[k].Completion.String())
		}
		if d.Candidates != nil {
			all = append(all, d)
		}
	}
	return all, own
}

// weighed returns the texts of candidates and their log weights, nil if none has one.
func weighed(candidates []rows.Candidate) (texts []string, logWeights []float64) {
	weights, some := make([]float64, len(candidates)), false
	for i, c := range candidates {
		texts = append(texts, c.Text)
		if c.LogWeight != nil {
			weights[i], some = *c.LogWeight, true
		}
	}
	if some {
		logWeights = weights
	}
	return texts, logWeights
}
