package feedbacktest

import (
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

var revokeTests = map[string]func(*testing.T, feedback.Log){
	"revoke withdraws and is kept": func(t *testing.T, l feedback.Log) {
		e := thumb("fb-1", "chatcmpl-A", "u-1", 1)
		put(t, l, e)
		r := put(t, l, revoke("fb-2", "fb-1"))
		want := revoke("fb-2", "fb-1")
		want.Generation, want.Candidate, want.User = e.Generation, e.Candidate, e.User
		same(t, want, r)
		wantLive(t, l, feedback.Query{})
		wantLive(t, l, feedback.Query{User: "u-1"})
		wantLive(t, l, feedback.Query{Generation: "chatcmpl-A"})
		for id, kind := range map[string]string{"fb-1": feedback.Thumb, "fb-2": feedback.Revoke} {
			if got, err := l.Event(t.Context(), id); err != nil || got.Kind != kind {
				t.Errorf("history %s: %q, %v", id, got.Kind, err)
			}
		}
	},
	"revoke, then the same again is a new vote": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, revoke("fb-2", "fb-1"))
		if live := put(t, l, thumb("fb-3", "chatcmpl-A", "u-1", 1)); live.ID != "fb-3" {
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{}, "fb-3")
		if live := put(t, l, revoke("fb-4", "fb-1")); live.ID != "fb-2" { // an old revoke does not reach the new vote
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{}, "fb-3")
	},
	"revoke twice returns the first": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		first := put(t, l, revoke("fb-2", "fb-1"))
		same(t, first, put(t, l, revoke("fb-3", "fb-1")))
		same(t, first, put(t, l, revoke("fb-2", "fb-1")))
		same(t, first, put(t, l, revoke("fb-3", "fb-1")))
	},
	"revoke of nothing": func(t *testing.T, l feedback.Log) {
		_, _, err := l.PutEvent(t.Context(), revoke("fb-2", "fb-1"))
		wantKind(t, err, chat.NotFound, "target")
		_, err = l.Event(t.Context(), "fb-2")
		wantKind(t, err, chat.NotFound, "")
	},
	"revoke of a revoke": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, revoke("fb-2", "fb-1"))
		_, _, err := l.PutEvent(t.Context(), revoke("fb-3", "fb-2"))
		wantKind(t, err, chat.Invalid, "target")
	},
	"revoke of what was replaced leaves the live one": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, thumb("fb-2", "chatcmpl-A", "u-1", -1))
		put(t, l, revoke("fb-3", "fb-1"))
		wantLive(t, l, feedback.Query{}, "fb-2")
		if live := put(t, l, revoke("fb-4", "fb-1")); live.ID != "fb-3" {
			t.Fatal(live.ID)
		}
	},
	"revoke under another name": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, thumb("fb-2", "chatcmpl-A", "u-1", 1)) // another name for fb-1
		if r := put(t, l, revoke("fb-3", "fb-2")); r.Target != "fb-1" {
			t.Fatal(r.Target)
		}
		wantLive(t, l, feedback.Query{})
		if live := put(t, l, thumb("fb-2", "chatcmpl-A", "u-1", 1)); live.ID != "fb-1" { // an old id is no new vote
			t.Fatal(live.ID)
		}
		wantLive(t, l, feedback.Query{})
	},
	"revoke by somebody else keeps who": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		r := revoke("fb-2", "fb-1")
		r.User = "u-moderator"
		if got := put(t, l, r); got.User != "u-moderator" || got.Generation != "chatcmpl-A" {
			t.Fatalf("%+v", got)
		}
	},
}
