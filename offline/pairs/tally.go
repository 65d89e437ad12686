package pairs

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/feedback"
)

// tally is the votes on one thing: for it (+) or against it (−), one a voter.
type tally struct {
	messages []chat.Message
	votes    map[string]vote // by voter
	again    Consistency     // of voters who voted on it more than once
}

type vote struct {
	meta   Meta
	weight float64 // signed
	target float64 // of a verdict, in [0, 1]
}

// user is who cast the vote, "" if nobody knows.
func (v vote) user() string { return first(v.meta.Users) }

// compareVotes orders votes by what they say and who says it, not by when or under which id.
func compareVotes(x, y vote) int {
	return cmp.Or(strings.Compare(x.user(), y.user()), compareMetas(x.meta, y.meta), cmp.Compare(x.weight, y.weight), cmp.Compare(x.target, y.target))
}

func compareMetas(x, y Meta) int {
	return cmp.Or(cmp.Compare(x.Class, y.Class), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Weight, y.Weight),
		strings.Compare(x.Policy, y.Policy), strings.Compare(x.RM, y.RM))
}

// cast notes a voter's vote. Events come in the order of time: a later one replaces an earlier one, but for behaviour, which
// does not replace a person's word. It returns how many votes were left out.
func (t *tally) cast(voter string, v vote) int {
	old, ok := t.votes[voter]
	if ok && old.word() && v.word() {
		if old.weight > 0 == (v.weight > 0) {
			t.again.Same++
		} else {
			t.again.Opposite++
		}
	}
	if ok && old.meta.Source == feedback.Human && v.meta.Source != feedback.Human {
		return 1
	}
	t.votes[voter] = v
	if ok {
		return 1
	}
	return 0
}

// outcome is what the votes on a thing come to.
type outcome struct {
	net    float64 // weight with its sign; 0 has no winner
	meta   Meta    // provenance of the votes on the winning side
	target float64 // their mean
	lost   int     // votes on the other side, or all where there is no winner
	left   int     // votes left out because others contradict who cast them elsewhere
}

// sum counts the votes, each for as much as l trusts its voter.
func (t *tally) sum(l *ledger) (o outcome) {
	var counted []vote
	for _, v := range t.votes {
		if v.word() {
			v.weight *= l.trust(v.user())
			if v.weight == 0 {
				o.left++
				continue
			}
		}
		counted = append(counted, v)
	}
	slices.SortFunc(counted, compareVotes)
	odds := 0.
	for _, v := range counted {
		o.net += v.weight
		if l != nil && v.word() {
			odds += math.Copysign(l.logit(v.user()), v.weight)
		}
	}
	if math.Abs(o.net) < 1e-9 || odds*o.net < 0 { // what weight and odds disagree on has no winner
		return outcome{lost: len(counted), left: o.left}
	}
	n := 0.
	for _, v := range counted {
		if v.weight > 0 != (o.net > 0) {
			o.lost++
			continue
		}
		n++
		o.target += v.target
		if n == 1 {
			o.meta = v.meta
			o.meta.Users, o.meta.Events = slices.Clone(v.meta.Users), slices.Clone(v.meta.Events)
			continue
		}
		o.meta.absorb(v.meta)
	}
	o.target /= n
	o.meta.Weight = math.Min(math.Abs(o.net), weightMost)
	if odds != 0 {
		o.meta.Confidence = logistic(math.Copysign(1, o.net) * odds)
	}
	return o
}

// absorb adds another row that says the same.
func (m *Meta) absorb(other Meta) {
	m.Weight = math.Min(m.Weight+other.Weight, weightMost)
	m.Users = union(m.Users, other.Users)
	m.Events = union(m.Events, other.Events)
	if other.Source != feedback.Human && (m.Source == feedback.Human || other.Source < m.Source) {
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
	t.messages = lesser(t.messages, messages)
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
	t.messages = lesser(t.messages, g.Messages)
	weight, target := 0., math.Max(0, math.Min(1, target))
	switch {
	case target >= .75:
		weight = 1
	case target <= .25:
		weight = -1
	}
	b.drop(dropLater, t.cast(voter(e), vote{meta: m, weight: weight, target: target}))
}
