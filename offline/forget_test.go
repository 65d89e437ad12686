package offline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/lm/tiny"
	"plumb/offline/registry"
	"plumb/offline/train"
	"plumb/rm"
)

// populate has seven users ask and vote, each on the others' replies too, in every way there is. One of them can be left out, as if
// never there: what that one asked nobody can vote on. Ids and times are the world's own.
func (w *world) populate(t *testing.T, ids string, start int64, without string) {
	t.Helper()
	ctx := context.Background()
	for i := range 140 {
		asker, voter := fmt.Sprint("u", i%7), fmt.Sprint("u", (i/7+i)%7)
		demonstrated := i%6 == 5 // which needs no generation
		if asker == without && !demonstrated {
			continue
		}
		g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%s%03d", ids, i), Time: time.Unix(start+int64(i), 0).UTC(), User: asker,
			Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("What is ", i/4, "?")}}}
		for k, text := range []string{fmt.Sprint("Why do you ask about ", i, "?"), fmt.Sprint("It is ", i, "."), fmt.Sprint("Who knows what ", i, " is?")} {
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: text, Shown: k == 0})
		}
		if asker != without {
			if _, err := w.log.PutGeneration(ctx, g); err != nil {
				t.Fatal(err)
			}
		}
		if voter == without {
			continue
		}
		e := feedback.Event{ID: fmt.Sprintf("fb-%s%03d", ids, i), Generation: g.ID, User: voter, Source: feedback.Human, Time: g.Time}
		c := func(k int) string { return g.Candidates[k].ID }
		switch i % 6 {
		case 0, 1:
			e.Kind, e.Winner, e.Losers = feedback.Preference, c(0), []string{c(1), c(2)}
		case 2:
			e.Kind, e.Candidate, e.Value = feedback.Thumb, c(i/6%2), float64(1-2*(i/6%2))
		case 3:
			e.Kind, e.Ranking = feedback.Ranking, []string{c(0), c(2), c(1)}
		case 4:
			e.Kind, e.Candidate, e.Text = feedback.Edit, c(1), fmt.Sprint("Would you like to know more about ", i, "?")
		case 5:
			e.Kind, e.Generation, e.Messages, e.Text = feedback.Demonstration, "", g.Messages, fmt.Sprint("Shall I look up ", i, "?")
		}
		if _, _, err := w.log.PutEvent(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
}

// rewards scores texts with the reward model of a run.
func (w *world) rewards(t *testing.T, run registry.Run) []float64 {
	t.Helper()
	b, err := w.store.Blob(context.Background(), run.Result.RM)
	if err != nil {
		t.Fatal(err)
	}
	m, err := rm.Decode(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Score(context.Background(), []chat.Message{{Role: chat.User, Content: "What is 7?"}}, []string{"Why do you ask?", "It is 7.", "Who knows?"})
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for _, x := range s {
		all = append(all, x.Reward, x.SD)
	}
	return all
}

// A run made again without what somebody said equals, in every weight, one that never saw it: by every method, and on the built-in model.
func TestMadeAgainEqualsNeverSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, c := range []struct {
		name string
		base func(t *testing.T) []byte
	}{
		{"dpo", mustRead}, {"kto", mustRead}, {"sft", mustRead},
		{"dpo on the built-in model", func(*testing.T) []byte { return tiny.File() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			method, _, _ := strings.Cut(c.name, " ")
			runner := func(w *world) *Runner {
				r := w.unpublished()
				r.Config.Train = train.Config{LR: 1e-3, Rank: 4, Epochs: 1}
				r.Config.Method, r.Config.Seed = method, 7
				return r
			}
			w := emptyWorld(t, c.base(t))
			w.populate(t, "a", 1e9, "")
			r := runner(w)
			saw, err := r.Run(ctx, Request{})
			if err != nil || saw.Decision != "passed" {
				t.Fatalf("%s %s, %v", saw.Decision, Why(saw), err)
			}
			f, err := r.Forget(ctx, w.log, "u3")
			if err != nil || !slices.Equal(f.Runs, []string{saw.ID}) || f.Erased.Events == 0 || f.Erased.Generations != 20 {
				t.Fatalf("%+v, %v", f, err)
			}
			w.late(t, saw.Until.Add(time.Second)) // has no part in it
			again, err := r.Again(ctx, saw.ID)
			if err != nil || again.Decision != "passed" {
				t.Fatalf("%s %s, %v", again.Decision, Why(again), err)
			}
			never := emptyWorld(t, c.base(t))
			never.populate(t, "b", 11e8, "u3")
			want, err := runner(never).Run(ctx, Request{})
			if err != nil {
				t.Fatal(err)
			}
			if again.Weights != want.Weights || again.DataRoot != want.DataRoot {
				t.Errorf("made again: weights %.8s of %.8s, never saw: %.8s of %.8s", again.Weights, again.DataRoot, want.Weights, want.DataRoot)
			}
			if a, b := w.rewards(t, again), never.rewards(t, want); !slices.Equal(a, b) {
				t.Errorf("rewards %v, want %v", a, b)
			}
			if saw.Weights == again.Weights || saw.DataRoot == again.DataRoot {
				t.Error("the one who was erased had no part in the run: this shows nothing")
			}
			if slices.Contains(again.Users, "u3") || len(again.Tainted) > 0 {
				t.Errorf("users %v, tainted %v", again.Users, again.Tainted)
			}
		})
	}
}

