package pairs

import (
	"cmp"
	"maps"
	"slices"

	"plumb/chat"
	"plumb/feedback"
)

// Similarities from which texts count as one, in shared runs of three words over all of them.
const (
	nearPrompt = .7
	nearRow    = .9
)

// Boilerplate: a run of words that more than this share of the prompts have, where there are enough prompts to tell, is the form they are
// written in. Where what is left of a prompt tells it from others, that alone is compared: prompts filled into one long template are
// not one prompt. Where next to nothing is left the prompt is compared whole.
const (
	commonShare   = .25
	commonPrompts = 20
	telling       = 5 // shingles: three words in a row that no template has
)

// near returns the similarity from which prompts are one topic; above 1 none are.
func (o Options) near() float64 { return cmp.Or(o.Near, nearPrompt) }

// clusters maps each topic to that of its cluster of near-duplicates: the smallest key. Cost: linear in the words of all prompts.
func (b *builder) clusters() map[string]string {
	keys := slices.Sorted(maps.Keys(b.topics))
	of := make(map[string]string, len(keys))
	for _, k := range keys {
		of[k] = k
	}
	if b.options.near() > 1 {
		return of
	}
	sets := make([][]uint64, len(keys))
	seen := map[uint64]int{}
	for i, k := range keys {
		sets[i] = promptShingles(b.topics[k])
		for _, s := range sets[i] {
			seen[s]++
		}
	}
	most := int(commonShare * float64(len(keys)))
	signatures := make([]signature, len(keys))
	for i, set := range sets {
		if len(keys) >= commonPrompts {
			if rest := slices.DeleteFunc(slices.Clone(set), func(s uint64) bool { return seen[s] > most }); len(rest) >= telling {
				set = rest
			}
		}
		signatures[i] = sign(set)
	}
	for i, first := range alike(signatures, b.options.near()) {
		of[keys[i]] = keys[first]
	}
	return of
}

// promptShingles returns the different shingles of what was asked and answered before, without what an operator says to every
// conversation; sorted.
func promptShingles(messages []chat.Message) []uint64 {
	var set []uint64
	for _, system := range []bool{false, true} {
		for _, m := range messages {
			if (m.Role == chat.System) == system {
				set = shingles(set, plainWords(m.Content), uint64(len(m.Role)))
			}
		}
		if len(set) > 0 {
			break
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// distinct leaves out rows that say almost the same about almost the same prompt as one before them. Who said it counts for the row that
// stays, unless that person is among its voters already. Says returns a row's texts, and what else must be equal.
func distinct[T any](b *builder, rows []T, meta func(*T) *Meta, says func(T) (texts []string, side uint64)) []T {
	if b.options.near() > 1 {
		return rows
	}
	first := make(map[uint64]int, bands*len(rows))
	signatures := make([]signature, 0, len(rows))
	var kept []T
	var set []uint64
	for _, r := range rows {
		texts, side := says(r)
		set = set[:0]
		for i, text := range texts {
			set = shingles(set, plainWords(text), uint64(i+1)<<32)
		}
		s := sign(set)
		topic := hashString(meta(&r).Topic) ^ side
		at := -1
		for band := 0; band < bands && len(set) > 0 && at < 0; band++ {
			k, met := first[s.band(band, topic)]
			if met && meta(&kept[k]).Topic == meta(&r).Topic && signatures[k].similarity(&s) >= nearRow {
				at = k
			}
		}
		if at >= 0 {
			b.drop(dropNearRow, 1)
			meta(&kept[at]).join(*meta(&r))
			continue
		}
		for band := range bands {
			if key := s.band(band, topic); len(set) > 0 {
				if _, met := first[key]; !met {
					first[key] = len(kept)
				}
			}
		}
		kept, signatures = append(kept, r), append(signatures, s)
	}
	return kept
}

// join absorbs a row by other people that says the same in almost the same words.
func (m *Meta) join(other Meta) {
	for _, u := range other.Users {
		if slices.Contains(m.Users, u) {
			return
		}
	}
	if len(other.Users) > 0 && other.Source == feedback.Human {
		m.absorb(other)
	}
}

func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}
