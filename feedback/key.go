package feedback

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"plumb/chat"
)

// Key names what e is the one live word about: the user, the object and the kind. Of all events with one key at most
// one is live. The object is
//   - the candidate for thumb, rating, comment and edit, or the generation where no candidate is named,
//   - the set of candidates compared for preference and ranking, so that a user who compares .0 with .1 and then .1
//     with .2 has said two things, and one who turns the first comparison round has changed a mind,
//   - the prompt with the reply for demonstration: two good replies to one prompt are two demonstrations,
//   - the target for revoke.
//
// A key is the kind, a colon and 128 bits of SHA-256 in hex.
func (e Event) Key() string {
	object := []string{e.Generation}
	switch e.Kind {
	case Thumb, Rating, Comment, Edit:
		object[0] = cmp.Or(e.Candidate, e.Generation)
	case Preference, Ranking:
		object = append(append(slices.Clone(e.Losers), e.Ranking...), e.Winner)
		slices.Sort(object)
	case Demonstration:
		object = []string{digest(e.Messages), e.Text}
	case Revoke:
		object = []string{e.Target}
	}
	return e.Kind + ":" + digest([]any{e.User, e.Kind, object})
}

// Content is a hash of what e says: two events with the same Key and Content are the same word said twice. The id and the
// time do not count, nor does the order of the losers; the source does, so that a person can confirm what behaviour
// had implied.
func (e Event) Content() string {
	losers := slices.Clone(e.Losers)
	slices.Sort(losers)
	return digest(struct {
		Kind, Winner    string
		Value           float64
		Losers, Ranking []string
		Text            string
		Messages        []chat.Message
		Target, Source  string
	}{e.Kind, e.Winner, e.Value, losers, e.Ranking, e.Text, e.Messages, e.Target, e.Source})
}

// digest hashes the JSON of v. What JSON cannot say (a NaN) hashes as nothing; Validate refuses such events.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		b = nil
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Effect is what storing an event means for the one that is live under its key.
type Effect string

const (
	Add     Effect = "add"     // none is live: the new one is, from now on
	Replace Effect = "replace" // the new one is live, the other is history
	Repeat  Effect = "repeat"  // the live one says the same: the new id becomes another name for it
	Yield   Effect = "yield"   // a person's own word is live and the new one is not a person's: it goes into history
)

// Meet decides what storing e does where an event with this content and source is live under e.Key(); live is false
// where none is. Every store decides by this rule, and feedbacktest holds them to it.
func Meet(e Event, live bool, content, source string) Effect {
	switch {
	case !live:
		return Add
	case content == e.Content():
		return Repeat
	case source == Human && e.Source != Human:
		return Yield
	}
	return Replace
}

// Withdrawing returns the revoke e as it is kept: about what its target is about and, where e names no user, by the
// target's user. Target is set to the target's own id, should e have used another name for it.
func (e Event) Withdrawing(target Event) Event {
	e.Target, e.Generation, e.Candidate = target.ID, target.Generation, target.Candidate
	e.User = cmp.Or(e.User, target.User)
	return e
}
