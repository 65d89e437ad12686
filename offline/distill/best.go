package distill

import (
	"cmp"
	"math"
	"slices"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/rows"
)

// Best makes rows to imitate: of each prompt the best candidate by the reward model, or all of them by how good they are. To train
// on them by maximum likelihood is one round of expert iteration (Anthony et al. 2017, https://arxiv.org/abs/1705.08439) with
// best-of-n as the expert, as Llama 2's rejection sampling is (Touvron et al. 2023, §3.2.3, https://arxiv.org/abs/2307.09288).
type Best struct {
	// Least is how many different candidates a prompt must have: the best of two is hardly chosen. 0 means 4.
	Least int
	// Tau, above 0, imitates every candidate with a weight of softmax(reward/Tau) within its prompt, which aims at the policy
	// π·e^{r/τ} instead of the best of n (Peters & Schaal 2007, reward-weighted regression). 0 takes the best alone, with weight 1.
	Tau float64
}

// leastShare is the smallest weight that is worth a row's cost; the others of the prompt take it over.
const leastShare = .02

// Rows returns a row a prompt, or several with Tau, sorted by prompt. Pools of one prompt count as one, equal texts as one candidate, and
// replies that were cut off do not count; of equal rewards the first text in order wins. dropped counts prompts left out by reason.
func (b Best) Rows(pools []Pool) (all []rows.Demonstration, dropped map[string]int) {
	dropped = map[string]int{}
	for _, p := range merge(pools) {
		if len(p.Candidates) < cmp.Or(b.Least, 4) {
			dropped[dropFew]++
			continue
		}
		if b.Tau <= 0 {
			all = append(all, imitated(p, p.Candidates[0], 1))
			continue
		}
		for i, w := range softmax(p.Candidates, b.Tau) {
			if w > 0 {
				all = append(all, imitated(p, p.Candidates[i], w))
			}
		}
	}
	return all, dropped
}

// merge joins the pools of each prompt, sorted by it, and ranks their different candidates, best first.
func merge(pools []Pool) []Pool {
	at := map[string]int{}
	var merged []Pool
	for _, p := range pools {
		i, ok := at[p.Prompt]
		if !ok {
			i = len(merged)
			at[p.Prompt] = i
			merged = append(merged, Pool{Messages: p.Messages, Prompt: p.Prompt})
		}
		merged[i].Candidates = append(merged[i].Candidates, p.Candidates...)
	}
	for i := range merged {
		merged[i].Candidates = slices.DeleteFunc(ranked(merged[i].Candidates), func(c Candidate) bool { return c.Cut })
	}
	slices.SortFunc(merged, func(a, b Pool) int { return cmp.Compare(a.Prompt, b.Prompt) })
	return merged
}

// ranked returns the different candidates, best first.
func ranked(all []Candidate) []Candidate {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Reward, a.Reward), cmp.Compare(a.Text, b.Text), cmp.Compare(a.ID, b.ID))
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(c Candidate) bool {
		was := seen[c.Text]
		seen[c.Text] = true
		return was
	})
}

// softmax returns the weights of candidates, which add up to 1; those under leastShare are 0.
func softmax(all []Candidate, tau float64) []float64 {
	weights, total := make([]float64, len(all)), 0.
	for i, c := range all {
		weights[i] = math.Exp((c.Reward - all[0].Reward) / tau) // the first is the best
		total += weights[i]
	}
	kept := 0.
	for i, w := range weights {
		if w < leastShare*total {
			weights[i] = 0
		}
		kept += weights[i]
	}
	for i := range weights {
		weights[i] /= kept
	}
	return weights
}

func imitated(p Pool, c Candidate, weight float64) rows.Demonstration {
	return rows.Demonstration{Prompt: rows.Text{Messages: p.Messages}, Completion: said(c.Text), Weight: &weight, Source: feedback.Model, ID: c.ID}
}

func said(reply string) rows.Text {
	return rows.Text{Messages: []chat.Message{{Role: chat.Assistant, Content: reply}}}
}