// late has somebody vote after a run.
func (w *world) late(t *testing.T, at time.Time) {
	t.Helper()
	ctx := context.Background()
	g := feedback.Generation{ID: "chatcmpl-late", Time: at, User: "u1", Messages: []chat.Message{{Role: chat.User, Content: "What is late?"}},
		Candidates: []feedback.Candidate{{ID: "chatcmpl-late.0", Text: "Who asks?", Shown: true}, {ID: "chatcmpl-late.1", Text: "This."}}}
	if _, err := w.log.PutGeneration(ctx, g); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.log.PutEvent(ctx, feedback.Event{ID: "fb-late", Generation: g.ID, User: "u1", Source: feedback.Human, Time: at, Kind: feedback.Preference,
		Winner: "chatcmpl-late.0", Losers: []string{"chatcmpl-late.1"}}); err != nil {
		t.Fatal(err)
	}
}

func TestAgainRefuses(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	if _, err := r.Again(ctx, "run-none"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("an unknown run: %v", err)
	}
	begun, err := r.Begin(ctx, Request{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Again(ctx, begun.ID); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "never read its feedback") {
		t.Errorf("a run that did nothing: %v", err)
	}
	run, err := r.Run(ctx, Request{Method: RMOnly})
	if err != nil {
		t.Fatal(err)
	}
	r.Base = "another"
	if _, err := r.Again(ctx, run.ID); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "its base is") {
		t.Errorf("another base: %v", err)
	}
	r.Base, r.Alias = tiny.Name, "another"
	if _, err := r.Again(ctx, run.ID); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "alias plumb") {
		t.Errorf("another alias: %v", err)
	}
}

// What an interrupted run holds of somebody goes too.
func TestForgetReachesFiles(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	w.local.fault = errors.New("away")
	run, err := r.Run(ctx, Request{})
	if err == nil {
		t.Fatal("no error")
	}
	folder := filepath.Join(w.dir, "runs", run.ID)
	if _, err := os.Stat(filepath.Join(folder, "records.json.gz")); err != nil {
		t.Fatal(err)
	}
	if f, err := r.Forget(ctx, w.log, "nobody"); err != nil || f.Runs != nil || f.Erased.Events != 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.State == registry.Failed {
		t.Error("a run without a part of the user was abandoned")
	}
	f, err := r.Forget(ctx, w.log, "u2")
	if err != nil || !slices.Equal(f.Runs, []string{run.ID}) {
		t.Fatalf("%+v, %v", f, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*.gz")); len(left) > 0 {
		t.Errorf("what people wrote is left: %v", left)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.State != registry.Failed || !strings.Contains(m.Error, "erased") {
		t.Errorf("%s: %s", m.State, m.Error)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "reference")); !os.IsNotExist(err) {
		t.Errorf("reference log-probs are left: %v", err)
	}
	// Once more, beside a run that is under way elsewhere.
	if _, err := w.store.Acquire(ctx, leaseName, "somebody", leaseTime); err != nil {
		t.Fatal(err)
	}
	if f, err := r.Forget(ctx, w.log, "u2"); err != nil || !slices.Equal(f.Runs, []string{run.ID}) || f.Erased.Events != 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

// Who is erased while a run goes on is not lost by what the run stores afterwards; who had no part in it is not marked in the end.
func TestTaintWhileRunning(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	ctx := context.Background()
	for _, at := range []registry.State{registry.Collect, registry.Build, registry.Train, registry.Canary} {
		w := quickWorld(t)
		r := w.quick()
		r.Progress = func(s registry.State, _, all int, _ string) {
			if s == at && all == 0 {
				for _, user := range []string{"u3", "nobody"} {
					if _, err := Taint(ctx, w.store, user); err != nil {
						t.Error(err)
					}
				}
			}
		}
		run, err := r.Run(ctx, Request{})
		if err != nil || run.Decision != "live" {
			t.Fatalf("%+v, %v", run, err)
		}
		if m, _ := w.store.Run(ctx, run.ID); !slices.Equal(m.Tainted, []string{"u3"}) {
			t.Errorf("erased while at %s: tainted %v", at, m.Tainted)
		}
	}
}

func TestLineage(t *testing.T) {
	ctx := context.Background()
	s := &store{}
	for _, m := range []registry.Run{{ID: "run-1"}, {ID: "run-2", Parent: "run-1"}, {ID: "run-3", Parent: "run-2"}, {ID: "run-9", Parent: "run-gone"}, {ID: "run-o", Parent: "run-o"}} {
		if err := s.PutRun(ctx, m, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		id, want string
		whole    bool
	}{{"run-1", "run-1", true}, {"run-3", "run-3 run-2 run-1", true}, {"run-9", "run-9", false}, {"run-o", "run-o", false}} {
		all, whole, err := Lineage(ctx, s, c.id)
		var ids []string
		for _, m := range all {
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != c.want || whole != c.whole {
			t.Errorf("%s: %s, whole %v, %v", c.id, got, whole, err)
		}
	}
	if _, _, err := Lineage(ctx, s, "run-none"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("an unknown run: %v", err)
	}
}
