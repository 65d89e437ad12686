package offline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

func TestRunGoesLive(t *testing.T) {
	w := quickWorld(t)
	r := w.quick()
	r.Harmless, r.Claims = nil, nil // all that a run asks
	var states []registry.State
	r.Progress = func(s registry.State, _, all int, _ string) {
		if all == 0 {
			states = append(states, s)
		}
	}
	run, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if run.State != registry.Live || run.Decision != "live" || run.Method != "dpo" || run.Result.Model != ModelName("plumb", run.ID) || run.Result.RM == "" {
		t.Fatalf("%+v", run)
	}
	if run.Base.Digest == "" || run.DataRoot == "" || len(run.Users) != 7 || run.Weights == "" || run.Rows["pairs"] == 0 || run.Rows["held_out"] == 0 {
		t.Errorf("the manifest lacks something: %+v", run)
	}
	want := []registry.State{registry.Collect, registry.Build, registry.RefitRM, registry.Choose, registry.Reference, registry.Train,
		registry.Evaluate, registry.GateState, registry.Write, registry.Publish, registry.Canary}
	if !slices.Equal(states, want) {
		t.Errorf("states %v", states)
	}
	a := w.store.alias
	if a.Live == nil || *a.Live != run.Result || a.Previous == nil || a.Previous.Model != r.Base {
		t.Errorf("alias %+v", a)
	}
	if _, err := w.store.Blob(context.Background(), run.Result.RM); err != nil {
		t.Error(err)
	}
	var report gate.Report
	if err := json.Unmarshal(run.Gate, &report); err != nil || !report.Pass || report.Checks[len(report.Checks)-1].Name != "file_check" {
		t.Errorf("%s, %v", run.Gate, err)
	}
	// What people wrote is gone from the run's folder, the adapter stays.
	left, _ := filepath.Glob(filepath.Join(w.dir, "runs", run.ID, "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if d := cmp.Diff([]string{"adapter.gguf", "measures.json", "reward.json", "start.json", "steps.jsonl"}, left); d != "" {
		t.Error(d)
	}
	if w.store.holder != "" {
		t.Error("the lease is still held")
	}
}

// A second run measures itself against the first one's adapter.
func TestSecondRunHasAnIncumbent(t *testing.T) {
	w := quickWorld(t)
	r := w.quick()
	first, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 40; i < 55; i++ {
		w.compare(t, i, "v", 0)
	}
	r.Config.Seed = 2
	second, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	var report gate.Report
	json.Unmarshal(second.Gate, &report)
	if second.Parent != first.ID || second.Decision == "" || !slices.ContainsFunc(report.Checks, func(c gate.Check) bool { return c.Name == "held_out_accuracy" }) {
		t.Errorf("%+v", second)
	}
	// Without the folder of the first run, its published file does.
	os.RemoveAll(filepath.Join(w.dir, "runs", first.ID))
	w.store.alias.Live = &first.Result
	third, err := r.Run(context.Background(), Request{})
	if err != nil || third.Metrics["gate/kl_incumbent"] == 0 {
		t.Fatalf("%+v, %v", third.Metrics, err)
	}
	if a, b := third.Metrics["gate/kl_incumbent"], second.Metrics["gate/kl_incumbent"]; a < .9*b-1e-3 || a > 1.1*b+1e-3 {
		t.Errorf("divergence from the published file %v, from base and adapter %v", a, b)
	}
}

// killedRun makes a run of the quick configuration, changed, that dies whenever die says so, and is begun again each time.
func killedRun(t *testing.T, w *world, change func(*Config), die func(s registry.State, stored bool) bool) registry.Run {
	t.Helper()
	r := w.quick()
	change(&r.Config)
	// Two runs of one id and time can be compared byte for byte.
	epoch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Now = func() time.Time { return epoch }
	if _, err := r.Begin(context.Background(), Request{}); err != nil {
		t.Fatal(err)
	}
	w.store.runs[0].ID = "run-0"
	killed := errors.New("killed")
	for range 100 {
		ctx, kill := context.WithCancelCause(context.Background())
		r := w.quick()
		change(&r.Config)
		r.Now = func() time.Time { return epoch }
		dead := false
		r.Progress = func(s registry.State, done, all int, note string) {
			if die(s, false) {
				dead = true
				kill(killed)
			}
		}
		w.store.onPut = func(m registry.Run) error {
			if dead || die(m.State, true) { // nothing is stored once the process is dead
				dead = true
				return killed
			}
			return nil
		}
		run, err := r.Run(ctx, Request{})
		kill(nil)
		w.store.onPut = nil
		if err == nil {
			return run
		}
		if !errors.Is(err, killed) {
			t.Fatal(err)
		}
		w.store.holder = "" // the lease has run out
	}
	t.Fatal("the run does not end")
	return registry.Run{}
}

func TestKilledInEveryState(t *testing.T) {
	whole := quickWorld(t)
	want := killedRun(t, whole, func(*Config) {}, func(registry.State, bool) bool { return false })
	for _, stored := range []bool{false, true} {
		w := quickWorld(t)
		died := map[registry.State]int{}
		got := killedRun(t, w, func(*Config) {}, func(s registry.State, atPut bool) bool {
			if atPut != stored || died[s] > 0 {
				return false
			}
			died[s]++
			return true
		})
		if len(died) < 10 {
			t.Errorf("died in %v alone", died)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("killed while storing %v:\n%s", stored, d)
		}
		for _, name := range []string{"runs/run-0/adapter.gguf", "runs/run-0/measures.json", "runs/run-0/steps.jsonl", "plumb-plumb_run-0.gguf"} {
			a, errA := os.ReadFile(filepath.Join(whole.dir, name))
			b, errB := os.ReadFile(filepath.Join(w.dir, name))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s differs: %v %v", name, errA, errB)
			}
		}
		if w.store.alias.Version != 1 {
			t.Errorf("the alias moved %d times", w.store.alias.Version)
		}
	}
}

