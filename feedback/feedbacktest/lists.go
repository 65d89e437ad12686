package feedbacktest

import (
	"fmt"
	"slices"
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

var listTests = map[string]func(*testing.T, feedback.Log){
	"events by every filter": func(t *testing.T, l feedback.Log) {
		kinds := []string{feedback.Thumb, feedback.Rating}
		var all []feedback.Event
		for i := range 40 {
			e := thumb(fmt.Sprintf("fb-%02d", 99-i), fmt.Sprintf("chatcmpl-%d", i%5), fmt.Sprintf("u-%d", i/5%4), 1)
			e.Kind = kinds[i/20]
			all = append(all, put(t, l, e))
		}
		for _, q := range []feedback.Query{
			{}, {Generation: "chatcmpl-2"}, {User: "u-3"}, {Kind: feedback.Rating}, {User: "u-0", Kind: feedback.Thumb},
			{Generation: "chatcmpl-1", User: "u-1"}, {Generation: "chatcmpl-1", User: "u-1", Kind: feedback.Rating},
			{Generation: "chatcmpl-none"}, {User: "u-none"}, {Kind: feedback.Edit},
		} {
			want := []string{}
			for _, e := range all {
				if (q.Generation == "" || q.Generation == e.Generation) && (q.User == "" || q.User == e.User) && (q.Kind == "" || q.Kind == e.Kind) {
					want = append(want, e.ID)
				}
			}
			wantLive(t, l, q, want...)
			for _, q.Limit = range []int{1, 3, len(want), len(want) + 1} {
				if q.Limit > 0 {
					wantPages(t, l, q, want)
				}
			}
		}
	},
	"events while others come and go": func(t *testing.T, l feedback.Log) {
		for i := range 10 {
			put(t, l, thumb(fmt.Sprintf("fb-%02d", i), fmt.Sprintf("chatcmpl-%02d", i), "u-1", 1))
		}
		page, next, err := l.Events(t.Context(), feedback.Query{User: "u-1", Limit: 4})
		if err != nil || len(page) != 4 {
			t.Fatal(len(page), err)
		}
		put(t, l, revoke("fb-r1", "fb-01"))                  // before the cursor
		put(t, l, revoke("fb-r3", "fb-03"))                  // the cursor's own
		put(t, l, revoke("fb-r5", "fb-05"))                  // after it
		put(t, l, thumb("fb-06b", "chatcmpl-06", "u-1", -1)) // replaced: goes to the end
		put(t, l, thumb("fb-10", "chatcmpl-10", "u-1", 1))   // new
		for _, q := range []feedback.Query{{User: "u-1"}, {}} {
			q.After = next
			wantLive(t, l, q, "fb-04", "fb-07", "fb-08", "fb-09", "fb-06b", "fb-10")
		}
	},
	"a page is 100 where nothing is said": func(t *testing.T, l feedback.Log) {
		for i := range 101 {
			put(t, l, thumb(fmt.Sprintf("fb-%03d", i), fmt.Sprintf("chatcmpl-%03d", i), "u-1", 1))
		}
		for _, q := range []feedback.Query{{}, {User: "u-1"}} {
			page, next, err := l.Events(t.Context(), q)
			if err != nil || len(page) != 100 || next == "" {
				t.Fatalf("%d events, next %q, %v", len(page), next, err)
			}
			q.After = next
			wantLive(t, l, q, "fb-100")
		}
	},
	"queries refused": func(t *testing.T, l feedback.Log) {
		for param, q := range map[string]feedback.Query{"limit": {Limit: -1}, "after": {After: "nonsense"}} {
			_, _, err := l.Events(t.Context(), q)
			wantKind(t, err, chat.Invalid, param)
		}
		_, _, err := l.Events(t.Context(), feedback.Query{Limit: 1001})
		wantKind(t, err, chat.Invalid, "limit")
		_, _, err = l.Generations(t.Context(), feedback.Query{Limit: 1001})
		wantKind(t, err, chat.Invalid, "limit")
	},
	"an empty log lists nothing": func(t *testing.T, l feedback.Log) {
		wantLive(t, l, feedback.Query{})
		if g, next, err := l.Generations(t.Context(), feedback.Query{}); err != nil || len(g) != 0 || next != "" {
			t.Fatal(g, next, err)
		}
		if err := l.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	},
}

// wantPages reads q page by page and checks that no page but the last is short, and what they hold together.
func wantPages(t *testing.T, l feedback.Log, q feedback.Query, want []string) {
	t.Helper()
	var got []string
	for range len(want) + 2 {
		page, next, err := l.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page)...)
		if next == "" {
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: %v, want %v", q, got, want)
			}
			return
		}
		if len(page) != q.Limit {
			t.Fatalf("%+v: a page of %d that is not the last", q, len(page))
		}
		q.After = next
	}
	t.Fatalf("%+v: no end", q)
}
