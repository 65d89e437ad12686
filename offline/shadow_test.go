package offline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/rm"
)

// newShadowBench is a canaryBench whose canary is in the shadow yet.
func newShadowBench(t *testing.T, share float64) *canaryBench {
	b := newCanaryBench(t)
	b.run.Created = time.Unix(1e9, 0).UTC()
	b.run.Result.RM = ""
	if err := b.store.PutRun(context.Background(), b.run, 0); err != nil {
		t.Fatal(err)
	}
	b.store.alias.Live.RM, b.store.alias.Share, b.store.alias.Shadow = "", 0, &registry.Shadow{Replies: 30, Share: share}
	b.r.Now = func() time.Time { return time.Unix(3e9, 0).UTC() }
	return b
}

// answer has n requests answered, and once more unseen by a run; without a text that fails.
func (b *canaryBench) answer(t *testing.T, run string, n int, text string) {
	t.Helper()
	ctx := context.Background()
	for range n {
		b.votes++
		at := b.run.Created.Add(time.Duration(b.votes) * time.Second)
		messages := []chat.Message{{Role: chat.User, Content: "What is tea?"}}
		g := feedback.Generation{ID: feedback.NewGenerationID(at), Time: at, Messages: messages, Policy: feedback.Policy{Alias: "plumb", Run: "run-l"}}
		g.Candidates = []feedback.Candidate{{ID: feedback.CandidateID(g.ID, 0), Text: "left"}, {ID: feedback.CandidateID(g.ID, 1), Text: "Leaves in hot water.", Shown: true}}
		other := feedback.Generation{ID: feedback.NewGenerationID(at.Add(time.Millisecond)), Time: at, Messages: messages, Policy: feedback.Policy{Alias: "plumb", Run: run}, Shadow: g.ID}
		if text != "" {
			other.Candidates = []feedback.Candidate{{ID: feedback.CandidateID(other.ID, 0), Text: text}}
		}
		for _, g := range []feedback.Generation{g, other} {
			if _, err := b.log.PutGeneration(ctx, g); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What has answered enough unseen goes to a share of users, or live; what fails or runs in circles is taken back; eight watches do it once.
func TestShadowWatch(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name, text string
		share      float64
		verdict    string
	}{
		{"to a share", "A drink of leaves.", .3, gate.Good},
		{"live", "A drink of leaves.", 0, gate.Good},
		{"fails", "", .3, gate.Bad},
		{"in circles", strings.Repeat("tea is tea and ", 40), 0, gate.Bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newShadowBench(t, c.share)
			before := b.store.alias
			watch := &ShadowWatch{Runner: b.r}
			for i := range 3 {
				b.answer(t, "run-0", 2, "of a run before")
				if news, err := watch.Judge(ctx); err != nil || news.Verdict != gate.Wait || news.Replies != 9*i || news.Wanted != 30 || news.Run != "run-c" {
					t.Fatalf("%+v, %v", news, err)
				}
				if canary, err := (&CanaryWatch{Runner: b.r}).Judge(ctx); err != nil || canary.Verdict != gate.Wait {
					t.Fatalf("%+v, %v", canary, err)
				}
				b.answer(t, "run-c", 9, c.text)
			}
			b.answer(t, "run-c", 4, c.text)
			news, err := watch.Look(ctx)
			if err != nil || news.Verdict != c.verdict || news.Replies != 31 {
				t.Fatalf("%+v, %v", news, err)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if news, err := (&ShadowWatch{Runner: b.r}).Judge(ctx); err != nil || news.Run != "" && news.Verdict != c.verdict {
						t.Errorf("%+v, %v", news, err)
					}
				})
			}
			all.Wait()
			a := b.store.alias
			run, _ := b.store.Run(ctx, "run-c")
			switch {
			case a.Version != before.Version+1 || a.Shadow != nil:
				t.Errorf("alias %+v", a)
			case c.verdict == gate.Bad:
				if a.Canary != nil || *a.Live != *before.Live || run.State != registry.Rejected || !strings.HasPrefix(Why(run), "shadow: it ") {
					t.Errorf("alias %+v, run at %s: %s", a, run.State, run.Reason)
				}
			case c.share > 0:
				if a.Canary == nil || a.Share != c.share || run.State != registry.Canary || !run.Updated.Equal(time.Unix(3e9, 0)) {
					t.Errorf("alias %+v, run %+v", a, run)
				}
			default:
				if a.Canary != nil || a.Live.Run != "run-c" || a.Previous.Run != "run-l" || run.State != registry.Live || run.Decision != "live" {
					t.Errorf("alias %+v, run at %s", a, run.State)
				}
			}
			if news, err := watch.Judge(ctx); err != nil || news.Run != "" {
				t.Errorf("afterwards: %+v, %v", news, err)
			}
		})
	}
}

