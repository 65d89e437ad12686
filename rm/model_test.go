package rm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"plumb/chat"
)

func ask(text string) []chat.Message { return []chat.Message{{Role: chat.User, Content: text}} }

var vocabulary = strings.Fields("river stone garden window paper bridge market teacher orange violin harbour candle forest engine letter winter summer kitchen mountain island")

// sentences returns n random sentences that mention the word with the given chance.
func sentences(rng *rand.Rand, n int, word string, chance float64) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "The %s is near the %s. ", vocabulary[rng.IntN(len(vocabulary))], vocabulary[rng.IntN(len(vocabulary))])
	}
	if rng.Float64() < chance {
		fmt.Fprintf(&b, "It has a %s too.", word)
	}
	return b.String()
}

// tasted returns pairs of replies of which the one with the better taste wins, but for a share of wrong votes.
func tasted(seed uint64, n int, wrong float64, taste func(string) float64) []Pair {
	rng := rand.New(rand.NewPCG(seed, 1))
	var pairs []Pair
	for len(pairs) < n {
		a, b := sentences(rng, 1+rng.IntN(5), "dragon", .5), sentences(rng, 1+rng.IntN(5), "dragon", .5)
		if taste(a) == taste(b) {
			continue
		}
		if (taste(a) < taste(b)) != (rng.Float64() < wrong) {
			a, b = b, a
		}
		pairs = append(pairs, Pair{Prompt: ask(fmt.Sprintf("Tell me about topic %d.", len(pairs)/3)), Chosen: a, Rejected: b})
	}
	return pairs
}

func accuracy(t *testing.T, m *Model, pairs []Pair) float64 {
	t.Helper()
	right := 0.0
	for _, p := range pairs {
		r, err := m.Score(context.Background(), p.Prompt, []string{p.Chosen, p.Rejected})
		if err != nil {
			t.Fatal(err)
		}
		if r[0].Reward > r[1].Reward {
			right++
		}
	}
	return right / float64(len(pairs))
}

func TestLearnsTastesFromFewNoisyVotes(t *testing.T) {
	for _, c := range []struct {
		name  string
		taste func(string) float64
	}{
		{"short", func(s string) float64 { return -float64(len(strings.Fields(s))) }},
		{"a word", func(s string) float64 { return float64(strings.Count(s, "dragon")) }},
		{"a rare theme", func(s string) float64 {
			return flag(strings.Contains(s, "river") || strings.Contains(s, "harbour") || strings.Contains(s, "island"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Trainer{Log: t.Logf}.Fit(context.Background(), Data{Pairs: tasted(1, 150, .15, c.taste)})
			if err != nil {
				t.Fatal(err)
			}
			got := accuracy(t, m, tasted(2, 400, 0, c.taste))
			t.Logf("accuracy %.3f, said %.3f; temperature %.2f", got, *m.Meta().Metrics.Accuracy, m.Meta().Temperature)
			if got < .85 {
				t.Errorf("accuracy %.3f, want ≥ .85", got)
			}
		})
	}
}
