package pairs

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"plumb/feedback"
)

// set turns tallies into rows and limits them.
func (b *builder) set() Set {
	voters, l := b.voters()
	s := Set{Dropped: b.dropped, Voters: voters, Drawn: b.drawn()}
	topics := b.clusters()
	for key, t := range b.verdicts {
		s.Unpaired = append(s.Unpaired, b.unpaired(key, t, l)...)
	}
	sortRows(s.Unpaired, func(r Unpaired) string { return r.ID })
	for key, t := range b.pairs {
		s.Preferences = append(s.Preferences, b.preference(key, t, l)...)
	}
	s.Preferences = append(s.Preferences, b.upDown(s.Unpaired)...)
	for _, w := range b.wishes {
		if b.trusted(&w.Meta, l) {
			own := maps.Clone(b.replies[w.Prompt])
			delete(own, w.Reply)
			w.Candidates = slices.Sorted(maps.Keys(own))
			s.Demonstrations = append(s.Demonstrations, *w)
		}
	}
	for _, r := range b.rankings {
		if b.trusted(&r.Meta, l) {
			s.Rankings = append(s.Rankings, *r)
		}
	}
	sortRows(s.Preferences, func(r Preference) string { return r.ID })
	sortRows(s.Demonstrations, func(r Wish) string { return r.ID })
	sortRows(s.Rankings, func(r Ranking) string { return r.ID })
	s.each(func(m *Meta) { m.Topic = topics[m.Topic] })
	b.bound(&s)
	if b.options.BalanceLength {
		balanceLength(s.Preferences)
	}
	return s
}

// bound takes out what repeats other rows and what is over somebody's share.
func (b *builder) bound(s *Set) {
	s.Preferences = distinct(b, s.Preferences, func(r *Preference) *Meta { return &r.Meta },
		func(r Preference) ([]string, uint64) { return []string{r.Chosen, r.Rejected}, 0 })
	s.Unpaired = distinct(b, s.Unpaired, func(r *Unpaired) *Meta { return &r.Meta },
		func(r Unpaired) ([]string, uint64) { return []string{r.Reply}, uint64(sign01(r.Label)) })
	s.Demonstrations = distinct(b, s.Demonstrations, func(r *Wish) *Meta { return &r.Meta },
		func(r Wish) ([]string, uint64) { return []string{r.Reply}, 0 })
	s.Preferences = limit(b, s.Preferences, func(r Preference) Meta { return r.Meta })
	s.Unpaired = limit(b, s.Unpaired, func(r Unpaired) Meta { return r.Meta })
	s.Demonstrations = limit(b, s.Demonstrations, func(r Wish) Meta { return r.Meta })
	s.Rankings = limit(nil, s.Rankings, func(r Ranking) Meta { return r.Meta })
}

// trusted weighs a row that is nobody's verdict by the mean trust in those it is from. It says no, and counts, where there is none.
func (b *builder) trusted(m *Meta, l *ledger) bool {
	if l == nil || len(m.Users) == 0 || m.Source == feedback.Implicit {
		return true
	}
	sum := 0.
	for _, u := range m.Users {
		sum += l.trust(u)
	}
	m.Weight *= sum / float64(len(m.Users))
	if m.Weight == 0 {
		b.drop(dropUnreliable, 1)
	}
	return m.Weight > 0
}

// drawn counts the model's own replies.
func (b *builder) drawn() (d Drawn) {
	for _, replies := range b.replies {
		if len(replies) >= 2 {
			d.Prompts++
			d.Replies += len(replies)
		}
	}
	return d
}

func sortRows[T any](rows []T, id func(T) string) {
	slices.SortFunc(rows, func(x, y T) int { return strings.Compare(id(x), id(y)) })
}

func (b *builder) preference(key pairKey, t *tally, l *ledger) []Preference {
	o := t.sum(l)
	b.drop(dropContradiction, o.lost)
	b.drop(dropUnreliable, o.left)
	if o.net == 0 {
		return nil
	}
	p := Preference{Meta: o.meta, Messages: t.messages, Chosen: key.first, Rejected: key.second}
	if o.net < 0 {
		p.Chosen, p.Rejected = p.Rejected, p.Chosen
	}
	p.ID = rowID("preference", key.prompt, p.Chosen, p.Rejected)
	return []Preference{p}
}