func TestRejected(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		change func(w *world, r *Runner)
		state  registry.State
		why    string
	}{
		{"no feedback", func(w *world, r *Runner) {
			w.log.EraseUser(ctx, "u0")
			*w = *emptyWorld(t, mustRead(t))
			r.Log = w.log
			r.Registry, r.Lease = w.store, w.store
		},
			registry.Build, "no feedback"},
		{"too little to train on", func(w *world, r *Runner) { r.Config.LeastRows = 1000 }, registry.Choose, "too little feedback"},
		{"too little for the method", func(w *world, r *Runner) { r.Config.Method = "sft" }, registry.Choose, "0 rows to train sft on"},
		{"the gate", func(w *world, r *Runner) { r.Config.Limits.KLBase = 1e-9 }, registry.GateState, "kl_base"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := quickWorld(t)
			r := w.quick()
			c.change(w, r)
			run, err := r.Run(ctx, Request{})
			if err != nil || run.State != registry.Rejected || !strings.Contains(Why(run), c.why) {
				t.Fatalf("%s %q, %v", run.State, Why(run), err)
			}
			if w.store.alias.Live != nil || len(w.local.published) > 0 {
				t.Error("something was released")
			}
			if _, err := r.Promote(ctx, run.ID); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "rejected") {
				t.Errorf("promote: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, "runs", run.ID, "*.gz")); len(left) > 0 {
				t.Errorf("what people wrote is left: %v", left)
			}
		})
	}
}

