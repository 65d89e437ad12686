package pairs

import (
	"cmp"
	"strings"

	"plumb/chat"
	"plumb/feedback"
)

// Weights of the rules (see the package comment).
const (
	weightNext     = .3
	weightAccepted = .7
	weightUpDown   = .8
	weightMost     = 3 // of one row, however many agree
)

// compare takes a preference (the first reply over each other) or a ranking (each over all after it). A comparison of k replies
// that says k−1 things gives pairs of weight 2/k, so that a ranking of many does not drown out the votes on two.
func (b *builder) compare(e feedback.Event, g feedback.Generation, ids []string, ranking bool) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		c, _ := g.Candidate(id)
		if texts[i] = c.Text; c.Text == "" {
			b.drop(dropNoText, 1)
			return
		}
	}
	class, weight := Compared, 2/float64(len(ids))
	if ranking {
		class = Ranked
		b.rank(e, g, texts)
	} else if e.Source == feedback.Implicit {
		class = Next
		switch b.accepted(e, g) {
		case 0:
			weight *= weightNext
		case 1:
			weight *= weightAccepted
		default:
			b.drop(dropNextRejected, 1)
			return
		}
	}
	distinct, near := 0, 0
	for i := range texts[:len(texts)-1] {
		for j := i + 1; j < len(texts); j++ {
			switch {
			case texts[i] == texts[j]:
			case sameWords(texts[i], texts[j], b.options.trivial()):
				near++
			default:
				distinct++
				b.prefer(e, g.Messages, texts[i], texts[j], class, weight)
			}
		}
		if !ranking {
			break
		}
	}
	b.drop(dropNear, near)
	if distinct+near == 0 {
		b.drop(dropEqual, 1)
	}
}

// accepted says what the same user later thought of the reply that came next: 1 liked it, −1 did not, 0 said nothing.
func (b *builder) accepted(e feedback.Event, g feedback.Generation) int {
	verdict := 0
	for _, other := range b.judged[g.ID] {
		if other.User != e.User {
			continue
		}
		other, err := feedback.Resolve(other, g)
		if err != nil || other.Candidate != e.Winner {
			continue
		}
		switch {
		case other.Kind == feedback.Thumb && other.Value > 0, other.Kind == feedback.Rating && other.Value >= 4:
			verdict = 1
		case other.Kind == feedback.Thumb && other.Value < 0, other.Kind == feedback.Rating && other.Value <= 2:
			return -1
		}
	}
	return verdict
}

// edit takes the text a person wanted instead of ours: a pair, and a demonstration.
func (b *builder) edit(e feedback.Event, g feedback.Generation) {
	c, _ := g.Candidate(e.Candidate)
	switch {
	case c.Text == "":
		b.drop(dropNoText, 1)
	case changed(c.Text, e.Text) <= b.options.trivial():
		b.drop(dropTrivial, 1)
	default:
		b.prefer(e, g.Messages, e.Text, c.Text, Edited, 1)
		b.wish(e, g.Messages, Edited)
	}
}

// wish takes a demonstration, or the demonstration that an edit is.
func (b *builder) wish(e feedback.Event, messages []chat.Message, class Class) {
	w := Wish{Meta: b.meta(e, messages, class, 1), Messages: messages, Reply: e.Text}
	w.ID = rowID("demonstration", w.Prompt, e.Text)
	if old, ok := b.wishes[w.ID]; ok {
		old.merge(w.Meta)
		old.Messages = lesser(old.Messages, messages)
		return
	}
	b.wishes[w.ID] = &w
}

// rank keeps a ranking whole, for the reward model; of equal texts the best place counts.
func (b *builder) rank(e feedback.Event, g feedback.Generation, texts []string) {
	var distinct []string
	seen := map[string]bool{}
	for _, t := range texts {
		if !seen[t] {
			seen[t] = true
			distinct = append(distinct, t)
		}
	}
	if len(distinct) < 2 {
		return
	}
	r := Ranking{Meta: b.meta(e, g.Messages, Ranked, 1), Messages: g.Messages, Replies: distinct}
	r.ID = rowID("ranking", append([]string{r.Prompt}, distinct...)...)
	if old, ok := b.rankings[r.ID]; ok {
		old.merge(r.Meta)
		old.Messages = lesser(old.Messages, g.Messages)
		return
	}
	b.rankings[r.ID] = &r
}

// merge is absorb where none of the two comes first: the smaller one's class and versions stand for both.
func (m *Meta) merge(other Meta) {
	if cmp.Or(cmp.Compare(m.Class, other.Class), strings.Compare(m.Policy, other.Policy), strings.Compare(m.RM, other.RM)) > 0 {
		m.Class, m.Policy, m.RM = other.Class, other.Policy, other.RM
	}
	m.absorb(other)
}
