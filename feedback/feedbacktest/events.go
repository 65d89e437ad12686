package feedbacktest

import (
	"strings"
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

// everyKind holds one valid event of each kind but revoke, by u-1 on generation chatcmpl-A.
func everyKind() []feedback.Event {
	const g, c0, c1, c2 = "chatcmpl-A", "chatcmpl-A.0", "chatcmpl-A.1", "chatcmpl-A.2"
	events := []feedback.Event{
		{ID: "fb-thumb", Kind: feedback.Thumb, Generation: g, Candidate: c0, Value: -1},
		{ID: "fb-whole", Kind: feedback.Thumb, Generation: g, Value: 1},
		{ID: "fb-rating", Kind: feedback.Rating, Generation: g, Candidate: c0, Value: 3.5},
		{ID: "fb-comment", Kind: feedback.Comment, Generation: g, Candidate: c0, Text: "Grüße 世界 👋🏽 \u2028 \x00 <b>"},
		{ID: "fb-edit", Kind: feedback.Edit, Generation: g, Candidate: c1, Text: "better"},
		{ID: "fb-preference", Kind: feedback.Preference, Generation: g, Winner: c1, Losers: []string{c2, c0}},
		{ID: "fb-ranking", Kind: feedback.Ranking, Generation: g, Ranking: []string{c2, c0, c1}},
		{ID: "fb-demonstration", Kind: feedback.Demonstration, Text: "Hi.",
			Messages: []chat.Message{{Role: chat.System, Content: "Short."}, {Role: chat.User, Content: "Hello"}}},
	}
	for i := range events {
		events[i].User, events[i].Source, events[i].Time = "u-1", feedback.Human, start
	}
	return events
}

var eventTests = map[string]func(*testing.T, feedback.Log){
	"event of every kind is read back": func(t *testing.T, l feedback.Log) {
		var want []string
		for _, e := range everyKind() {
			same(t, e, put(t, l, e))
			got, err := l.Event(t.Context(), e.ID)
			if err != nil {
				t.Fatal(err)
			}
			same(t, e, got)
			want = append(want, e.ID)
		}
		wantLive(t, l, feedback.Query{}, want...)
		wantLive(t, l, feedback.Query{Generation: "chatcmpl-A"}, want[:7]...)
	},
	"event unknown": func(t *testing.T, l feedback.Log) {
		_, err := l.Event(t.Context(), "fb-none")
		wantKind(t, err, chat.NotFound, "")
	},
	"event refused": func(t *testing.T, l feedback.Log) {
		e := thumb("fb-1", "chatcmpl-A", "u-1", 3)
		_, _, err := l.PutEvent(t.Context(), e)
		wantKind(t, err, chat.Invalid, "value")
		e = thumb("", "chatcmpl-A", "u-1", 1)
		_, _, err = l.PutEvent(t.Context(), e)
		wantKind(t, err, chat.Invalid, "id")
		wantLive(t, l, feedback.Query{})
	},
	"event with a big text": func(t *testing.T, l feedback.Log) {
		e := everyKind()[4]
		e.Text = strings.Repeat("long ünï \n", 100_000)
		put(t, l, e)
		got, err := l.Event(t.Context(), e.ID)
		if err != nil || got.Text != e.Text {
			t.Fatalf("%d bytes read, %d written, %v", len(got.Text), len(e.Text), err)
		}
	},
	"the same again changes nothing": func(t *testing.T, l feedback.Log) {
		for _, e := range everyKind() {
			put(t, l, e)
		}
		for _, e := range everyKind() {
			first := e.ID
			e.ID, e.Time = e.ID+"-again", start.AddDate(0, 0, 1)
			if live := put(t, l, e); live.ID != first {
				t.Errorf("%s: %s is live, want %s", e.Kind, live.ID, first)
			}
			// The id that was not needed is another name for the first.
			if got, err := l.Event(t.Context(), e.ID); err != nil || got.ID != first {
				t.Errorf("%s: read %q, %v", e.ID, got.ID, err)
			}
			if e.Kind == feedback.Preference {
				e.ID, e.Losers = "fb-turned", []string{"chatcmpl-A.0", "chatcmpl-A.2"}
				if live := put(t, l, e); live.ID != first {
					t.Errorf("losers in another order: %s is live", live.ID)
				}
			}
		}
		if events, _, err := l.Events(t.Context(), feedback.Query{}); err != nil || len(events) != len(everyKind()) {
			t.Fatalf("%d live events, %v", len(events), err)
		}
	},
	"the last word wins and the first is history": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		if live := put(t, l, thumb("fb-2", "chatcmpl-A", "u-1", -1)); live.ID != "fb-2" {
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{}, "fb-2")
		put(t, l, thumb("fb-3", "chatcmpl-A", "u-1", 1))
		wantLive(t, l, feedback.Query{}, "fb-3")
		for id, value := range map[string]float64{"fb-1": 1, "fb-2": -1} {
			if e, err := l.Event(t.Context(), id); err != nil || e.Value != value {
				t.Errorf("history %s: %v, %v", id, e.Value, err)
			}
		}
	},
	"users, candidates and kinds do not meet": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, thumb("fb-2", "chatcmpl-A", "u-2", -1))
		put(t, l, thumb("fb-3", "chatcmpl-A", "", -1))
		put(t, l, thumb("fb-4", "chatcmpl-AA", "u-1", -1))
		other := thumb("fb-5", "chatcmpl-A", "u-1", -1)
		other.Candidate = "chatcmpl-A.1"
		put(t, l, other)
		rating := thumb("fb-6", "chatcmpl-A", "u-1", 1)
		rating.Kind = feedback.Rating
		put(t, l, rating)
		wantLive(t, l, feedback.Query{}, "fb-1", "fb-2", "fb-3", "fb-4", "fb-5", "fb-6")
	},
	"a comparison turned round replaces": func(t *testing.T, l feedback.Log) {
		e := everyKind()[5] // .1 over .2 and .0
		put(t, l, e)
		e.ID, e.Winner, e.Losers = "fb-turned", "chatcmpl-A.0", []string{"chatcmpl-A.1", "chatcmpl-A.2"}
		put(t, l, e)
		e.ID, e.Winner, e.Losers = "fb-other", "chatcmpl-A.0", []string{"chatcmpl-A.1"} // another comparison
		put(t, l, e)
		wantLive(t, l, feedback.Query{}, "fb-turned", "fb-other")
	},
	"behaviour does not overrule a person": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		implied := thumb("fb-2", "chatcmpl-A", "u-1", -1)
		implied.Source = feedback.Implicit
		if live := put(t, l, implied); live.ID != "fb-1" {
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{}, "fb-1")
		if e, err := l.Event(t.Context(), "fb-2"); err != nil || e.ID != "fb-2" {
			t.Fatalf("history: %q, %v", e.ID, err)
		}
		implied = thumb("fb-3", "chatcmpl-B", "u-1", -1)
		implied.Source = feedback.Implicit
		put(t, l, implied)
		confirmed := thumb("fb-4", "chatcmpl-B", "u-1", -1) // the same, but a person says it
		if live := put(t, l, confirmed); live.ID != "fb-4" {
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{}, "fb-1", "fb-4")
	},
	"an id put again changes nothing": func(t *testing.T, l feedback.Log) {
		up, down := thumb("fb-1", "chatcmpl-A", "u-1", 1), thumb("fb-2", "chatcmpl-A", "u-1", -1)
		again := thumb("fb-3", "chatcmpl-A", "u-1", 1)
		put(t, l, up)
		put(t, l, again) // becomes another name for fb-1
		put(t, l, down)
		for _, e := range []feedback.Event{up, again, down} {
			if live := put(t, l, e); live.ID != "fb-2" {
				t.Fatalf("%s again: %s is live", e.ID, live.ID)
			}
		}
		wantLive(t, l, feedback.Query{}, "fb-2")
	},
}