// The reward model of what is live reads both replies; one that cannot be read is an error, not a verdict.
func TestShadowWatchReward(t *testing.T) {
	ctx := context.Background()
	b := newShadowBench(t, 0)
	var data rm.Data
	for i := range 40 {
		prompt := []chat.Message{{Role: chat.User, Content: strings.Repeat("why ", 1+i%7) + "?"}}
		data.Pairs = append(data.Pairs, rm.Pair{Prompt: prompt, Chosen: "Leaves in hot water, word " + string(rune('a'+i%26)), Rejected: "no!!! no!!! " + string(rune('a'+i%26))})
	}
	judge, err := rm.Trainer{Features: rm.NewLexical(10), Heads: 2}.Fit(ctx, data)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := b.store.PutBlob(ctx, judge.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	b.store.alias.Live.RM = "gone"
	b.answer(t, "run-c", 30, "no!!! no!!!")
	watch := &ShadowWatch{Runner: b.r}
	if _, err := watch.Judge(ctx); err == nil || b.store.alias.Shadow == nil {
		t.Errorf("without the reward model: %v", err)
	}
	b.store.alias.Live.RM = hash
	if news, err := watch.Judge(ctx); err != nil || news.Verdict != gate.Bad || !strings.Contains(news.Why, "its reward is lower") {
		t.Errorf("%+v, %v", news, err)
	}
}

// A process that dies between the manifest and the alias leaves the move to the next one.
func TestShadowWatchDies(t *testing.T) {
	ctx := context.Background()
	for _, share := range []float64{0, .3} {
		b := newShadowBench(t, share)
		b.answer(t, "run-c", 30, "A drink of leaves.")
		b.r.Registry = &stuck{store: b.store}
		watch := &ShadowWatch{Runner: b.r}
		if _, err := watch.Judge(ctx); err == nil || b.store.alias.Shadow == nil {
			t.Fatalf("%v, alias %+v", err, b.store.alias)
		}
		if news, err := watch.Judge(ctx); err != nil || news.Verdict != gate.Good || b.store.alias.Shadow != nil {
			t.Errorf("%+v, %v", news, err)
		}
		if a := b.store.alias; a.Share != share || (a.Canary == nil) != (share == 0) {
			t.Errorf("alias %+v", a)
		}
	}
	b := newShadowBench(t, 0)
	b.r.Registry = broken{b.store}
	if _, err := (&ShadowWatch{Runner: b.r}).Judge(ctx); err == nil {
		t.Error("a registry that is away: no error")
	}
}

// broken is a registry that is away.
type broken struct{ *store }

func (broken) Alias(context.Context, string) (registry.Alias, error) {
	return registry.Alias{}, errors.New("away")
}

// A run asks for it, and rolling back ends it.
func TestReleaseIntoTheShadow(t *testing.T) {
	b := newCanaryBench(t)
	b.store.alias.Canary, b.store.alias.Share = nil, 0
	ctx := context.Background()
	next := registry.Run{ID: "run-n", Alias: "plumb", State: registry.Canary, Method: "dpo", Result: registry.Release{Model: "plumb-plumb:run-n", Run: "run-n"}}
	w := &work{Runner: b.r, run: next, config: Config{Shadow: 50, Canary: .2}}
	for range 2 { // the second time as after a crash
		if err := w.release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	a := b.store.alias
	if a.Canary == nil || a.Canary.Run != "run-n" || a.Share != 0 || a.Shadow == nil || *a.Shadow != (registry.Shadow{Replies: 50, Share: .2}) || w.run.Decision != "canary" {
		t.Errorf("alias %+v, decision %q", a, w.run.Decision)
	}
	if a, err := b.r.Rollback(ctx); err != nil || a.Canary != nil || a.Shadow != nil {
		t.Errorf("after rolling back: %+v, %v", a, err)
	}
}