func (b *builder) unpaired(key verdictKey, t *tally, l *ledger) []Unpaired {
	for voter, v := range t.votes {
		if v.weight == 0 {
			b.drop(dropNeutral, 1)
			delete(t.votes, voter)
		}
	}
	o := t.sum(l)
	b.drop(dropContradiction, o.lost)
	b.drop(dropUnreliable, o.left)
	if o.net == 0 {
		return nil
	}
	o.meta.ID = rowID("unpaired", key.prompt, key.reply, map[bool]string{true: "up", false: "down"}[o.net > 0])
	return []Unpaired{{Meta: o.meta, Messages: t.messages, Reply: key.reply, Label: o.net > 0, Target: o.target}}
}

// upDown pairs liked with disliked replies to one prompt: the k-th with the k-th in the order of their ids, the shorter list
// over again. Pairs that somebody compared by themselves are left to that. Rows must be sorted.
func (b *builder) upDown(verdicts []Unpaired) []Preference {
	type sides struct{ up, down []Unpaired }
	byPrompt := map[string]*sides{}
	for _, v := range verdicts {
		if byPrompt[v.Meta.Prompt] == nil {
			byPrompt[v.Meta.Prompt] = &sides{}
		}
		if s := byPrompt[v.Meta.Prompt]; v.Label {
			s.up = append(s.up, v)
		} else {
			s.down = append(s.down, v)
		}
	}
	var made []Preference
	for _, s := range byPrompt {
		if len(s.up) == 0 || len(s.down) == 0 {
			continue
		}
		for k := range max(len(s.up), len(s.down)) {
			up, down := s.up[k%len(s.up)], s.down[k%len(s.down)]
			key := pairKey{up.Meta.Prompt, min(up.Reply, down.Reply), max(up.Reply, down.Reply)}
			if b.pairs[key] != nil {
				continue
			}
			if sameWords(up.Reply, down.Reply, b.options.trivial()) {
				b.drop(dropNear, 1)
				continue
			}
			p := Preference{Meta: up.Meta, Messages: up.Messages, Chosen: up.Reply, Rejected: down.Reply}
			p.Users, p.Events = slices.Clone(p.Users), slices.Clone(p.Events)
			p.absorb(down.Meta)
			p.Class, p.Weight, p.Confidence = UpDown, weightUpDown*min(up.Weight, down.Weight), up.Confidence*down.Confidence
			p.ID = rowID("preference", p.Prompt, p.Chosen, p.Rejected)
			made = append(made, p)
		}
	}
	return made
}

// limit keeps no more rows of one topic or one user than the options allow. Which ones stay is decided by their ids, so by
// chance, and alike each time. It counts what it drops in b, if that is given.
func limit[T any](b *builder, rows []T, meta func(T) Meta) []T {
	share, perTopic := .25, 32
	if b != nil {
		share, perTopic = cmp.Or(b.options.UserShare, share), cmp.Or(b.options.PromptRows, perTopic)
	}
	users := map[string]bool{}
	for _, r := range rows {
		for _, u := range meta(r).Users {
			users[u] = true
		}
	}
	perUser := max(8, int(share*float64(len(rows))+.5))
	if len(users) < 5 || share >= 1 {
		perUser = len(rows)
	}
	byTopic, byUser := map[string]int{}, map[string]int{}
	var kept []T
	for _, r := range rows {
		m := meta(r)
		reason := ""
		if perTopic > 0 && byTopic[m.Topic] >= perTopic {
			reason = dropPromptShare
		}
		for _, u := range m.Users {
			if len(m.Users) == 1 && byUser[u] >= perUser {
				reason = dropUserShare
			}
		}
		if reason != "" {
			if b != nil {
				b.drop(reason, 1)
			}
			continue
		}
		byTopic[m.Topic]++
		for _, u := range m.Users {
			byUser[u]++
		}
		kept = append(kept, r)
	}
	return kept
}