func mustRead(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../lm/testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRewardModelAlone(t *testing.T) {
	w := quickWorld(t)
	r := w.quick()
	run, err := r.Run(context.Background(), Request{Method: RMOnly})
	if err != nil || run.Decision != "live" || run.Result.Model != r.Base || run.Result.RM == "" || run.Weights != "" {
		t.Fatalf("%+v, %v", run, err)
	}
	if a := w.store.alias; a.Live.RM != run.Result.RM || a.Previous.RM != "" {
		t.Errorf("alias %+v", a)
	}
	// A model trained afterwards has the base as its incumbent still.
	next, err := r.Run(context.Background(), Request{Method: "dpo"})
	if err != nil || next.Parent != run.ID || next.Decision != "live" {
		t.Fatalf("%+v, %v", next, err)
	}
	if _, ok := next.Metrics["gate/held_out_accuracy"]; ok {
		t.Error("the base was measured as a trained incumbent")
	}
}

// Every kind of feedback ends in a model by the method that fits it.
func TestMethodsOfFeedback(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		event func(i int, g feedback.Generation) feedback.Event
		want  string
	}{
		{"thumbs", func(i int, g feedback.Generation) feedback.Event {
			return feedback.Event{Generation: g.ID, Kind: feedback.Thumb, Candidate: g.Candidates[i%2].ID, Value: float64(1 - 2*(i%2))}
		}, "kto"},
		{"demonstrations", func(i int, g feedback.Generation) feedback.Event {
			return feedback.Event{Kind: feedback.Demonstration, Messages: g.Messages, Text: "Who wants to know?"}
		}, "sft"},
		{"edits that change a little", func(i int, g feedback.Generation) feedback.Event {
			return feedback.Event{Generation: g.ID, Kind: feedback.Edit, Candidate: g.Candidates[1].ID, Text: g.Candidates[1].Text + " Why?"}
		}, "dpo"},
		{"edits that leave nothing as it was", func(i int, g feedback.Generation) feedback.Event {
			return feedback.Event{Generation: g.ID, Kind: feedback.Edit, Candidate: g.Candidates[1].ID, Text: "Who wants to know?"}
		}, "sft"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := quickWorld(t)
			all, _, err := w.log.Generations(ctx, feedback.Query{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			log := &memory.Log{}
			for i, g := range all {
				log.PutGeneration(ctx, g)
				e := c.event(i, g)
				e.ID, e.Time, e.Source, e.User = feedback.NewEventID(g.Time), g.Time, feedback.Human, "u"
				if _, _, err := log.PutEvent(ctx, e); err != nil {
					t.Fatal(err)
				}
			}
			r := w.quick()
			r.Log = log
			run, err := r.Run(ctx, Request{})
			if err != nil || run.Method != c.want || run.Decision != "live" {
				t.Errorf("%s (%s): %s %s, %v", run.Method, run.Reason, run.Decision, Why(run), err)
			}
		})
	}
}

func TestPromoteAndRollback(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	if _, err := r.Promote(ctx, ""); chat.KindOf(err) != chat.NotFound {
		t.Errorf("promote without runs: %v", err)
	}
	if _, err := r.Rollback(ctx); chat.KindOf(err) != chat.Conflict {
		t.Errorf("roll back without a release: %v", err)
	}
	run, err := r.Run(ctx, Request{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Rollback(ctx)
	if err != nil || a.Live.Model != r.Base || a.Live.RM != "" || *a.Previous != run.Result {
		t.Errorf("rolled back to %+v, %v", a, err)
	}
	if a, err = r.Promote(ctx, ""); err != nil || *a.Live != run.Result || a.Previous.Model != r.Base {
		t.Errorf("promoted %+v, %v", a, err)
	}
	version := a.Version
	if a, err = r.Promote(ctx, run.ID); err != nil || a.Version != version {
		t.Errorf("promoting what is live moved the alias: %+v, %v", a, err)
	}
	if _, err := r.Promote(ctx, "run-none"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("an unknown run: %v", err)
	}
	if alias, runs, err := r.Status(ctx, 5); err != nil || alias.Version != version || len(runs) != 1 {
		t.Errorf("status: %+v, %d runs, %v", alias, len(runs), err)
	}
}

func TestCanary(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	r.Config.Canary = .2
	run, err := r.Run(ctx, Request{})
	if err != nil || run.State != registry.Canary || run.Decision != "canary" {
		t.Fatalf("%+v, %v", run, err)
	}
	// The next run is a new one, whether it asks for the same or not. A canary ends the one before it; a reward model leaves it alone.
	first := run
	for _, method := range []string{"", RMOnly} {
		again, err := r.Run(ctx, Request{Method: method})
		if err != nil || again.ID == run.ID {
			t.Fatalf("%+v, %v", again, err)
		}
		if method == "" {
			run = again
		}
	}
	if m, _ := w.store.Run(ctx, first.ID); m.State != registry.Rejected || !strings.Contains(m.Reason, "undecided when "+run.ID) {
		t.Errorf("the canary before is %s: %s", m.State, m.Reason)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.State != registry.Canary {
		t.Errorf("a reward model has made the canary %s", m.State)
	}
	w.store.alias.Live, w.store.alias.Previous, w.store.alias.Canary = nil, nil, &run.Result
	if a := w.store.alias; a.Live != nil || *a.Canary != run.Result || a.Share != .2 {
		t.Errorf("alias %+v", a)
	}
	a, err := r.Promote(ctx, run.ID)
	if err != nil || *a.Live != run.Result || a.Canary != nil || a.Share != 0 {
		t.Errorf("promoted %+v, %v", a, err)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.State != registry.Live {
		t.Errorf("the run stands at %s", m.State)
	}
}

// A canary that people dislike is taken back, one that they like goes live.
func TestJudgeCanary(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		down    float64 // on the canary
		verdict string
	}{{"bad", -1, gate.Bad}, {"good", 1, gate.Good}} {
		t.Run(c.name, func(t *testing.T) {
			w := quickWorld(t)
			r := w.quick()
			r.Config.Canary = .5
			if verdict, _, err := r.JudgeCanary(ctx, gate.CanaryLimits{}); verdict != "" || err != nil {
				t.Errorf("without a canary: %q, %v", verdict, err)
			}
			run, err := r.Run(ctx, Request{})
			if err != nil {
				t.Fatal(err)
			}
			vote := func(i int, by string, value float64) {
				g := feedback.Generation{ID: fmt.Sprint("chatcmpl-c", by, i), Time: run.Updated.Add(time.Second), Policy: feedback.Policy{Alias: "plumb", Run: by},
					Candidates: []feedback.Candidate{{ID: fmt.Sprint("chatcmpl-c", by, i, ".0"), Text: "x", Shown: true}}}
				w.log.PutGeneration(ctx, g)
				if _, _, err := w.log.PutEvent(ctx, feedback.Event{ID: fmt.Sprint("fb-c", by, i), Generation: g.ID, Candidate: g.Candidates[0].ID, User: fmt.Sprint("c", i),
					Kind: feedback.Thumb, Value: value, Source: feedback.Human, Time: g.Time}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 100 {
				vote(i, "", 1)
				if i == 1 {
					if verdict, why, _ := r.JudgeCanary(ctx, gate.CanaryLimits{}); verdict != gate.Wait {
						t.Fatalf("after two votes: %s %s", verdict, why)
					}
				}
				vote(i, run.ID, c.down)
			}
			verdict, why, err := r.JudgeCanary(ctx, gate.CanaryLimits{})
			if verdict != c.verdict || err != nil {
				t.Fatalf("%s: %s, %v", verdict, why, err)
			}
			m, _ := w.store.Run(ctx, run.ID)
			a := w.store.alias
			if a.Canary != nil || (a.Live != nil) != (c.verdict == gate.Good) || (m.State == registry.Live) != (c.verdict == gate.Good) {
				t.Errorf("alias %+v, run at %s", a, m.State)
			}
			if c.verdict == gate.Bad && !strings.Contains(Why(m), "canary: thumbs down: 100 of 100") {
				t.Errorf("%q", Why(m))
			}
		})
	}
}

func TestErrorsAreGoneOnFrom(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	w.local.fault = &chat.Error{Kind: chat.Unavailable, Msg: "the upstream is away"}
	run, err := r.Run(ctx, Request{})
	if chat.KindOf(err) != chat.Unavailable || run.State != registry.Publish || !strings.Contains(run.Error, "the upstream is away") {
		t.Fatalf("%+v, %v", run, err)
	}
	again, err := r.Run(ctx, Request{})
	if err != nil || again.ID != run.ID || again.Decision != "live" || again.Error != "" {
		t.Fatalf("%+v, %v", again, err)
	}
}

func TestAnotherRequestAbandons(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	w.local.fault = errors.New("away")
	first, err := r.Run(ctx, Request{})
	if err == nil {
		t.Fatal("no error")
	}
	second, err := r.Run(ctx, Request{Method: RMOnly})
	if err != nil || second.ID == first.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	if m, _ := w.store.Run(ctx, first.ID); m.State != registry.Failed || m.Error == "" {
		t.Errorf("the first run stands at %s (%s)", m.State, m.Error)
	}
}

func TestOneRunAtATime(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	if _, err := w.store.Acquire(ctx, leaseName, "somebody else", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(ctx, Request{}); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Begin(ctx, Request{}); chat.KindOf(err) != chat.Conflict {
		t.Errorf("begin: %v", err)
	}
	w.store.holder = ""
	// The lease is lost in the middle: the run stops and stores nothing more.
	r.LeaseTime = 30 * time.Millisecond
	stolen := make(chan struct{})
	r.Progress = func(s registry.State, done, _ int, _ string) {
		if s == registry.Train && done == 1 {
			w.store.mu.Lock()
			w.store.fence, w.store.holder, w.store.stolen = 99, "a thief", stolen
			w.store.mu.Unlock()
			<-stolen // the run has noticed
		}
	}
	run, err := r.Run(ctx, Request{})
	if err == nil || !strings.Contains(err.Error(), "lease") && !strings.Contains(err.Error(), "fence") {
		t.Fatalf("%s, %v", run.State, err)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.State != registry.Train || m.Error != "" {
		t.Errorf("stored after the lease was lost: %+v", m)
	}
	if w.store.holder != "a thief" {
		t.Error("another's lease was released")
	}
}

func TestBegin(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.quick()
	begun, err := r.Begin(ctx, Request{Method: RMOnly})
	if err != nil || begun.State != registry.Collect {
		t.Fatalf("%+v, %v", begun, err)
	}
	run, err := r.Run(ctx, Request{Method: RMOnly})
	if err != nil || run.ID != begun.ID || run.Decision != "live" {
		t.Errorf("%+v, %v", run, err)
	}
	if _, err := r.Begin(ctx, Request{Method: "alchemy"}); chat.KindOf(err) != chat.Invalid {
		t.Errorf("an unknown method: %v", err)
	}
}

func TestBaseMustNotChange(t *testing.T) {
	w := quickWorld(t)
	r := w.quick()
	w.local.fault = errors.New("away")
	if _, err := r.Run(context.Background(), Request{}); err == nil {
		t.Fatal("no error")
	}
	b := append(mustRead(t), 0)
	if err := os.WriteFile(w.local.path(r.Base), b, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(w.dir, "runs", w.store.runs[0].ID, "model.gguf"))
	if _, err := r.Run(context.Background(), Request{}); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("got %v", err)
	}
}

func TestTaint(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	run, err := w.quick().Run(ctx, Request{Method: RMOnly})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time changes nothing
		if _, err := Taint(ctx, w.store, "u3"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Taint(ctx, w.store, "nobody"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if m, _ := w.store.Run(ctx, run.ID); !slices.Equal(m.Tainted, []string{"u3"}) {
		t.Errorf("tainted %v", m.Tainted)
	}
}

func TestConfigCheck(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Method: "magic"}, "magic"},
		{Config{Type: "q2"}, "type: got"},
		{Config{Canary: 1}, "canary: got 1"},
		{Config{LeastRows: -1}, "least_rows"},
		{Config{Method: "sft", Train: gateFull()}, "full"},
	} {
		if err := c.c.Check(); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.c, err, c.want)
		}
	}
	if err := (Config{}).Check(); err != nil {
		t.Error(err)
	}
}
