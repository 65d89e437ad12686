package feedbacktest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

var generationTests = map[string]func(*testing.T, feedback.Log){
	"generation is read back as it was": func(t *testing.T, l feedback.Log) {
		unseen := NewGeneration("chatcmpl-C", "u-1", 1)
		unseen.Shadow = "chatcmpl-A"
		for _, g := range []feedback.Generation{NewGeneration("chatcmpl-A", "u-1", 3), NewGeneration("chatcmpl-B", "", 0), unseen} {
			putGeneration(t, l, g)
			got, err := l.Generation(t.Context(), g.ID)
			if err != nil {
				t.Fatal(err)
			}
			same(t, g, got)
		}
	},
	"generation put again replaces": func(t *testing.T, l feedback.Log) {
		g := NewGeneration("chatcmpl-A", "u-1", 3)
		putGeneration(t, l, g)
		g.Candidates[1].Shown = true
		putGeneration(t, l, g)
		got, err := l.Generation(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, g, got)
		all, _, err := l.Generations(t.Context(), feedback.Query{})
		if err != nil || len(all) != 1 {
			t.Fatalf("%d generations, error %v", len(all), err)
		}
	},
	"generation unknown": func(t *testing.T, l feedback.Log) {
		_, err := l.Generation(t.Context(), "chatcmpl-none")
		wantKind(t, err, chat.NotFound, "")
	},
	"generation refused": func(t *testing.T, l feedback.Log) {
		g := NewGeneration("chatcmpl-A", "u-1", 1)
		for name, spoil := range map[string]func(*feedback.Generation){
			"no id":        func(g *feedback.Generation) { g.ID = "" },
			"id of a key":  func(g *feedback.Generation) { g.ID = "a{b}c d" },
			"NaN":          func(g *feedback.Generation) { g.LatencyMS = math.NaN() },
			"bad metadata": func(g *feedback.Generation) { g.Metadata = []byte(`{"a":`) },
		} {
			bad := g
			spoil(&bad)
			_, err := l.PutGeneration(t.Context(), bad)
			if chat.KindOf(err) != chat.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
	},
	"generation with a big text": func(t *testing.T, l feedback.Log) {
		g := NewGeneration("chatcmpl-A", "u-1", 4)
		for k := range g.Candidates {
			g.Candidates[k].Text = strings.Repeat(fmt.Sprintf("%d ünï \n", k), 100_000)
		}
		putGeneration(t, l, g)
		got, err := l.Generation(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		for k := range g.Candidates {
			if g.Candidates[k].Text != got.Candidates[k].Text {
				t.Errorf("candidate %d differs", k)
			}
		}
	},
	"generations in the order of ids": func(t *testing.T, l feedback.Log) {
		const n = 23
		for i := range n {
			id := fmt.Sprintf("chatcmpl-%02d", i*7%n)
			putGeneration(t, l, NewGeneration(id, []string{"u-1", "u-2"}[i*7%n%2], 1))
		}
		for _, limit := range []int{1, 5, n - 1, n, n + 1} {
			var got []string
			for g, err := range feedback.AllGenerations(t.Context(), l, feedback.Query{Limit: limit}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, g.ID)
			}
			if len(got) != n || !increasing(got) {
				t.Fatalf("limit %d: %v", limit, got)
			}
		}
		mine, next, err := l.Generations(t.Context(), feedback.Query{User: "u-2", Limit: 5, After: "chatcmpl-03"})
		if err != nil || len(mine) != 5 || mine[0].ID != "chatcmpl-05" || next != "chatcmpl-13" {
			t.Fatalf("u-2 after 03: %d from %v, next %q, %v", len(mine), mine, next, err)
		}
	},
	"generations while others come": func(t *testing.T, l feedback.Log) {
		for i := range 10 {
			putGeneration(t, l, NewGeneration(fmt.Sprintf("chatcmpl-%02d", i), "u-1", 1))
		}
		page, next, err := l.Generations(t.Context(), feedback.Query{Limit: 4})
		if err != nil || len(page) != 4 {
			t.Fatal(len(page), err)
		}
		for i := 10; i < 15; i++ {
			putGeneration(t, l, NewGeneration(fmt.Sprintf("chatcmpl-%02d", i), "u-1", 1))
		}
		rest, next, err := l.Generations(t.Context(), feedback.Query{After: next})
		if err != nil || next != "" || len(rest) != 11 || rest[0].ID != "chatcmpl-04" {
			t.Fatalf("rest: %d, next %q, %v", len(rest), next, err)
		}
	},
}

func increasing(s []string) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return true
}
