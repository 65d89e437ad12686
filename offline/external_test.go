package offline

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm/tiny"
	"plumb/offline/registry"
	"plumb/offline/train"
	"plumb/offline/trl"
	"plumb/offline/trl/trltest"
)

// TestFakeTrainer is the command that the tests below start.
func TestFakeTrainer(t *testing.T) {
	if way, ok := os.LookupEnv("FAKE_TRAINER"); ok {
		os.Exit(trltest.Main(flag.Args(), os.Getenv("FAKE_TRAINER_BASE"), way))
	}
}

// elsewhere is a quickWorld's runner whose adapter another program trains.
func (w *world) elsewhere(t *testing.T, way string) *Runner {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_TRAINER", way)
	t.Setenv("FAKE_TRAINER_BASE", w.local.path(tiny.Name))
	r := w.quick()
	r.Config.Trainer, r.Config.TRL = TRL, trl.Config{Model: "org/base"}
	r.Launch.Command = []string{exe, "-test.run=^TestFakeTrainer$", "--"}
	return r
}

// An adapter from elsewhere goes through the same gate and publication as one of ours.
func TestTrainedElsewhere(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := quickWorld(t)
		r := w.elsewhere(t, trltest.Works)
		if shared {
			r.Launch.Dir = t.TempDir()
		}
		run, err := r.Run(context.Background(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		if run.Decision != "live" || run.Method != "dpo" || run.Weights == "" || run.Metrics["train/steps"] != 3 || run.Metrics["train/loss"] == 0 {
			t.Errorf("%s %s: %v", run.Decision, Why(run), run.Metrics)
		}
		if d, ok := run.Metrics["train/logprob_difference"]; !ok || d > 1e-4 {
			t.Errorf("log-probs differ by %v", d)
		}
		m, err := w.local.Locate(context.Background(), run.Result.Model)
		if err != nil {
			t.Fatal(m, err)
		}
		// What people wrote is gone, wherever the trainer had it.
		for _, dir := range []string{filepath.Join(w.dir, "runs", run.ID, "train"), filepath.Join(r.Launch.Dir, run.ID)} {
			if _, err := os.Stat(dir); dir != run.ID && err == nil {
				t.Errorf("%s is left", dir)
			}
		}
	}
}

// A trainer that fails leaves a run that can be gone on with; what is wrong is in the manifest, and nothing is released.
func TestElsewhereFails(t *testing.T) {
	ctx := context.Background()
	for way, want := range map[string]string{
		trltest.Exits: "CUDA out of memory", trltest.Nothing: "without an adapter", trltest.OtherBase: "not the one that is served", trltest.Permuted: "with the adapter is not the one",
	} {
		w := quickWorld(t)
		run, err := w.elsewhere(t, way).Run(ctx, Request{})
		if err == nil || run.State != registry.Train || !strings.Contains(run.Error, want) || w.store.alias.Live != nil {
			t.Errorf("%s: %s %q, %v", way, run.State, run.Error, err)
		}
		if way == trltest.Permuted || way == trltest.OtherBase {
			continue // its adapter stays until it is removed
		}
		again, err := w.elsewhere(t, trltest.Works).Run(ctx, Request{})
		if err != nil || again.ID != run.ID || again.Decision != "live" {
			t.Errorf("%s: gone on with as %s %s, %v", way, again.ID, again.Decision, err)
		}
	}
}

// Killed while the trainer was at it, the run goes on, and so does the trainer.
func TestElsewhereKilled(t *testing.T) {
	w := quickWorld(t)
	r := w.elsewhere(t, trltest.Hangs)
	killed := errors.New("killed")
	ctx, kill := context.WithCancelCause(context.Background())
	defer kill(nil)
	steps := 0
	r.Progress = func(s registry.State, done, all int, _ string) {
		if s == registry.Train && done > 0 {
			if steps++; steps == 3 {
				kill(killed)
			}
		}
	}
	first, err := r.Run(ctx, Request{})
	if !errors.Is(err, killed) {
		t.Fatal(err)
	}
	w.store.holder = ""
	second, err := w.elsewhere(t, trltest.Hangs).Run(context.Background(), Request{})
	if err != nil || second.ID != first.ID || second.Decision != "live" {
		t.Fatalf("%s %s, %v", second.ID, second.Decision, err)
	}
}

// A configuration that the other program cannot follow is refused before a run begins.
func TestConfigOfTrainer(t *testing.T) {
	for want, c := range map[string]Config{
		"trainer: got":          {Trainer: "axolotl"},
		"model: must":           {Trainer: TRL},
		"trl: got":              {TRL: trl.Config{Model: "m"}},
		`method: got "bco"`:     {Method: "bco", Trainer: TRL, TRL: trl.Config{Model: "m"}},
		"anchor: got":           {Trainer: TRL, TRL: trl.Config{Model: "m"}, Train: train.Config{Anchor: 1}},
		"precision: got \"int8": {Trainer: TRL, TRL: trl.Config{Model: "m", Precision: "int8"}},
	} {
		if err := c.Check(); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (Config{Trainer: TRL, TRL: trl.Config{Model: "m"}, Method: RMOnly}).Check(); err != nil {
		t.Error(err)
	}
}

// The published file is the base with the trainer's adapter, not another.
func TestElsewhereAdapterIsKept(t *testing.T) {
	w := quickWorld(t)
	run, err := w.elsewhere(t, trltest.Works).Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.ReadFile(w.local.path(tiny.Name))
	if err != nil {
		t.Fatal(err)
	}
	published, err := os.ReadFile(w.local.path(run.Result.Model))
	if err != nil || bytes.Equal(base, published) {
		t.Fatalf("%d bytes, %v", len(published), err)
	}
	if run.Weights == "" || !bytes.Contains(published, []byte(run.Weights)) {
		t.Errorf("the file does not name the weights %s", run.Weights)
	}
}
