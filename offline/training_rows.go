package offline

import (
	"plumb/offline/balance"
	"plumb/offline/pairs"
	"plumb/offline/rows"
	"plumb/offline/train"
)

func preferenceRows(s pairs.Set) []rows.Preference {
	var all []rows.Preference
	for _, r := range s.Preferences {
		all = append(all, r.Row())
	}
	return all
}

// unpairedRows returns single replies: those with thumbs, and both replies of each pair that people compared. Pairs made of thumbs
// are in it as those thumbs. For kto the sides are balanced, unless c says how; for bco disliked replies are weighed by their prompts.
func unpairedRows(s pairs.Set, c train.Config) []rows.Unpaired {
	all := singleReplies(s)
	switch {
	case c.Method == "kto" && c.Desirable == 0 && c.Undesirable == 0:
		up, down := balance.Sides(all)
		for i := range all {
			reweigh(&all[i], map[bool]float64{true: up, false: down}[all[i].Label])
		}
	case c.Method == "bco":
		for i, w := range balance.Density(all) {
			reweigh(&all[i], w)
		}
	}
	return all
}

// reweigh multiplies a row's weight, which rows of one vote share.
func reweigh(r *rows.Unpaired, by float64) {
	w := by
	if r.Weight != nil {
		w *= *r.Weight
	}
	r.Weight = &w
}

func singleReplies(s pairs.Set) []rows.Unpaired {
	var all []rows.Unpaired
	for _, r := range s.Unpaired {
		all = append(all, r.Row())
	}
	for _, r := range s.Preferences {
		if r.Class == pairs.UpDown {
			continue
		}
		p := r.Row()
		all = append(all, rows.Unpaired{Prompt: p.Prompt, Completion: p.Chosen, Label: true, Weight: p.Weight, User: p.User, Source: p.Source, ID: p.ID})
		all = append(all, rows.Unpaired{Prompt: p.Prompt, Completion: p.Rejected, Weight: p.Weight, User: p.User, Source: p.Source, ID: p.ID})
	}
	return all
}

// demonstrationRows returns replies to imitate: what people wrote, and what they liked as it was.
func demonstrationRows(s pairs.Set) []rows.Demonstration {
	var all []rows.Demonstration
	for _, r := range s.Demonstrations {
		all = append(all, r.Row())
	}
	for _, r := range s.Unpaired {
		if r.Label {
			u := r.Row()
			all = append(all, rows.Demonstration{Prompt: u.Prompt, Completion: u.Completion, Weight: u.Weight, User: u.User, Source: u.Source, ID: u.ID})
		}
	}
	return all
}

// likedRows returns replies to imitate where nobody showed a better one: demonstrations, liked replies, and what was chosen when people
// compared. A pair made of two thumbs is in it as its thumb.
func likedRows(s pairs.Set) []rows.Demonstration {
	all := demonstrationRows(s)
	for _, r := range s.Preferences {
		if r.Class != pairs.UpDown {
			p := r.Row()
			all = append(all, rows.Demonstration{Prompt: p.Prompt, Completion: p.Chosen, Weight: p.Weight, User: p.User, Source: p.Source, ID: p.ID})
		}
	}
	return all
}
