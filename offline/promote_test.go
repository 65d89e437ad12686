package offline

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/offline/registry"
)

// unpublished is the quick runner whose runs end after the gate.
func (w *world) unpublished() *Runner {
	r := w.quick()
	r.Config.NoPublish = true
	return r
}

func TestNoPublish(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.unpublished()
	run, err := r.Run(ctx, Request{})
	if err != nil || run.State != registry.Passed || run.Decision != "passed" || run.Weights == "" || run.Result.RM == "" {
		t.Fatalf("%+v, %v", run, err)
	}
	if w.store.alias.Version != 0 || len(w.local.published) > 0 || run.Result.Model != "" {
		t.Errorf("alias %+v, published %v, result %+v", w.store.alias, w.local.published, run.Result)
	}
	left, _ := filepath.Glob(filepath.Join(w.dir, "runs", run.ID, "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if d := cmp.Diff([]string{"adapter.gguf", "measures.json", "reward.json", "start.json", "steps.jsonl"}, left); d != "" {
		t.Error(d)
	}
	// The next one is another run, and the published one has the same weights.
	published, err := w.quick().Run(ctx, Request{})
	if err != nil || published.ID == run.ID || published.Decision != "live" || published.Weights != run.Weights {
		t.Fatalf("%+v, %v", published, err)
	}
}

func TestKilledInEveryStateUnpublished(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	whole := quickWorld(t)
	unpublished := func(c *Config) { c.NoPublish = true }
	want := killedRun(t, whole, unpublished, func(registry.State, bool) bool { return false })
	for _, stored := range []bool{false, true} {
		w := quickWorld(t)
		died := map[registry.State]int{}
		got := killedRun(t, w, unpublished, func(s registry.State, atPut bool) bool {
			if atPut != stored || died[s] > 0 {
				return false
			}
			died[s]++
			return true
		})
		if len(died) < 7 {
			t.Errorf("died in %v alone", died)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("killed while storing %v:\n%s", stored, d)
		}
		a, errA := os.ReadFile(filepath.Join(whole.dir, "runs/run-0/adapter.gguf"))
		b, errB := os.ReadFile(filepath.Join(w.dir, "runs/run-0/adapter.gguf"))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("the adapter differs: %v %v", errA, errB)
		}
		if w.store.alias.Version != 0 || len(w.local.published) > 0 {
			t.Error("something was released")
		}
	}
}

