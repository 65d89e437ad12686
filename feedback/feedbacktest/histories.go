package feedbacktest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
)

var historyTests = map[string]func(*testing.T, feedback.Log){
	"random history 1": func(t *testing.T, l feedback.Log) { history(t, l, 1) },
	"random history 2": func(t *testing.T, l feedback.Log) { history(t, l, 2) },
	"random history 3": func(t *testing.T, l feedback.Log) { history(t, l, 3) },
}

// history does the same random things to l and to a log in memory and compares all they say.
func history(t *testing.T, l feedback.Log, seed uint64) {
	var model memory.Log
	r := rand.New(rand.NewPCG(seed, 7))
	var used []string
	for step := range 300 {
		if r.IntN(40) == 0 {
			user := fmt.Sprintf("u-%d", r.IntN(3))
			want, err1 := model.EraseUser(t.Context(), user)
			got, err2 := l.EraseUser(t.Context(), user)
			if err1 != nil || err2 != nil || want.Events != got.Events || want.Generations != got.Generations {
				t.Fatalf("step %d: erase %s: %+v, %v; want %+v, %v", step, user, got, err2, want, err1)
			}
			continue
		}
		e := randomEvent(r, step, used)
		used = append(used, e.ID)
		want, _, err1 := model.PutEvent(t.Context(), e)
		got, _, err2 := l.PutEvent(t.Context(), e)
		if chat.KindOf(err1) != chat.KindOf(err2) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("step %d: put %+v: %v, want %v", step, e, err2, err1)
		}
		same(t, want, got)
		if step%10 == 9 {
			compare(t, &model, l, feedback.Query{Limit: 1 + r.IntN(30)})
			compare(t, &model, l, feedback.Query{Limit: 5, User: fmt.Sprintf("u-%d", r.IntN(3))})
			compare(t, &model, l, feedback.Query{Limit: 3, Generation: fmt.Sprintf("chatcmpl-%d", r.IntN(3)), Kind: feedback.Thumb})
		}
	}
	for _, id := range used {
		want, err1 := model.Event(t.Context(), id)
		got, err2 := l.Event(t.Context(), id)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("read %s: %v, want %v", id, err2, err1)
		}
		same(t, want, got)
	}
}

// randomEvent makes an event out of few users, generations and values, so that they meet often.
func randomEvent(r *rand.Rand, step int, used []string) feedback.Event {
	e := thumb(fmt.Sprintf("fb-%03d", step), fmt.Sprintf("chatcmpl-%d", r.IntN(3)), fmt.Sprintf("u-%d", r.IntN(3)), float64(1-2*r.IntN(2)))
	if len(used) > 0 && r.IntN(8) == 0 {
		e.ID = used[r.IntN(len(used))]
	}
	if r.IntN(4) == 0 {
		e.Source = feedback.Implicit
	}
	switch r.IntN(5) {
	case 0, 1:
		if len(used) > 0 {
			return revoke(e.ID, used[r.IntN(len(used))])
		}
	case 2:
		e.Kind, e.Value = feedback.Rating, float64(1+r.IntN(2))
	}
	return e
}

// compare checks that both logs list the same, page for page.
func compare(t *testing.T, want, got feedback.Log, q feedback.Query) {
	t.Helper()
	w, g := q, q
	for {
		a, nextA, errA := want.Events(t.Context(), w)
		b, nextB, errB := got.Events(t.Context(), g)
		if errA != nil || errB != nil || (nextA == "") != (nextB == "") {
			t.Fatalf("list %+v: next %q, %v; want %q, %v", q, nextB, errB, nextA, errA)
		}
		same(t, a, b)
		if nextA == "" {
			return
		}
		w.After, g.After = nextA, nextB
	}
}
