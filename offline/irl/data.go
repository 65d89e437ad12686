package irl

import (
	"plumb/chat"
	"plumb/offline/pairs"
	"plumb/offline/rows"
	"plumb/rm"
)

// Data is what people showed.
type Data struct {
	// Demonstrations are replies that people wished for. Their candidates are drawn by the Learner; those they bring along are
	// not used.
	Demonstrations []rm.Demonstration
	// Edits are replies of the model beside what people made of them.
	Edits []rm.Pair
	// Prompts are those on which a policy is improved; nil means those of the demonstrations.
	Prompts [][]chat.Message
}

// FromSet returns what the rows of a run show: wishes as demonstrations, an edit's new text as one too, and edits as pairs, since
// what was edited is worse than what came of it. Votes are left out, but their prompts are there to improve a policy on.
func FromSet(s pairs.Set) Data {
	var d Data
	for _, r := range s.Demonstrations {
		d.Demonstrations = append(d.Demonstrations, rm.Demonstration{Prompt: r.Messages, Reply: r.Reply, Weight: r.Weight, User: first(r.Users)})
	}
	for _, r := range s.Preferences {
		if r.Class == pairs.Edited {
			d.Edits = append(d.Edits, rm.Pair{Prompt: r.Messages, Chosen: r.Chosen, Rejected: r.Rejected, Weight: r.Weight, User: first(r.Users)})
		}
	}
	for _, p := range s.Prompts() {
		d.Prompts = append(d.Prompts, p.Messages)
	}
	return d
}

// FromRows returns demonstrations out of a file. Rows of weight 0 are left out.
func FromRows(all []rows.Demonstration) Data {
	var d Data
	for _, r := range all {
		weight := 1.
		if r.Weight != nil {
			weight = *r.Weight
		}
		if weight > 0 {
			d.Demonstrations = append(d.Demonstrations, rm.Demonstration{Prompt: r.Prompt.Chat(chat.User), Reply: r.Completion.String(), Weight: weight, User: r.User})
		}
	}
	return d
}

func first(users []string) string {
	if len(users) == 0 {
		return ""
	}
	return users[0]
}

// prompts returns the prompts to improve on.
func (d Data) prompts() [][]chat.Message {
	if d.Prompts != nil {
		return d.Prompts
	}
	var all [][]chat.Message
	seen := map[string]bool{}
	for _, r := range d.Demonstrations {
		if key := pairs.PromptKey(r.Prompt); !seen[key] {
			seen[key] = true
			all = append(all, r.Prompt)
		}
	}
	return all
}
