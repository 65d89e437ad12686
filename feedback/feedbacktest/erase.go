package feedbacktest

import (
	"slices"
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

var eraseTests = map[string]func(*testing.T, feedback.Log){
	"erase leaves nothing of a user and all of the others": func(t *testing.T, l feedback.Log) {
		putGeneration(t, l, NewGeneration("chatcmpl-A", "u-1", 2))
		putGeneration(t, l, NewGeneration("chatcmpl-B", "u-2", 2))
		putGeneration(t, l, NewGeneration("chatcmpl-C", "u-1", 2))
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, thumb("fb-1b", "chatcmpl-A", "u-1", 1)) // another name
		put(t, l, thumb("fb-2", "chatcmpl-A", "u-1", -1)) // replaces
		put(t, l, thumb("fb-3", "chatcmpl-B", "u-1", 1))
		put(t, l, revoke("fb-4", "fb-3"))
		put(t, l, thumb("fb-5", "chatcmpl-B", "u-2", 1))
		demo := everyKind()[7]
		put(t, l, demo)

		got, err := l.EraseUser(t.Context(), "u-1")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got.IDs)
		same(t, feedback.Erased{Generations: 2, Events: 5, IDs: []string{"chatcmpl-A", "chatcmpl-C", "fb-1", "fb-2", "fb-3", "fb-4", demo.ID}}, got)
		for _, id := range []string{"fb-1", "fb-1b", "fb-2", "fb-3", "fb-4", demo.ID} {
			_, err := l.Event(t.Context(), id)
			wantKind(t, err, chat.NotFound, "")
		}
		for _, id := range []string{"chatcmpl-A", "chatcmpl-C"} {
			_, err := l.Generation(t.Context(), id)
			wantKind(t, err, chat.NotFound, "")
		}
		wantLive(t, l, feedback.Query{}, "fb-5")
		wantLive(t, l, feedback.Query{User: "u-1"})
		wantLive(t, l, feedback.Query{Generation: "chatcmpl-A"})
		gs, _, err := l.Generations(t.Context(), feedback.Query{})
		if err != nil || len(gs) != 1 || gs[0].ID != "chatcmpl-B" {
			t.Fatalf("%d generations left, %v", len(gs), err)
		}
		again, err := l.EraseUser(t.Context(), "u-1")
		if err != nil || again.Events != 0 || again.Generations != 0 {
			t.Fatalf("erased again: %+v, %v", again, err)
		}
	},
	"erase, then the user can speak again": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		put(t, l, thumb("fb-2", "chatcmpl-A", "u-2", 1))
		page, next, err := l.Events(t.Context(), feedback.Query{Limit: 1})
		if err != nil || len(page) != 1 {
			t.Fatal(err)
		}
		if _, err := l.EraseUser(t.Context(), "u-2"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.EraseUser(t.Context(), "u-1"); err != nil {
			t.Fatal(err)
		}
		put(t, l, thumb("fb-3", "chatcmpl-A", "u-1", 1))
		wantLive(t, l, feedback.Query{}, "fb-3")
		wantLive(t, l, feedback.Query{After: next}, "fb-3") // a position is never used twice
	},
	"erase of nobody": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "", 1))
		_, err := l.EraseUser(t.Context(), "")
		wantKind(t, err, chat.Invalid, "user")
		wantLive(t, l, feedback.Query{}, "fb-1")
		if got, err := l.EraseUser(t.Context(), "u-none"); err != nil || got.Events+got.Generations != 0 {
			t.Fatal(got, err)
		}
	},
	"closed": func(t *testing.T, l feedback.Log) {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, err := l.PutEvent(t.Context(), thumb("fb-1", "chatcmpl-A", "u-1", 1))
		wantKind(t, err, chat.Unavailable, "")
		_, err = l.PutGeneration(t.Context(), NewGeneration("chatcmpl-A", "u-1", 1))
		wantKind(t, err, chat.Unavailable, "")
		wantKind(t, l.Ping(t.Context()), chat.Unavailable, "")
	},
}
