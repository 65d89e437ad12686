package offline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// canaryBench is an installation with a canary, nothing trained.
type canaryBench struct {
	*world
	r     *Runner
	run   registry.Run
	votes int
}

func newCanaryBench(t *testing.T) *canaryBench {
	t.Helper()
	b := &canaryBench{world: emptyWorld(t, nil)}
	b.r = b.runner()
	b.run = registry.Run{ID: "run-c", Alias: "plumb", State: registry.Canary, Decision: "canary", Reason: "asked for", Updated: time.Unix(2e9, 0).UTC(),
		Result: registry.Release{Model: "plumb-plumb:run-c", RM: "c", Run: "run-c"}}
	if err := b.store.PutRun(context.Background(), b.run, 0); err != nil {
		t.Fatal(err)
	}
	b.store.alias = registry.Alias{Name: "plumb", Live: &registry.Release{Model: "plumb-plumb:run-l", RM: "l", Run: "run-l"},
		Previous: &registry.Release{Model: "base"}, Canary: &b.run.Result, Share: .5, Version: 3}
	return b
}

// vote has n people say value of replies that a run gave, so long after the canary was let loose.
func (b *canaryBench) vote(t *testing.T, run string, value float64, n int, after time.Duration) {
	t.Helper()
	ctx := context.Background()
	for range n {
		b.votes++
		g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%05d", b.votes), Time: b.run.Updated.Add(after), Policy: feedback.Policy{Alias: "plumb", Run: run}}
		g.Candidates = []feedback.Candidate{{ID: feedback.CandidateID(g.ID, 0), Text: "x", Shown: true}}
		if _, err := b.log.PutGeneration(ctx, g); err != nil {
			t.Fatal(err)
		}
		e := feedback.Event{ID: fmt.Sprintf("fb-%05d", b.votes), Generation: g.ID, Candidate: g.Candidates[0].ID, User: fmt.Sprint("u", b.votes), Kind: feedback.Thumb,
			Value: value, Source: feedback.Human, Time: g.Time}
		if _, _, err := b.log.PutEvent(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
}

// What is counted, and that a watch which looks again counts as one that looks for the first time.
func TestCanaryWatchCounts(t *testing.T) {
	ctx := context.Background()
	b := newCanaryBench(t)
	b.vote(t, "run-l", 1, 1500, -time.Hour) // before: the last thousand count as history
	b.vote(t, "run-l", -1, 600, -time.Minute)
	b.vote(t, "run-0", -1, 5, -time.Minute) // of another release
	watch := &CanaryWatch{Runner: b.r}
	want := gate.Ballot{Before: gate.Votes{Down: 600, All: 995}}
	for i := range 3 {
		news, err := watch.Look(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := (&CanaryWatch{Runner: b.r}).Look(ctx)
		if err != nil || news.Ballot != want || fresh.Ballot != want || news.Run != "run-c" || news.Share != .5 || news.Verdict != gate.Wait {
			t.Errorf("look %d: %+v, a first look %+v, want %+v, %v", i, news, fresh.Ballot, want, err)
		}
		b.vote(t, "run-c", -1, 1, time.Hour)
		b.vote(t, "run-c", 1, 2, time.Hour)
		b.vote(t, "run-l", 1, 3, time.Hour)
		b.vote(t, "", -1, 7, time.Hour) // the base by its own name, under no release
		want.Canary.Down, want.Canary.All, want.Live.All = want.Canary.Down+1, want.Canary.All+3, want.Live.All+3
	}
	// A vote that is withdrawn, or whose reply is gone, counts no more.
	if _, _, err := b.log.PutEvent(ctx, feedback.Event{ID: "fb-r", Kind: feedback.Revoke, Target: fmt.Sprintf("fb-%05d", 2106), Source: feedback.Human, Time: b.run.Updated}); err != nil {
		t.Fatal(err)
	}
	want.Canary.Down, want.Canary.All = want.Canary.Down-1, want.Canary.All-1
	if news, err := watch.Look(ctx); err != nil || news.Ballot != want {
		t.Errorf("%+v, want %+v, %v", news.Ballot, want, err)
	}
	if b.store.alias.Version != 3 {
		t.Error("looking moved the alias")
	}
}

// Many watches on one alias, as on several replicas, move it once, and back to what it was.
func TestCanaryWatchesTogether(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		value   float64
		verdict string
		state   registry.State
	}{{"bad", -1, gate.Bad, registry.Rejected}, {"good", 1, gate.Good, registry.Live}} {
		t.Run(c.name, func(t *testing.T) {
			b := newCanaryBench(t)
			before := b.store.alias
			b.vote(t, "run-c", c.value, 150, time.Hour)
			b.vote(t, "run-l", 1, 150, time.Hour)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 3 {
						news, err := (&CanaryWatch{Runner: b.r}).Judge(ctx)
						if err != nil || news.Run != "" && news.Verdict != c.verdict {
							t.Errorf("%+v, %v", news, err)
						}
					}
				})
			}
			all.Wait()
			after := b.store.alias
			if after.Version != before.Version+1 || after.Canary != nil || after.Share != 0 {
				t.Errorf("alias %+v", after)
			}
			if c.verdict == gate.Bad && (*after.Live != *before.Live || *after.Previous != *before.Previous) {
				t.Errorf("alias %+v, want as before", after)
			}
			if c.verdict == gate.Good && (*after.Live != b.run.Result || *after.Previous != *before.Live) {
				t.Errorf("alias %+v, want the canary live", after)
			}
			m, _ := b.store.Run(ctx, b.run.ID)
			if m.State != c.state || c.verdict == gate.Bad != strings.Contains(Why(m), "150 of 150 on the canary") {
				t.Errorf("the run stands at %s: %s", m.State, m.Reason)
			}
		})
	}
}

