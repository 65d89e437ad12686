package distill

import (
	"cmp"
	"fmt"
	"slices"
)

// Draws is the replies that a model drew to one prompt: what the reward model says of each, and what each is worth, which may be the
// same, or what people think of it. Both have the same length; the numbers are finite.
type Draws struct{ Rewards, Worth []float64 }

// Saved is what training saves at serving: how many draws the new model needs to be worth what the old one's best of most is.
type Saved struct {
	Curve []Point `json:"curve"`
	N     int     `json:"n"`     // fewest draws of the new model that are worth the old one's most; 0 if none of the curve's are
	Share float64 `json:"share"` // of draws saved, 1 − N/most; 0 where N is 0
}

// Point is the mean worth, over prompts, of the reply with the highest reward among N.
type Point struct {
	N   int     `json:"n"`
	Old float64 `json:"old"`
	New float64 `json:"new"`
}

// Compare measures both models at n = 1 … most under the same reward model, as the expectation over all subsets of n of a prompt's
// draws. Every prompt must have most draws or more of either model; both must be asked at least one prompt.
func Compare(before, after []Draws, most int) (Saved, error) {
	var s Saved
	if most < 1 || len(before) == 0 || len(after) == 0 {
		return s, fmt.Errorf("compare draws: best of %d on %d and %d prompts; want at least 1 of each", most, len(before), len(after))
	}
	for _, d := range slices.Concat(before, after) {
		if len(d.Rewards) < most || len(d.Rewards) != len(d.Worth) {
			return s, fmt.Errorf("compare draws: a prompt has %d rewards of %d draws; want at least %d", len(d.Rewards), len(d.Worth), most)
		}
	}
	for n := 1; n <= most; n++ {
		s.Curve = append(s.Curve, Point{n, worth(before, n), worth(after, n)})
	}
	target := s.Curve[most-1].Old
	for _, p := range s.Curve {
		if p.New >= target-1e-9 {
			s.N, s.Share = p.N, 1-float64(p.N)/float64(most)
			break
		}
	}
	return s, nil
}

func worth(all []Draws, n int) float64 {
	sum := 0.
	for _, d := range all {
		sum += d.best(n)
	}
	return sum / float64(len(all))
}

// best returns the expected worth of the reply with the highest reward among n of the draws, over all subsets. The best is among the
// i lowest with probability C(i, n)/C(N, n); equal rewards share.
func (d Draws) best(n int) float64 {
	order := make([]int, len(d.Rewards))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(d.Rewards[a], d.Rewards[b]) })
	expected, below := 0., 0.
	for from := 0; from < len(order); {
		upto, sum := from, 0.
		for upto < len(order) && d.Rewards[order[upto]] == d.Rewards[order[from]] {
			sum += d.Worth[order[upto]]
			upto++
		}
		within := among(upto, len(order), n)
		expected += (within - below) * sum / float64(upto-from)
		from, below = upto, within
	}
	return expected
}

// among returns C(i, n)/C(all, n), the probability that a subset of n lies within i of all.
func among(i, all, n int) float64 {
	p := 1.
	for k := range n {
		p *= max(0, float64(i-k)) / float64(all-k)
	}
	return p
}
