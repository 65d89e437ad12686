package pairs

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// set turns tallies into rows and limits them.
func (b *builder) set() Set {
	s := Set{Dropped: b.dropped}
	for key, t := range b.verdicts {
		s.Unpaired = append(s.Unpaired, b.unpaired(key, t)...)
	}
	sortRows(s.Unpaired, func(r Unpaired) string { return r.ID })
	for key, t := range b.pairs {
		s.Preferences = append(s.Preferences, b.preference(key, t)...)
	}
	s.Preferences = append(s.Preferences, b.upDown(s.Unpaired)...)
	for _, id := range slices.Sorted(maps.Keys(b.wishes)) {
		w := *b.wishes[id]
		own := maps.Clone(b.replies[w.Prompt])
		delete(own, w.Reply)
		w.Candidates = slices.Sorted(maps.Keys(own))
		s.Demonstrations = append(s.Demonstrations, w)
	}
	for _, id := range slices.Sorted(maps.Keys(b.rankings)) {
		s.Rankings = append(s.Rankings, *b.rankings[id])
	}
	sortRows(s.Preferences, func(r Preference) string { return r.ID })
	s.Preferences = limit(b, s.Preferences, func(r Preference) Meta { return r.Meta })
	s.Unpaired = limit(b, s.Unpaired, func(r Unpaired) Meta { return r.Meta })
	s.Demonstrations = limit(b, s.Demonstrations, func(r Wish) Meta { return r.Meta })
	s.Rankings = limit(nil, s.Rankings, func(r Ranking) Meta { return r.Meta })
	return s
}

func sortRows[T any](rows []T, id func(T) string) {
	slices.SortFunc(rows, func(x, y T) int { return strings.Compare(id(x), id(y)) })
}

func (b *builder) preference(key pairKey, t *tally) []Preference {
	net, m, _, lost := t.sum()
	b.drop(dropContradiction, lost)
	if net == 0 {
		return nil
	}
	p := Preference{Meta: m, Messages: t.messages, Chosen: key.first, Rejected: key.second}
	if net < 0 {
		p.Chosen, p.Rejected = p.Rejected, p.Chosen
	}
	p.ID = rowID("preference", key.prompt, p.Chosen, p.Rejected)
	return []Preference{p}
}

func (b *builder) unpaired(key verdictKey, t *tally) []Unpaired {
	for voter, v := range t.votes {
		if v.weight == 0 {
			b.drop(dropNeutral, 1)
			delete(t.votes, voter)
		}
	}
	net, m, target, lost := t.sum()
	b.drop(dropContradiction, lost)
	if net == 0 {
		return nil
	}
	m.ID = rowID("unpaired", key.prompt, key.reply, map[bool]string{true: "up", false: "down"}[net > 0])
	return []Unpaired{{Meta: m, Messages: t.messages, Reply: key.reply, Label: net > 0, Target: target}}
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
			p := Preference{Meta: up.Meta, Messages: up.Messages, Chosen: up.Reply, Rejected: down.Reply}
			p.Users, p.Events = slices.Clone(p.Users), slices.Clone(p.Events)
			p.absorb(down.Meta)
			p.Class, p.Weight = UpDown, weightUpDown*min(up.Weight, down.Weight)
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
