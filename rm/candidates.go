package rm

import (
	"math/rand/v2"

	"plumb/chat"
)

// partners is how many others a scored candidate is compared with: enough to order a pool, few enough that a large one
// does not make a fit quadratic.
const partners = 4

// leastGap is the smallest difference of gold scores, as a share of the pool's range, that counts as a preference.
const leastGap = .02

// Compare turns the gold scores of candidates into comparisons: each meets a few others, by chance but the same under the
// same texts; the higher score is chosen. A comparison weighs as much as the gap of its scores, and all of a prompt
// together as much as len(replies) − 1 plain votes: what an order of them tells. Scores must be finite.
func Compare(prompt []chat.Message, replies []string, scores []float64) []Pair {
	low, high := scores[0], scores[0]
	for _, s := range scores {
		low, high = min(low, s), max(high, s)
	}
	var pairs []Pair
	total, n := 0.0, len(replies)
	rng := rand.New(rand.NewPCG(wordHash(promptKey(prompt)), uint64(n)))
	seen := map[[2]int]bool{}
	for a := range n {
		for range partners {
			b := rng.IntN(n)
			gap := (scores[a] - scores[b]) / (high - low)
			if a == b || seen[[2]int{min(a, b), max(a, b)}] || !(gap > leastGap || gap < -leastGap) {
				continue
			}
			seen[[2]int{min(a, b), max(a, b)}] = true
			p := Pair{Prompt: prompt, Chosen: replies[a], Rejected: replies[b], Weight: gap}
			if gap < 0 {
				p.Chosen, p.Rejected, p.Weight = p.Rejected, p.Chosen, -gap
			}
			total += p.Weight
			pairs = append(pairs, p)
		}
	}
	for i := range pairs {
		pairs[i].Weight *= float64(n-1) / total
	}
	return pairs
}
