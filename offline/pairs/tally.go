package pairs

import (
	"math"
	"slices"

	"plumb/chat"
	"plumb/feedback"
)

// tally is the votes on one thing: for it (+) or against it (−), one a voter.
type tally struct {
	messages []chat.Message
	votes    map[string]vote // by voter
}

type vote struct {
	meta   Meta
	weight float64 // signed
	target float64 // of a verdict, in [0, 1]
}

// cast notes a voter's vote. Events come in the order of time: a later one replaces an earlier one, but for behaviour, which
// does not replace a person's word. It returns how many votes were left out.
func (t *tally) cast(voter string, v vote) int {
	old, ok := t.votes[voter]
	if ok && old.meta.Source == feedback.Human && v.meta.Source != feedback.Human {
		return 1
	}
	t.votes[voter] = v
	if ok {
		return 1
	}
	return 0
}

// sum returns the outcome: the net weight with its sign, the provenance of the votes on the winning side, their mean target,
// and how many votes lost. A net weight of 0 has no winner.
func (t *tally) sum() (net float64, m Meta, target float64, lost int) {
	var voters []string
	for v := range t.votes {
		voters = append(voters, v)
	}
	slices.Sort(voters)
	for _, v := range voters {
		net += t.votes[v].weight
	}
	if math.Abs(net) < 1e-9 {
		return 0, Meta{}, 0, len(voters)
	}
	n := 0.
	for _, name := range voters {
		v := t.votes[name]
		if v.weight > 0 != (net > 0) {
			lost++
			continue
		}
		n++
		target += v.target
		if m.ID == "" && m.Events == nil {
			m = v.meta
			m.Users, m.Events = slices.Clone(m.Users), slices.Clone(m.Events)
			continue
		}
		m.absorb(v.meta)
	}
	m.Weight = math.Min(math.Abs(net), weightMost)
	return net, m, target / n, lost
}

// absorb adds another row that says the same.
func (m *Meta) absorb(other Meta) {
	m.Weight = math.Min(m.Weight+other.Weight, weightMost)
	m.Users = union(m.Users, other.Users)
	m.Events = union(m.Events, other.Events)
	if other.Source != feedback.Human {
		m.Source = other.Source
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// pairKey is a pair of different replies to a prompt, in the order of their texts.
type pairKey struct{ prompt, first, second string }

// prefer notes that a voter prefers one reply to another.
func (b *builder) prefer(e feedback.Event, messages []chat.Message, chosen, rejected string, class Class, weight float64) {
	m := b.meta(e, messages, class, weight)
	key, sign := pairKey{m.Prompt, chosen, rejected}, 1.
	if rejected < chosen {
		key, sign = pairKey{m.Prompt, rejected, chosen}, -1
	}
	t := b.pairs[key]
	if t == nil {
		t = &tally{messages: messages, votes: map[string]vote{}}
		b.pairs[key] = t
	}
	b.drop(dropLater, t.cast(voter(e), vote{meta: m, weight: sign * weight}))
}

// verdictKey is a reply to a prompt.
type verdictKey struct{ prompt, reply string }

// verdict notes how good a voter calls a reply: a target of ¾ and more is a liking, ¼ and less a disliking.
func (b *builder) verdict(e feedback.Event, g feedback.Generation, class Class, target float64) {
	c, _ := g.Candidate(e.Candidate)
	if c.Text == "" {
		b.drop(dropNoText, 1)
		return
	}
	m := b.meta(e, g.Messages, class, 1)
	t := b.verdicts[verdictKey{m.Prompt, c.Text}]
	if t == nil {
		t = &tally{messages: g.Messages, votes: map[string]vote{}}
		b.verdicts[verdictKey{m.Prompt, c.Text}] = t
	}
	weight, target := 0., math.Max(0, math.Min(1, target))
	switch {
	case target >= .75:
		weight = 1
	case target <= .25:
		weight = -1
	}
	b.drop(dropLater, t.cast(voter(e), vote{meta: m, weight: weight, target: target}))
}
