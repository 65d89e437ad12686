package distill

import (
	"cmp"
	"fmt"
	"slices"

	"plumb/feedback"
	"plumb/offline/rows"
)

// BoNBoN trains a model to draw as best-of-n draws, from the best and the worst of each n candidates:
//
//	L = α·(−log π(y_best)) + (1−α)·(Δ − 1/(2β_n))²,  Δ = log π/π_ref(y_best) − log π/π_ref(y_worst),  β_n = 1/(2(n−1)·H_{n−1}),
//
// H being the harmonic numbers. For the best-of-n policy itself Δ is (n−1)·H_{n−1} on average: the loss is IPO, whose target is known
// here, with some imitation. All log-probs are sums over the reply.
//
// Gui, Gârbacea & Veitch 2024, §4, https://arxiv.org/abs/2406.00832; α as in the authors' code, whose β for n = 8 is .02755 too.
type BoNBoN struct {
	Alpha float64 // weight of the imitation, (0, 1); 0 means .005
	Least int     // candidates a pool must have; 0 means 4
}

// Rows returns a pair a pool, best over worst, sorted by their texts, and n, how many candidates each pair is the best and the worst of. β
// belongs to one n, so that pools of another size than most have are left out. dropped counts pools left out by reason.
func (b BoNBoN) Rows(pools []Pool) (all []rows.Preference, n int, dropped map[string]int) {
	dropped = map[string]int{}
	sizes := map[int]int{}
	for _, p := range pools {
		if size := len(p.Candidates); size >= cmp.Or(b.Least, 4) {
			sizes[size]++
		}
	}
	for size, count := range sizes {
		if count > sizes[n] || count == sizes[n] && size > n {
			n = size
		}
	}
	for _, p := range pools {
		candidates := ranked(p.Candidates)
		switch {
		case len(p.Candidates) < cmp.Or(b.Least, 4):
			dropped[dropFew]++
		case len(p.Candidates) != n:
			dropped[dropSize]++
		case len(candidates) < 2:
			dropped[dropAlike]++
		case candidates[0].Cut:
			dropped[dropCut]++
		default:
			best, worst := candidates[0], candidates[len(candidates)-1]
			all = append(all, rows.Preference{Prompt: rows.Text{Messages: p.Messages}, Chosen: said(best.Text), Rejected: said(worst.Text),
				Source: feedback.Model, ID: best.ID})
		}
	}
	slices.SortFunc(all, func(x, y rows.Preference) int { // by content, so that ids do not decide what is learned
		return cmp.Or(cmp.Compare(x.Prompt.String(), y.Prompt.String()), cmp.Compare(x.Chosen.String(), y.Chosen.String()),
			cmp.Compare(x.Rejected.String(), y.Rejected.String()))
	})
	return all, n, dropped
}

// Method returns the loss for pairs of the best and worst of n, as a trainer of preferences takes it, and its beta. It panics if n < 2.
func (b BoNBoN) Method(n int) (method string, beta float64) {
	alpha := cmp.Or(b.Alpha, .005)
	return fmt.Sprintf("%g*sft_sum+%g*ipo_sum", alpha, 1-alpha), Beta(n)
}

// Beta returns β_n = 1/(2(n−1)·H_{n−1}), by which IPO on best and worst of n aims at the best-of-n policy. It panics if n < 2.
func Beta(n int) float64 {
	if n < 2 {
		panic("distill: the best of fewer than two is no choice")
	}
	harmonic := 0.
	for k := 1; k < n; k++ {
		harmonic += 1 / float64(k)
	}
	return 1 / (2 * float64(n-1) * harmonic)
}