// A run that passed unpublished is published when it is promoted by name, and not before.
func TestPromotePublishes(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.unpublished()
	run, err := r.Run(ctx, Request{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(ctx, ""); chat.KindOf(err) != chat.NotFound || !strings.Contains(err.Error(), run.ID) {
		t.Errorf("promoted without being named: %v", err)
	}
	stored := func() registry.Run {
		m, err := w.store.Run(ctx, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	w.local.fault = errors.New("the upstream is away")
	if _, err := r.Promote(ctx, run.ID); err == nil || stored().Decision != "passed" || w.store.alias.Version != 0 {
		t.Fatalf("%v, %+v", err, stored())
	}
	if _, err := w.store.Acquire(ctx, leaseName, "somebody", leaseTime); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(ctx, run.ID); chat.KindOf(err) != chat.Conflict {
		t.Errorf("published beside another run: %v", err)
	}
	w.store.holder = ""
	a, err := r.Promote(ctx, run.ID)
	if err != nil || a.Live == nil || a.Live.Model != ModelName("plumb", run.ID) || a.Live.RM != run.Result.RM || a.Previous.Model != r.Base {
		t.Fatalf("%+v, %v", a, err)
	}
	if m := stored(); m.State != registry.Live || m.Decision != "live" || m.Result != *a.Live || !strings.Contains(string(m.Gate), "file_check") {
		t.Errorf("%+v", m)
	}
	if err := w.local.Warm(ctx, a.Live.Model); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "runs", run.ID, "model.gguf")); len(left) > 0 || w.store.holder != "" {
		t.Errorf("left %v, lease held by %q", left, w.store.holder)
	}
	if again, err := r.Promote(ctx, run.ID); err != nil || again.Version != a.Version {
		t.Errorf("promoted again: %+v, %v", again, err)
	}
}

// A reward model goes live with the model that answers then, not with the one that answered when it was fitted.
func TestPromoteRewardModel(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	fitted, err := w.unpublished().Run(ctx, Request{Method: RMOnly})
	if err != nil || fitted.Decision != "passed" {
		t.Fatalf("%+v, %v", fitted, err)
	}
	trained, err := w.quick().Run(ctx, Request{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.quick().Promote(ctx, fitted.ID)
	if err != nil || a.Live.Model != trained.Result.Model || a.Live.RM != fitted.Result.RM || a.Live.Run != fitted.ID {
		t.Errorf("%+v, %v", a, err)
	}
}

// A file that does not answer as it should is not made live by hand either.
func TestPromoteChecksTheFile(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	r := w.unpublished()
	run, err := r.Run(ctx, Request{})
	if err != nil {
		t.Fatal(err)
	}
	r.Upstream = liar{w.local}
	if _, err := r.Promote(ctx, run.ID); chat.KindOf(err) != chat.Conflict || !strings.Contains(err.Error(), "file_check") {
		t.Fatalf("got %v", err)
	}
	if m, _ := w.store.Run(ctx, run.ID); m.Decision != "rejected" || w.store.alias.Version != 0 {
		t.Errorf("%+v, alias %+v", m, w.store.alias)
	}
}

// liar is an upstream that has other log-probs than its model.
type liar struct{ *local }

func (l liar) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	return l.local.Continue(ctx, d, func(p chat.Piece) {
		if p.Done != nil {
			for i := range p.Done.Logprobs {
				p.Done.Logprobs[i].Logprob--
			}
		}
		each(p)
	})
}

// sleeper is a registry that falls asleep before its nth reading of the alias.
type sleeper struct {
	*store
	n            int
	asleep, wake chan struct{}
}

func (s *sleeper) Alias(ctx context.Context, name string) (registry.Alias, error) {
	if s.n--; s.n == 0 {
		close(s.asleep)
		<-s.wake
	}
	return s.store.Alias(ctx, name)
}

// A holder that stalls beyond its lease just before it releases wakes after another process has finished the run and somebody has rolled
// it back. What it reads then is fresh, so that the version alone would let it through: the fence does not.
func TestStalledHolder(t *testing.T) {
	ctx := context.Background()
	w := quickWorld(t)
	stalled := w.quick()
	s := &sleeper{store: w.store, n: 2, asleep: make(chan struct{}), wake: make(chan struct{})} // the first reading is collect's
	stalled.Registry, stalled.Holder = s, "stalled"
	ended := make(chan error)
	go func() {
		_, err := stalled.Run(ctx, Request{})
		ended <- err
	}()
	<-s.asleep
	w.store.mu.Lock()
	w.store.until = w.store.until.Add(-2 * leaseTime)
	w.store.mu.Unlock()
	other := w.quick()
	run, err := other.Run(ctx, Request{})
	if err != nil || run.Decision != "live" {
		t.Fatalf("%+v, %v", run, err)
	}
	if len(w.store.runs) != 1 {
		t.Fatalf("%d runs: the other one did not go on with the same", len(w.store.runs))
	}
	alias, err := other.Rollback(ctx)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _ := w.store.Run(ctx, run.ID)
	close(s.wake)
	if err := <-ended; chat.KindOf(err) != chat.Conflict {
		t.Errorf("the stalled one ended with %v", err)
	}
	if d := cmp.Diff(alias, w.store.alias); d != "" {
		t.Errorf("the stalled one moved the alias:\n%s", d)
	}
	if now, _ := w.store.Run(ctx, run.ID); !cmp.Equal(manifest, now) {
		t.Errorf("the stalled one stored its manifest:\n%s", cmp.Diff(manifest, now))
	}
}
