package offline

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"plumb/offline/pairs"
)

// said makes n rows of as many prompts by users in turn.
func said(n, users int) (s pairs.Set) {
	for i := range n {
		m := pairs.Meta{ID: fmt.Sprint(i), Source: "human", Weight: 1}
		if users > 0 {
			m.Users = []string{fmt.Sprint("u", i%users)}
		}
		s.Preferences = append(s.Preferences, pairs.Preference{Meta: m, Chosen: "a", Rejected: "b"})
	}
	return s
}

func TestOpinions(t *testing.T) {
	for _, c := range []struct {
		name         string
		s            split
		others       bool
		most, theirs int // rows of training and second opinion, at most and at least
	}{
		{"split by user already", split{Train: said(100, 20), HeldOut: said(30, 5), Divided: pairs.Divided{ByUser: true}}, true, 100, 30},
		{"few users", split{Train: said(900, 9), HeldOut: said(300, 9)}, false, 900, 300},
		{"few votes", split{Train: said(160, 12), HeldOut: said(40, 12)}, false, 160, 40},
		{"nobody has a name", split{Train: said(160, 0), HeldOut: said(400, 0)}, false, 160, 400},
		{"enough of both", split{Train: said(900, 40), HeldOut: said(300, 40)}, true, 800, 50},
	} {
		training, second, others := opinions(c.s)
		if others != c.others || training.Len() > c.most || training.Len() == 0 || second.Len() < c.theirs {
			t.Errorf("%s: %d and %d rows, other users %v", c.name, training.Len(), second.Len(), others)
		}
		if !c.s.Divided.ByUser && others {
			both := map[string]bool{}
			for _, u := range training.Users() {
				both[u] = true
			}
			if slices.ContainsFunc(second.Users(), func(u string) bool { return both[u] }) {
				t.Errorf("%s: users of both: %v and %v", c.name, slices.Sorted(maps.Keys(both)), second.Users())
			}
		}
	}
}
