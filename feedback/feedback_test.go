package feedback_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// valid returns an event of a kind that Validate accepts.
func valid(kind string) feedback.Event {
	e := feedback.Event{ID: "fb-1", Generation: "chatcmpl-A", Kind: kind, User: "u-1", Source: feedback.Human, Time: at}
	switch kind {
	case feedback.Thumb:
		e.Candidate, e.Value = "chatcmpl-A.0", 1
	case feedback.Rating:
		e.Value = 5
	case feedback.Comment, feedback.Edit:
		e.Text = "text"
	case feedback.Preference:
		e.Winner, e.Losers = "chatcmpl-A.1", []string{"chatcmpl-A.0", "chatcmpl-A.2"}
	case feedback.Ranking:
		e.Ranking = []string{"chatcmpl-A.1", "chatcmpl-A.0", "chatcmpl-A.2"}
	case feedback.Demonstration:
		e.Generation, e.Text, e.Messages = "", "Hi.", []chat.Message{{Role: chat.User, Content: "Hello"}}
	case feedback.Revoke:
		e.Generation, e.Target = "", "fb-0"
	}
	return e
}

var kinds = []string{feedback.Thumb, feedback.Rating, feedback.Comment, feedback.Edit, feedback.Preference, feedback.Ranking,
	feedback.Demonstration, feedback.Revoke}

