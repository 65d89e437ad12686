package pairs

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"plumb/feedback"
)

// ballot is one person's word about one thing: for it or against it. Nobody's name is "".
type ballot struct {
	user string
	up   bool
}

// item is everything people said about one thing, one ballot a person.
type item []ballot

// counts returns the ballots for and against.
func (i item) counts() (up, down int) {
	for _, b := range i {
		if b.up {
			up++
		}
	}
	return up, len(i) - up
}

// Consistency is how far people agree with themselves.
type Consistency struct {
	Same     int `json:"same"`     // things that one person judged twice, in other replies to the same prompt or by another kind of vote, alike
	Opposite int `json:"opposite"` // and the other way round
}

// items returns what people said of each thing, in an order that depends on what it is about alone. Behaviour and what a reward model
// made are nobody's word.
func (b *builder) items() (comparisons, verdicts []item) {
	for _, key := range sortedKeys(b.pairs, comparePairs) {
		if i := b.pairs[key].item(); len(i) > 0 {
			comparisons = append(comparisons, i)
		}
	}
	for _, key := range sortedKeys(b.verdicts, compareVerdicts) {
		if i := b.verdicts[key].item(); len(i) > 0 {
			verdicts = append(verdicts, i)
		}
	}
	return comparisons, verdicts
}

func (t *tally) item() (i item) {
	for _, v := range t.votes {
		if v.word() {
			i = append(i, ballot{v.user(), v.weight > 0})
		}
	}
	slices.SortFunc(i, func(x, y ballot) int {
		return cmp.Or(cmp.Compare(x.user, y.user), cmp.Compare(sign01(x.up), sign01(y.up)))
	})
	return i
}

// word says whether a vote is a person's own.
func (v vote) word() bool {
	return v.weight != 0 && (v.meta.Source == feedback.Human || v.meta.Source == feedback.Import)
}

// consistency counts what people said twice: about one thing, or by comparing two replies and by thumbs on both of them.
func (b *builder) consistency() (c Consistency) {
	note := func(same bool) {
		if same {
			c.Same++
		} else {
			c.Opposite++
		}
	}
	for _, t := range b.verdicts {
		c.Same, c.Opposite = c.Same+t.again.Same, c.Opposite+t.again.Opposite
	}
	for key, t := range b.pairs {
		c.Same, c.Opposite = c.Same+t.again.Same, c.Opposite+t.again.Opposite
		one, two := b.verdicts[verdictKey{key.prompt, key.first}], b.verdicts[verdictKey{key.prompt, key.second}]
		if one == nil || two == nil {
			continue
		}
		for voter, v := range t.votes {
			x, y := one.votes[voter], two.votes[voter]
			if v.word() && x.word() && y.word() && x.weight > 0 != (y.weight > 0) {
				note(v.weight > 0 == (x.weight > 0))
			}
		}
	}
	return c
}

func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}

func comparePairs(a, b pairKey) int {
	return cmp.Or(cmp.Compare(a.prompt, b.prompt), cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second))
}

func compareVerdicts(a, b verdictKey) int {
	return cmp.Or(cmp.Compare(a.prompt, b.prompt), cmp.Compare(a.reply, b.reply))
}

func sortedPiles(m map[pile]int) []pile {
	return sortedKeys(m, func(a, b pile) int {
		return cmp.Or(cmp.Compare(sign01(a.verdicts), sign01(b.verdicts)), cmp.Compare(a.up, b.up), cmp.Compare(a.down, b.down))
	})
}

func sign01(b bool) int {
	if b {
		return 1
	}
	return 0
}

func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}