// stuck is a registry that fails to move the alias once.
type stuck struct {
	*store
	failed bool
}

func (s *stuck) SetAlias(ctx context.Context, a registry.Alias, fence int64) (registry.Alias, error) {
	if !s.failed {
		s.failed = true
		return a, errors.New("killed")
	}
	return s.store.SetAlias(ctx, a, fence)
}

// A process that dies between the verdict and the move leaves the move to the next one, whatever votes come meanwhile.
func TestCanaryWatchDies(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		value   float64
		verdict string
	}{{-1, gate.Bad}, {1, gate.Good}} {
		b := newCanaryBench(t)
		b.r.Registry = &stuck{store: b.store}
		b.vote(t, "run-c", c.value, 150, time.Hour)
		b.vote(t, "run-l", 1, 150, time.Hour)
		watch := &CanaryWatch{Runner: b.r}
		if _, err := watch.Judge(ctx); err == nil || b.store.alias.Canary == nil {
			t.Fatalf("%v, alias %+v", err, b.store.alias)
		}
		b.vote(t, "run-c", -c.value, 1000, time.Hour)
		if news, err := watch.Judge(ctx); err != nil || news.Verdict != c.verdict || b.store.alias.Canary != nil {
			t.Errorf("%+v, %v, alias %+v", news, err, b.store.alias)
		}
		if live := b.store.alias.Live.Run == "run-c"; live != (c.verdict == gate.Good) {
			t.Errorf("live is %+v", b.store.alias.Live)
		}
		if news, err := watch.Judge(ctx); err != nil || news.Run != "" || news.Verdict != "" {
			t.Errorf("afterwards: %+v, %v", news, err)
		}
	}
}

// meddler is a registry where an operator acts just after a run was stored.
type meddler struct {
	*store
	act func()
}

func (m *meddler) PutRun(ctx context.Context, r registry.Run, fence int64) error {
	err := m.store.PutRun(ctx, r, fence)
	if act := m.act; act != nil {
		m.act = nil
		act()
	}
	return err
}

// What an operator does by hand meanwhile stands.
func TestCanaryWatchYieldsToPeople(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		value float64 // what people say of the canary
		act   func(b *canaryBench) error
		live  string
		state registry.State
	}{
		{"taken back by hand", 1, func(b *canaryBench) error { _, err := b.runner().Rollback(ctx); return err }, "", registry.Live},
		{"made live by hand", -1, func(b *canaryBench) error {
			_, err := b.r.move(ctx, b.r.makeLive(b.run.Result), 0)
			return err
		}, "run-c", registry.Live},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newCanaryBench(t)
			b.r.Registry = &meddler{b.store, func() {
				if err := c.act(b); err != nil {
					t.Error(err)
				}
			}}
			b.vote(t, "run-c", c.value, 150, time.Hour)
			b.vote(t, "run-l", 1, 150, time.Hour)
			if _, err := (&CanaryWatch{Runner: b.r}).Judge(ctx); err != nil {
				t.Fatal(err)
			}
			m, _ := b.store.Run(ctx, b.run.ID)
			if a := b.store.alias; a.Live.Run != c.live || a.Canary != nil || m.State != c.state || a.Version != 4 {
				t.Errorf("alias %s, run at %s", cmp.Diff(registry.Alias{}, a), m.State)
			}
		})
	}
	var gone *chat.Error
	b := newCanaryBench(t)
	b.store.runs = nil
	if _, err := (&CanaryWatch{Runner: b.r}).Judge(ctx); !errors.As(err, &gone) || gone.Kind != chat.NotFound {
		t.Errorf("a canary without a manifest: %v", err)
	}
}

// A new canary does not replace an undecided one unseen: the old one's manifest says what took its place.
func TestNewCanaryClosesTheOld(t *testing.T) {
	b := newCanaryBench(t)
	ctx := context.Background()
	next := registry.Run{ID: "run-n", Alias: "plumb", State: registry.Canary, Method: "dpo", Result: registry.Release{Model: "plumb-plumb:run-n", Run: "run-n"}}
	w := &work{Runner: b.r, run: next, config: Config{Canary: .2}}
	for range 2 { // the second time as after a crash
		if err := w.release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	old, err := b.store.Run(ctx, "run-c")
	if err != nil {
		t.Fatal(err)
	}
	if old.State != registry.Rejected || old.Decision != "rejected" || !strings.Contains(old.Reason, "undecided when run-n") {
		t.Errorf("the old canary: %+v", old)
	}
	a := b.store.alias
	if a.Canary == nil || a.Canary.Run != "run-n" || a.Share != .2 || a.Live.Run != "run-l" || w.run.Decision != "canary" {
		t.Errorf("alias %+v, decision %q", a, w.run.Decision)
	}
	if new, err := b.store.Run(ctx, "run-n"); err != nil || new.State != registry.Canary {
		t.Errorf("the new canary: %+v, %v", new, err)
	}
}
