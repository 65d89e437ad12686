// Package feedbacktest holds the conformance suite that every [feedback.Log] passes: [TestLog] checks each promise that
// package feedback makes, first one by one, then by random histories against feedback/memory.
package feedbacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
)

// TestLog runs the suite. open returns an empty log each time it is called and closes it when its test ends.
func TestLog(t *testing.T, open func(t *testing.T) feedback.Log) {
	for _, group := range []map[string]func(*testing.T, feedback.Log){generationTests, eventTests, revokeTests, listTests, eraseTests, concurrencyTests, historyTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

// start is when the time of these tests begins; it has nanoseconds, so that a store which rounds is seen.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// NewGeneration returns a complete record with n candidates, the first of them shown.
func NewGeneration(id, user string, n int) feedback.Generation {
	logprob, reward, sd, ood, propensity := -12.5, 0.25, 0.125, 1.5, 0.5
	g := feedback.Generation{
		ID: id, Time: start, User: user, Session: "s-1",
		Messages: []chat.Message{
			{Role: chat.System, Content: "Be kind."},
			{Role: chat.User, Content: "Grüße, 世界! 👋🏽 <b>&amp;</b> \u2028 \x00 \"quoted\"\n"},
			{Role: chat.Assistant, ToolCalls: json.RawMessage(`[{"id":"c1","type":"function"}]`)},
			{Role: chat.Tool, Content: "42", ToolCallID: "c1"},
		},
		Policy:     feedback.Policy{Alias: "plumb", Name: "plumb-tiny", Digest: "sha256:00ff", Run: "run-1"},
		RM:         "abc123",
		Sampler:    feedback.Sampler{Method: "top_m", N: n, Pressure: 8, MaxTokens: 64, Sampling: chat.Sampling{Stop: []string{"\n\n"}}},
		Seed:       -7,
		Usage:      feedback.Usage{Prompt: 11, Completion: 5, Discarded: 5 * (n - 1)},
		LatencyMS:  12.75,
		Metadata:   json.RawMessage(`{"team":"blue"}`),
		Candidates: []feedback.Candidate{},
	}
	for k := range n {
		c := feedback.Candidate{ID: feedback.CandidateID(id, k), Text: fmt.Sprintf("reply %d é", k), Finish: chat.FinishStop, Tokens: 5,
			Seed: int64(k), Shown: k == 0}
		if k%2 == 0 {
			c.Logprob, c.Reward, c.SD, c.OOD, c.Propensity = &logprob, &reward, &sd, &ood, &propensity
		}
		g.Candidates = append(g.Candidates, c)
	}
	return g
}

// thumb is a vote of user on candidate 0 of generation.
func thumb(id, generation, user string, value float64) feedback.Event {
	return feedback.Event{ID: id, Generation: generation, Candidate: feedback.CandidateID(generation, 0), User: user,
		Kind: feedback.Thumb, Value: value, Source: feedback.Human, Time: start}
}

func revoke(id, target string) feedback.Event {
	return feedback.Event{ID: id, Kind: feedback.Revoke, Target: target, Source: feedback.Human, Time: start}
}

// put stores e and returns what is live; it fails the test on an error.
func put(t *testing.T, l feedback.Log, e feedback.Event) feedback.Event {
	t.Helper()
	live, durability, err := l.PutEvent(t.Context(), e)
	if err != nil {
		t.Fatalf("put %s %s: %v", e.Kind, e.ID, err)
	}
	if durability != feedback.Durable && durability != feedback.Spooled {
		t.Fatalf("put %s: durability %q", e.ID, durability)
	}
	return live
}

func putGeneration(t *testing.T, l feedback.Log, g feedback.Generation) {
	t.Helper()
	if _, err := l.PutGeneration(t.Context(), g); err != nil {
		t.Fatalf("put generation %s: %v", g.ID, err)
	}
}

// wantLive checks the ids, in order, of the live events that q selects, read in one page.
func wantLive(t *testing.T, l feedback.Log, q feedback.Query, want ...string) {
	t.Helper()
	events, next, err := l.Events(t.Context(), q)
	if err != nil || next != "" {
		t.Fatalf("events %+v: next %q, error %v", q, next, err)
	}
	if d := cmp.Diff(strings.Join(want, " "), strings.Join(ids(events), " ")); d != "" {
		t.Fatalf("live events of %+v (-want +got):\n%s", q, d)
	}
}

func ids(events []feedback.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

// wantKind checks that err has the kind, and the Param where one is given.
func wantKind(t *testing.T, err error, kind chat.Kind, param string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of kind %v", kind)
	}
	if got := chat.KindOf(err); got != kind {
		t.Fatalf("error of kind %v, want %v: %v", got, kind, err)
	}
	var e *chat.Error
	if param != "" && (!errors.As(err, &e) || e.Param != param) {
		t.Fatalf("error is not about %q: %v", param, err)
	}
}

// same compares records as their JSON says them: two times are equal where they are the same instant.
func same(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
}

// background is a context that outlives the test's own, for goroutines.
func background() context.Context { return context.Background() }
