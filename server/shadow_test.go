package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

// shadowed gives a fixture a release that answers unseen.
func shadowed(t *testing.T) (*fixture, *fakeSampler) {
	f, unseen := newFixture(t), &fakeSampler{}
	p := Policy{Policy: feedback.Policy{Alias: "plumb", Name: "new", Run: "run-n"}, Abilities: f.policy.policy.Abilities, Sampler: unseen}
	f.policy.policy.Shadow = &p
	return f, unseen
}

// kept waits until so many generations are in the log.
func (f *fixture) kept(n int) (all []feedback.Generation) {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		all, _, _ = f.log.Generations(context.Background(), feedback.Query{})
		if len(all) >= n || time.Now().After(deadline) {
			break
		}
	}
	if len(all) != n {
		f.t.Fatalf("%d generations, want %d", len(all), n)
	}
	return all
}

// A release in the shadow answers what people ask, streamed or not, with one plain draw, and nobody sees it.
func TestShadowAnswersUnseen(t *testing.T) {
	for _, extra := range []string{``, `"stream": true`, `"align": {"method": "none"}, "stream": true`} {
		f, unseen := shadowed(t)
		var a answer
		if extra == "" {
			a = f.chat(`"user": "ann", "seed": 5`)
		} else {
			a = f.chat(`"user": "ann", "seed": 5`, extra)
		}
		if a.status != 200 || strings.Contains(a.body, "run-n") || strings.Contains(a.body, `"new"`) {
			t.Fatalf("%d: %s", a.status, a.body)
		}
		var seen, other feedback.Generation
		for _, g := range f.kept(2) {
			if g.Shadow == "" {
				seen = g
			} else {
				other = g
			}
		}
		if other.Shadow != seen.ID || other.User != seen.User || other.Policy.Run != "run-n" || other.RM != "" || len(other.Candidates) != 1 ||
			other.Candidates[0].Shown || other.Candidates[0].Text == "" || len(other.Messages) != len(seen.Messages) {
			t.Errorf("unseen %+v beside %+v", other, seen)
		}
		if r := unseen.last(); r.Model != "new" || r.Method != "none" || r.N != 1 || r.Return != 1 || r.Seed != seen.Seed || r.Stream != nil || r.Deadline <= 0 {
			t.Errorf("asked for %+v", r)
		}
	}
}

// That it fails is kept; what the request needs and it cannot do is not asked.
func TestShadowFails(t *testing.T) {
	f, unseen := shadowed(t)
	unseen.before = func(context.Context, sampler.Request) error { return errors.New("out of memory") }
	if a := f.chat(); a.status != 200 {
		t.Fatal(a.body)
	}
	for _, g := range f.kept(2) {
		if g.Shadow != "" && (len(g.Candidates) != 0 || !strings.Contains(string(g.Metadata), "out of memory")) {
			t.Errorf("%+v", g)
		}
	}
	f, unseen = shadowed(t)
	f.policy.policy.Shadow.Abilities = chat.Abilities{}
	if a := f.chat(`"logprobs": true`); a.status != 200 {
		t.Fatal(a.body)
	}
	f.server.shadows.end()
	if len(unseen.requests) != 0 {
		t.Error("asked for what it cannot do")
	}
}

// One at a time: requests that come meanwhile are answered and left out. The server's end breaks it off, and that is no failure of the
// release.
func TestShadowWaitsForNobody(t *testing.T) {
	f, unseen := shadowed(t)
	begun := make(chan struct{}, 8)
	unseen.before = func(ctx context.Context, _ sampler.Request) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	f.chat()
	<-begun
	for range 5 {
		if a := f.chat(); a.status != 200 {
			t.Fatal(a.body)
		}
	}
	f.server.shadows.end()
	f.chat()
	for _, g := range f.kept(7) {
		if g.Shadow != "" {
			t.Errorf("kept %+v", g)
		}
	}
	if len(unseen.requests) != 1 {
		t.Errorf("%d drawn", len(unseen.requests))
	}
}
