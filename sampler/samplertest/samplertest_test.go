package samplertest

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestToyPasses(t *testing.T) {
	TestGenerator(t, func(t *testing.T) Subject {
		g := &toy{}
		return Subject{Generator: g, Model: "toy",
			Running: func() int { return int(g.running.Load()) }, FailOne: func() { g.failNext.Store(true) }}
	})
}

// Every way to break the contract is found by the check that is there for it.
func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct {
		fault string
		set   func(*faults)
		found string
	}{
		{"wrongIndex", func(f *faults) { f.wrongIndex = true }, "whole replies"},
		{"twoEnds", func(f *faults) { f.twoEnds = true }, "whole replies"},
		{"noEnd", func(f *faults) { f.noEnd = true }, "whole replies"},
		{"empty", func(f *faults) { f.empty = true }, "whole replies"},
		{"tooLong", func(f *faults) { f.tooLong = true }, "max tokens"},
		{"unasked", func(f *faults) { f.unasked = true }, "whole replies"},
		{"cutStream", func(f *faults) { f.cutStream = true }, "streamed pieces make the reply"},
		{"ignoresStop", func(f *faults) { f.ignoresStop = true }, "stop sequences"},
		{"oneText", func(f *faults) { f.oneText = true }, "seeds"},
		{"seedByPlace", func(f *faults) { f.seedByPlace = true }, "seeds"},
		{"drifts", func(f *faults) { f.drifts = true }, "seeds"},
		{"warm", func(f *faults) { f.warm = true }, "temperature 0"},
		{"ignoresPrefix", func(f *faults) { f.ignoresPrefix = true }, "a prefix is continued"},
		{"mixesPrefixes", func(f *faults) { f.mixesPrefixes = true }, "each prefix its own"},
		{"noLogprobs", func(f *faults) { f.noLogprobs = true }, "log-probs"},
		{"wrongLogprobs", func(f *faults) { f.wrongLogprobs = true }, "log-probs"},
		{"anyModel", func(f *faults) { f.anyModel = true }, "unknown model"},
		{"ignoresSeeds", func(f *faults) { f.ignoresSeeds = true }, "a seed for each prefix"},
		{"ignoresCancel", func(f *faults) { f.ignoresCancel = true }, "cancelled before"},
		{"failsAll", func(f *faults) { f.failsAll = true }, "one failure leaves the others"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			g := &toy{}
			c.set(&g.faults)
			s := &subject{Subject: Subject{Generator: g, Model: "toy", Missing: "nope", FailOne: func() { g.failNext.Store(true) }}, logf: t.Logf}
			s.can, _ = g.Abilities(t.Context(), "toy")
			at := slices.IndexFunc(checks, func(k check) bool { return k.name == c.found })
			if err := checks[at].run(t.Context(), s); err == nil {
				t.Errorf("%q does not find it", c.found)
			} else {
				t.Log(err)
			}
		})
	}
}

// The leak of a continuation is seen by what runs upstream, which never comes to rest.
func TestLeakIsSeen(t *testing.T) {
	g := &toy{}
	g.faults.leaks = true
	s := &subject{Subject: Subject{Generator: g, Model: "toy", Running: func() int { return int(g.running.Load()) }}, logf: t.Logf}
	s.can, _ = g.Abilities(t.Context(), "toy")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := cancelled(ctx, s); err == nil {
		t.Error("a leak is not found")
	}
}
