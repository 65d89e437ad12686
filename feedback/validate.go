package feedback

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"plumb/chat"
)

// Limits of one [Event].
const (
	MaxText     = 4 << 20 // bytes of Text and Messages together
	MaxCompared = 64      // candidates in a preference or ranking
	maxUser     = 256     // bytes
)

// Validate says whether e can be stored: an id, a time, a known kind and source, every field that the kind needs in its
// range, and none that it has no use for. The error is a [chat.Error] of kind Invalid, or TooLarge, and its Param is the
// JSON name of the field ("losers[1]"). Validate does not know whether the things named exist: see [Resolve].
func (e Event) Validate() error {
	switch {
	case !validID(e.ID):
		return invalid("id", "id %s: want 1 to %d of A-Z a-z 0-9 . _ : -", quote(e.ID), maxID)
	case e.Time.IsZero():
		return invalid("time", "time is not set")
	case e.Source != Human && e.Source != Implicit && e.Source != Import && e.Source != Model:
		return invalid("source", "source %s: want %s, %s, %s or %s", quote(e.Source), Human, Implicit, Import, Model)
	case len(e.User) > maxUser || !utf8.ValidString(e.User):
		return invalid("user", "user: want at most %d bytes of UTF-8", maxUser)
	}
	use, ok := uses[e.Kind]
	if !ok {
		return invalid("kind", "kind %s: want %s, %s, %s, %s, %s, %s, %s or %s", quote(e.Kind),
			Thumb, Rating, Comment, Preference, Ranking, Edit, Demonstration, Revoke)
	}
	if err := e.unused(use); err != nil {
		return err
	}
	for _, check := range []func(Event, fields) error{checkObject, checkValue, checkCompared, checkText} {
		if err := check(e, use); err != nil {
			return err
		}
	}
	return nil
}

// fields says which optional fields of an event a kind uses.
type fields struct{ generation, candidate, value, pair, ranking, text, messages, target bool }

var uses = map[string]fields{
	Thumb:         {generation: true, candidate: true, value: true},
	Rating:        {generation: true, candidate: true, value: true},
	Comment:       {generation: true, candidate: true, text: true},
	Edit:          {generation: true, candidate: true, text: true},
	Preference:    {generation: true, pair: true},
	Ranking:       {generation: true, ranking: true},
	Demonstration: {text: true, messages: true},
	Revoke:        {generation: true, candidate: true, target: true}, // the object is copied from the target
}

// unused returns an error for the first field that is set and has no meaning for e's kind.
func (e Event) unused(use fields) error {
	for _, f := range []struct {
		name      string
		used, set bool
	}{
		{"generation", use.generation, e.Generation != ""},
		{"candidate", use.candidate, e.Candidate != ""},
		{"value", use.value, e.Value != 0},
		{"winner", use.pair, e.Winner != ""},
		{"losers", use.pair, len(e.Losers) > 0},
		{"ranking", use.ranking, len(e.Ranking) > 0},
		{"text", use.text, e.Text != ""},
		{"messages", use.messages, len(e.Messages) > 0},
		{"target", use.target, e.Target != ""},
	} {
		if f.set && !f.used {
			return invalid(f.name, "%s: not used by kind %s", f.name, e.Kind)
		}
	}
	return nil
}

func checkObject(e Event, use fields) error {
	switch {
	case use.target && !validID(e.Target):
		return invalid("target", "target %s: want the id of the event to withdraw", quote(e.Target))
	case use.target || !use.generation:
		return nil
	case !validID(e.Generation):
		return invalid("generation", "generation %s: want the id of a generation", quote(e.Generation))
	case e.Candidate != "":
		return checkCandidate("candidate", e.Candidate, e.Generation)
	}
	return nil
}

func checkCandidate(param, id, generation string) error {
	if of, _, ok := SplitCandidateID(id); !ok || of != generation || !validID(id) {
		return invalid(param, "%s %s: want a candidate of %s, as %s", param, quote(id), generation, CandidateID(generation, 0))
	}
	return nil
}

func checkValue(e Event, _ fields) error {
	switch {
	case e.Kind == Thumb && e.Value != 1 && e.Value != -1:
		return invalid("value", "value %v: a thumb is 1 or -1", e.Value)
	case e.Kind == Rating && (math.IsNaN(e.Value) || e.Value < 1 || e.Value > 5):
		return invalid("value", "value %v: a rating is between 1 and 5", e.Value)
	}
	return nil
}

// checkCompared checks the candidates of a preference or ranking: enough, not too many, of the generation, distinct.
func checkCompared(e Event, use fields) error {
	var ids, params []string
	add := func(param, id string) { ids, params = append(ids, id), append(params, param) }
	switch {
	case use.pair:
		if len(e.Losers) == 0 {
			return invalid("losers", "losers: want at least one candidate that the winner was preferred to")
		}
		add("winner", e.Winner)
		for i, id := range e.Losers {
			add(fmt.Sprintf("losers[%d]", i), id)
		}
	case use.ranking:
		if len(e.Ranking) < 2 {
			return invalid("ranking", "ranking has %d candidates: want at least 2, best first", len(e.Ranking))
		}
		for i, id := range e.Ranking {
			add(fmt.Sprintf("ranking[%d]", i), id)
		}
	}
	if len(ids) > MaxCompared {
		return invalid(strings.TrimRight(params[1], "[0123456789]"), "%d candidates compared: at most %d", len(ids), MaxCompared)
	}
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		if err := checkCandidate(params[i], id, e.Generation); err != nil {
			return err
		}
		if seen[id] {
			return invalid(params[i], "%s %s: named twice", params[i], quote(id))
		}
		seen[id] = true
	}
	return nil
}

func checkText(e Event, use fields) error {
	if use.text && strings.TrimSpace(e.Text) == "" {
		return invalid("text", "text is empty: kind %s needs it", e.Kind)
	}
	if use.messages && len(e.Messages) == 0 {
		return invalid("messages", "messages is empty: a demonstration needs the prompt it answers")
	}
	if !utf8.ValidString(e.Text) {
		return invalid("text", "text is not valid UTF-8")
	}
	size := len(e.Text)
	for i, m := range e.Messages {
		switch m.Role {
		case chat.System, chat.User, chat.Assistant, chat.Tool:
		default:
			return invalid(fmt.Sprintf("messages[%d].role", i), "messages[%d].role %s: want %s, %s, %s or %s", i, quote(m.Role),
				chat.System, chat.User, chat.Assistant, chat.Tool)
		}
		if !utf8.ValidString(m.Content) || !utf8.ValidString(m.Name) || !utf8.ValidString(m.ToolCallID) {
			return invalid(fmt.Sprintf("messages[%d]", i), "messages[%d] is not valid UTF-8", i)
		}
		size += len(m.Content) + len(m.Name) + len(m.ToolCalls) + len(m.ToolCallID)
	}
	if size > MaxText {
		return &chat.Error{Kind: chat.TooLarge, Param: "text", Msg: fmt.Sprintf("text and messages have %d bytes: at most %d", size, MaxText)}
	}
	return nil
}

func invalid(param, format string, args ...any) *chat.Error {
	return &chat.Error{Kind: chat.Invalid, Param: param, Msg: fmt.Sprintf(format, args...)}
}

// quote quotes a value for an error message and cuts it where it is long.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return fmt.Sprintf("%q", s)
}
