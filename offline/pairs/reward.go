package pairs

import "plumb/rm"

// RewardData returns the rows as a reward model is fitted from them: rankings whole, not as their pairs; demonstrations only
// beside replies of the model itself.
func (s Set) RewardData() rm.Data {
	var d rm.Data
	for _, r := range s.Preferences {
		if r.Class != Ranked && r.Class != UpDown { // their rankings and thumbs are in the data as such
			d.Pairs = append(d.Pairs, rm.Pair{Prompt: r.Messages, Chosen: r.Chosen, Rejected: r.Rejected, Weight: r.Weight, User: first(r.Users)})
		}
	}
	for _, r := range s.Unpaired {
		d.Thumbs = append(d.Thumbs, rm.Thumbed{Prompt: r.Messages, Reply: r.Reply, Target: r.Target, Weight: r.Weight, User: first(r.Users)})
	}
	for _, r := range s.Rankings {
		d.Rankings = append(d.Rankings, rm.Ranking{Prompt: r.Messages, Replies: r.Replies, Weight: r.Weight, User: first(r.Users)})
	}
	for _, r := range s.Demonstrations {
		if r.Class == Demonstration && len(r.Candidates) > 0 { // an edit is among the pairs
			d.Demonstrations = append(d.Demonstrations, rm.Demonstration{Prompt: r.Messages, Reply: r.Reply, Candidates: r.Candidates, Weight: r.Weight, User: first(r.Users)})
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