func TestValidate(t *testing.T) {
	for _, kind := range kinds {
		if err := valid(kind).Validate(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	many := make([]string, feedback.MaxCompared+1)
	for k := range many {
		many[k] = feedback.CandidateID("chatcmpl-A", k)
	}
	for _, c := range []struct {
		name, kind string
		spoil      func(*feedback.Event)
		param      string
	}{
		{"no id", feedback.Thumb, func(e *feedback.Event) { e.ID = "" }, "id"},
		{"id that is no key", feedback.Thumb, func(e *feedback.Event) { e.ID = "fb {1}" }, "id"},
		{"long id", feedback.Thumb, func(e *feedback.Event) { e.ID = strings.Repeat("a", 129) }, "id"},
		{"no time", feedback.Thumb, func(e *feedback.Event) { e.Time = time.Time{} }, "time"},
		{"no kind", feedback.Thumb, func(e *feedback.Event) { e.Kind = "" }, "kind"},
		{"unknown kind", feedback.Thumb, func(e *feedback.Event) { e.Kind = "like" }, "kind"},
		{"no source", feedback.Thumb, func(e *feedback.Event) { e.Source = "" }, "source"},
		{"unknown source", feedback.Thumb, func(e *feedback.Event) { e.Source = "model" }, "source"},
		{"long user", feedback.Thumb, func(e *feedback.Event) { e.User = strings.Repeat("u", 257) }, "user"},
		{"no generation", feedback.Thumb, func(e *feedback.Event) { e.Generation, e.Candidate = "", "" }, "generation"},
		{"candidate of another", feedback.Thumb, func(e *feedback.Event) { e.Candidate = "chatcmpl-B.0" }, "candidate"},
		{"candidate without a number", feedback.Thumb, func(e *feedback.Event) { e.Candidate = "chatcmpl-A" }, "candidate"},
		{"candidate 01", feedback.Thumb, func(e *feedback.Event) { e.Candidate = "chatcmpl-A.01" }, "candidate"},
		{"thumb 0", feedback.Thumb, func(e *feedback.Event) { e.Value = 0 }, "value"},
		{"thumb 0.5", feedback.Thumb, func(e *feedback.Event) { e.Value = 0.5 }, "value"},
		{"thumb NaN", feedback.Thumb, func(e *feedback.Event) { e.Value = math.NaN() }, "value"},
		{"rating 0", feedback.Rating, func(e *feedback.Event) { e.Value = 0 }, "value"},
		{"rating 6", feedback.Rating, func(e *feedback.Event) { e.Value = 5.5 }, "value"},
		{"rating NaN", feedback.Rating, func(e *feedback.Event) { e.Value = math.NaN() }, "value"},
		{"rating infinite", feedback.Rating, func(e *feedback.Event) { e.Value = math.Inf(1) }, "value"},
		{"comment empty", feedback.Comment, func(e *feedback.Event) { e.Text = " \n" }, "text"},
		{"comment not UTF-8", feedback.Comment, func(e *feedback.Event) { e.Text = "a\xff" }, "text"},
		{"comment with a value", feedback.Comment, func(e *feedback.Event) { e.Value = 1 }, "value"},
		{"thumb with a text", feedback.Thumb, func(e *feedback.Event) { e.Text = "why" }, "text"},
		{"thumb with a winner", feedback.Thumb, func(e *feedback.Event) { e.Winner = "chatcmpl-A.0" }, "winner"},
		{"thumb with a target", feedback.Thumb, func(e *feedback.Event) { e.Target = "fb-0" }, "target"},
		{"preference without losers", feedback.Preference, func(e *feedback.Event) { e.Losers = nil }, "losers"},
		{"preference without a winner", feedback.Preference, func(e *feedback.Event) { e.Winner = "" }, "winner"},
		{"winner of another", feedback.Preference, func(e *feedback.Event) { e.Winner = "chatcmpl-B.0" }, "winner"},
		{"winner among the losers", feedback.Preference, func(e *feedback.Event) { e.Losers[1] = e.Winner }, "losers[1]"},
		{"loser twice", feedback.Preference, func(e *feedback.Event) { e.Losers[1] = e.Losers[0] }, "losers[1]"},
		{"preference with a candidate", feedback.Preference, func(e *feedback.Event) { e.Candidate = "chatcmpl-A.0" }, "candidate"},
		{"too many losers", feedback.Preference, func(e *feedback.Event) { e.Winner, e.Losers = many[0], many[1:] }, "losers"},
		{"ranking of one", feedback.Ranking, func(e *feedback.Event) { e.Ranking = e.Ranking[:1] }, "ranking"},
		{"ranking twice", feedback.Ranking, func(e *feedback.Event) { e.Ranking[2] = e.Ranking[0] }, "ranking[2]"},
		{"ranking of too many", feedback.Ranking, func(e *feedback.Event) { e.Ranking = many }, "ranking"},
		{"demonstration of a generation", feedback.Demonstration, func(e *feedback.Event) { e.Generation = "chatcmpl-A" }, "generation"},
		{"demonstration without a prompt", feedback.Demonstration, func(e *feedback.Event) { e.Messages = nil }, "messages"},
		{"demonstration without a reply", feedback.Demonstration, func(e *feedback.Event) { e.Text = "" }, "text"},
		{"message without a role", feedback.Demonstration, func(e *feedback.Event) { e.Messages[0].Role = "" }, "messages[0].role"},
		{"message not UTF-8", feedback.Demonstration, func(e *feedback.Event) { e.Messages[0].Content = "\xff" }, "messages[0]"},
		{"revoke of nothing", feedback.Revoke, func(e *feedback.Event) { e.Target = "" }, "target"},
		{"revoke with a value", feedback.Revoke, func(e *feedback.Event) { e.Value = 1 }, "value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := valid(c.kind)
			c.spoil(&e)
			var refused *chat.Error
			if err := e.Validate(); !errors.As(err, &refused) || refused.Kind != chat.Invalid || refused.Param != c.param {
				t.Fatalf("%v, want one about %s", err, c.param)
			}
		})
	}
	big := valid(feedback.Edit)
	big.Text = strings.Repeat("x", feedback.MaxText)
	if err := big.Validate(); err != nil {
		t.Error(err)
	}
	big.Text += "x"
	if err := big.Validate(); chat.KindOf(err) != chat.TooLarge {
		t.Error(err)
	}
}

func TestKeyAndContent(t *testing.T) {
	keys := map[string]string{}
	for _, kind := range kinds {
		e := valid(kind)
		if other := keys[e.Key()]; other != "" {
			t.Errorf("%s has the key of %s", kind, other)
		}
		keys[e.Key()] = kind
		again := e
		again.ID, again.Time = "fb-2", at.Add(time.Hour)
		if again.Key() != e.Key() || again.Content() != e.Content() {
			t.Errorf("%s: id or time count", kind)
		}
		again.User = "u-2"
		if again.Key() == e.Key() {
			t.Errorf("%s: the user does not count", kind)
		}
		again = e
		if again.Source = feedback.Implicit; again.Key() != e.Key() || again.Content() == e.Content() {
			t.Errorf("%s: the source is not content", kind)
		}
	}
	// Fields must not run into each other.
	a, b := valid(feedback.Demonstration), valid(feedback.Demonstration)
	a.Messages[0].Content, a.Text = "ab", "c"
	b.Messages[0].Content, b.Text = "a", "bc"
	if a.Key() == b.Key() {
		t.Error("prompt and reply run into each other")
	}
	p := valid(feedback.Preference)
	turned := p
	turned.Winner, turned.Losers = "chatcmpl-A.0", []string{"chatcmpl-A.2", "chatcmpl-A.1"}
	if p.Key() != turned.Key() || p.Content() == turned.Content() {
		t.Error("a comparison turned round is another word about the same")
	}
	if slices.IsSorted(turned.Losers) {
		t.Error("Key or Content reordered the losers")
	}
}

func TestMeet(t *testing.T) {
	human, implied := valid(feedback.Thumb), valid(feedback.Thumb)
	implied.Source = feedback.Implicit
	for _, c := range []struct {
		name            string
		e               feedback.Event
		live            bool
		content, source string
		want            feedback.Effect
	}{
		{"nothing live", human, false, "", "", feedback.Add},
		{"the same", human, true, human.Content(), feedback.Human, feedback.Repeat},
		{"another", human, true, "other", feedback.Human, feedback.Replace},
		{"a person after behaviour", human, true, "other", feedback.Implicit, feedback.Replace},
		{"behaviour after a person", implied, true, "other", feedback.Human, feedback.Yield},
		{"behaviour after behaviour", implied, true, "other", feedback.Implicit, feedback.Replace},
		{"the same behaviour", implied, true, implied.Content(), feedback.Implicit, feedback.Repeat},
	} {
		if got := feedback.Meet(c.e, c.live, c.content, c.source); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	g := feedback.Generation{ID: "chatcmpl-A", Candidates: []feedback.Candidate{{ID: "chatcmpl-A.0"}, {ID: "chatcmpl-A.1", Shown: true}, {ID: "chatcmpl-A.2"}}}
	for _, kind := range kinds[:6] {
		e := valid(kind)
		e.Candidate = ""
		got, err := feedback.Resolve(e, g)
		if err != nil || got.Validate() != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if one := kind != feedback.Preference && kind != feedback.Ranking; one != (got.Candidate == "chatcmpl-A.1") {
			t.Errorf("%s means %q", kind, got.Candidate)
		}
	}
	p := valid(feedback.Preference)
	p.Losers[1] = "chatcmpl-A.7"
	if _, err := feedback.Resolve(p, g); chat.KindOf(err) != chat.NotFound {
		t.Error(err)
	}
	e := valid(feedback.Thumb)
	e.Candidate = ""
	g.Candidates[0].Shown = true
	if _, err := feedback.Resolve(e, g); chat.KindOf(err) != chat.Invalid || err == nil {
		t.Error("two replies were shown:", err)
	}
	if _, err := feedback.Resolve(e, feedback.Generation{ID: "chatcmpl-A"}); chat.KindOf(err) != chat.Invalid || err == nil {
		t.Error("none was shown:", err)
	}
}

func TestIDs(t *testing.T) {
	a, b := feedback.NewGenerationID(at), feedback.NewGenerationID(at.Add(time.Millisecond))
	if a >= b || len(a) != len("chatcmpl-")+26 || a == feedback.NewGenerationID(at) {
		t.Error(a, b)
	}
	if id := feedback.NewEventID(at); !feedback.IsEventID(id) || feedback.IsEventID(a) {
		t.Error(id)
	}
	if g, k, ok := feedback.SplitCandidateID(feedback.CandidateID(a, 12)); g != a || k != 12 || !ok {
		t.Error(g, k, ok)
	}
	for _, bad := range []string{"", a, a + ".", a + ".-1", a + ".01", a + ".x", ".1", a + ".99999999999999999999"} {
		if _, _, ok := feedback.SplitCandidateID(bad); ok {
			t.Errorf("%q is no candidate", bad)
		}
	}
}

func TestHashUser(t *testing.T) {
	salt := []byte("salt")
	// printf ada | openssl dgst -sha256 -hmac salt
	if got := feedback.HashUser(salt, "ada"); got != "u-eea2850d559a1b7c80da278f4a293ffa" {
		t.Error(got)
	}
	if feedback.HashUser(salt, "ada") == feedback.HashUser([]byte("other"), "ada") || feedback.HashUser(salt, "ada") == feedback.HashUser(salt, "bob") {
		t.Error("salt or user does not count")
	}
	if feedback.HashUser(salt, "") != "" {
		t.Error("nobody has a hash")
	}
}

func TestQuery(t *testing.T) {
	for limit, want := range map[int]int{0: 100, 1: 1, 1000: 1000, -1: -1, 1001: -1} {
		got, err := feedback.Query{Limit: limit}.Size()
		if want < 0 && chat.KindOf(err) != chat.Invalid || want > 0 && (err != nil || got != want) {
			t.Errorf("limit %d: %d, %v", limit, got, err)
		}
	}
	for after, want := range map[string]int64{"": 0, feedback.Seq(12): 12, "-1": -1, "x": -1, "1e3": -1} {
		got, err := feedback.Query{After: after}.AfterSeq()
		if want < 0 && chat.KindOf(err) != chat.Invalid || want >= 0 && (err != nil || got != want) {
			t.Errorf("after %q: %d, %v", after, got, err)
		}
	}
}

// FuzzDecodeEvent: what is decoded is valid, and survives being written and read again.
func FuzzDecodeEvent(f *testing.F) {
	for _, kind := range kinds {
		b, err := feedback.EncodeEvent(valid(kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"id":"fb-1","kind":"thumb","value":1e999}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := feedback.DecodeEvent(b)
		if err != nil {
			return
		}
		again, err := feedback.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := feedback.DecodeEvent(again)
		if err != nil {
			t.Fatal(err)
		}
		if back.Key() != e.Key() || back.Content() != e.Content() || back.ID != e.ID {
			t.Fatalf("%+v became %+v", e, back)
		}
		third, err := feedback.EncodeEvent(back)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s", again, third)
		}
	})
}

func FuzzDecodeGeneration(f *testing.F) {
	f.Add([]byte(`{"id":"chatcmpl-A","candidates":[{"id":"chatcmpl-A.0","reward":1.5}],"metadata":{"a":[1]}}`))
	f.Add([]byte(`{"id":"chatcmpl-A","messages":[{"role":"user","tool_calls":[{}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := feedback.DecodeGeneration(b)
		if err != nil {
			return
		}
		again, err := feedback.EncodeGeneration(g)
		if err != nil {
			return // an id that is no key
		}
		back, err := feedback.DecodeGeneration(again)
		if err != nil {
			t.Fatal(err)
		}
		third, err := feedback.EncodeGeneration(back)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s", again, third)
		}
		if len(g.Candidates) != len(back.Candidates) {
			t.Fatal("candidates were lost")
		}
	})
}
