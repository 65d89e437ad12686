package pairs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Split parts rows into those to train on and those held out, by prompt and user, never by row. The zero value is what runs
// use. It has no random part: a prompt, or a user, is always on the same side under the same Salt. (A prompt changes sides only where
// a near-duplicate of it, first seen since, gives their cluster another key.)
type Split struct {
	Prompts float64 // share of topics held out; 0 means .2
	Users   float64 // share of users held out, where there are enough; 0 means .2
	Least   int     // rows held out by both that are enough; 0 means 50
	Salt    string
}

// Divided says how a set was split.
type Divided struct {
	ByUser  bool   `json:"by_user"` // no user of a held-out row has a row in training
	Reason  string `json:"reason"`
	Between int    `json:"between"` // rows on neither side: a held-out prompt with a training user, or the reverse
}

// Split parts s. A row is held out if its topic is. Where at least Least such rows are by held-out users alone and there are ten
// users or more, the rest of the split is strict: rows with one foot on each side are left out. Otherwise users are on both
// sides, and Divided says so.
func (s Set) Split(by Split) (train, heldOut Set, how Divided) {
	share := func(x float64) float64 {
		if x == 0 {
			return .2
		}
		return x
	}
	prompt := func(m Meta) bool { return fraction(by.Salt, "topic", m.Topic) < share(by.Prompts) }
	// A row is by held-out users if all are, by training users if none is.
	user := func(m Meta) (held, kept bool) {
		held, kept = len(m.Users) > 0, true
		for _, u := range m.Users {
			if fraction(by.Salt, "user", u) < share(by.Users) {
				kept = false
			} else {
				held = false
			}
		}
		return held, kept
	}
	strict := s.filter(func(m Meta) bool { held, _ := user(m); return held && prompt(m) })
	users, least := s.users(), by.Least
	if least == 0 {
		least = 50
	}
	if len(users) >= 10 && strict.Human().Len() >= least {
		train = s.filter(func(m Meta) bool { _, kept := user(m); return kept && !prompt(m) })
		how = Divided{ByUser: true, Between: s.Len() - train.Len() - strict.Len(),
			Reason: fmt.Sprintf("%d held-out rows share neither prompt nor user with training", strict.Len())}
		return train, strict, how
	}
	train = s.filter(func(m Meta) bool { return !prompt(m) })
	heldOut = s.filter(prompt)
	how.Reason = fmt.Sprintf("by prompt alone: %d users and %d rows that share neither prompt nor user are too few (10 and %d are wanted)",
		len(users), strict.Human().Len(), least)
	return train, heldOut, how
}

// Users returns everybody who had a part in a row, sorted.
func (s Set) Users() []string { return slices.Sorted(maps.Keys(s.users())) }

// users returns everybody who had a part in a row.
func (s Set) users() map[string]bool {
	users := map[string]bool{}
	for _, m := range s.metas() {
		for _, u := range m.Users {
			users[u] = true
		}
	}
	return users
}

// fraction maps a key to [0, 1), evenly and always alike.
func fraction(salt, kind, key string) float64 {
	sum := sha256.Sum256([]byte(salt + "\x00" + kind + "\x00" + key))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
