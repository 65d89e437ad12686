package trl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/rows"
	"plumb/offline/train"
	"plumb/offline/trl/trltest"
)

// TestFakeTrainer is the command that the other tests start.
func TestFakeTrainer(t *testing.T) {
	if way, ok := os.LookupEnv("FAKE_TRAINER"); ok {
		os.Exit(trltest.Main(flag.Args(), os.Getenv("FAKE_TRAINER_BASE"), way))
	}
}

const tinyLlama = "../../lm/testdata/tiny-llama.gguf"

// fake has the trainer go wrong in a way, or right.
func fake(t *testing.T, way, base string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_TRAINER", way)
	t.Setenv("FAKE_TRAINER_BASE", base)
	return []string{exe, "-test.run=^TestFakeTrainer$", "--"}
}

func training(t *testing.T, method, way, base string) Training {
	t.Helper()
	m, err := lm.Open(tinyLlama)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return Training{Model: m, Config: Config{Model: "org/base"}, Train: train.Config{Method: method, Rank: 4, Alpha: 8, Seed: 3},
		Launch: Launch{Command: fake(t, way, base)}, Run: "run-1", Folder: filepath.Join(t.TempDir(), "train")}
}

func user(text string) rows.Text {
	return rows.Text{Messages: []chat.Message{{Role: chat.User, Content: text}}}
}

// some is ten rows of each kind; one pair is a tie, which prefers nothing, and one weighs two.
func some() (r Rows) {
	two := 2.
	for i := range 10 {
		prompt := user(fmt.Sprint("What is ", i, "?"))
		p := rows.Preference{Prompt: prompt, Chosen: rows.Plain(fmt.Sprint("It is ", i, ".")), Rejected: rows.Plain("No."), Tie: i == 7}
		if i == 2 {
			p.Weight = &two
		}
		r.Preferences = append(r.Preferences, p)
		r.Unpaired = append(r.Unpaired, rows.Unpaired{Prompt: prompt, Completion: rows.Plain("Yes."), Label: i%2 == 0})
		r.Demonstrations = append(r.Demonstrations, rows.Demonstration{Prompt: prompt, Completion: rows.Plain("Well, yes.")})
	}
	return r
}

func TestFit(t *testing.T) {
	for method, want := range map[string]int{"dpo": 9, "kto": 10, "sft": 10} {
		g := training(t, method, trltest.Works, tinyLlama)
		var steps []Step
		g.Each = func(s Step) { steps = append(steps, s) }
		result, err := g.Fit(context.Background(), some())
		if err != nil {
			t.Fatal(method, err)
		}
		if result.Rows != want || len(steps) != 3 || result.Last.Step != 3 || result.Last.Metrics["rewards/margins"] != 2 || result.Worst > 1e-4 {
			t.Errorf("%s: %d rows, steps %v, last %+v, log-probs differ by %g", method, result.Rows, steps, result.Last, result.Worst)
		}
		if result.Adapter.Rank != 4 || result.Adapter.Alpha != 8 || len(result.Adapter.Tensors) != 42 {
			t.Errorf("%s: rank %d, alpha %v, %d tensors", method, result.Adapter.Rank, result.Adapter.Alpha, len(result.Adapter.Tensors))
		}
		if method == "dpo" && (result.Weighted != 1 || result.Dropped["a tie prefers nothing"] != 1) {
			t.Errorf("%d rows with a weight, dropped %v", result.Weighted, result.Dropped)
		}
		if said, err := os.ReadFile(filepath.Join(g.Folder, "train.log")); err != nil || !strings.Contains(string(said), "loading the model\n") {
			t.Errorf("%s: the log has %q, %v", method, said, err)
		}
	}
}

// The rows are written as messages and are read back by the reader of TRL's shapes.
func TestRowsAreTRLs(t *testing.T) {
	g := training(t, "dpo", trltest.Works, tinyLlama)
	if _, err := g.Fit(context.Background(), some()); err != nil {
		t.Fatal(err)
	}
	all, err := rows.ReadFiles[rows.Preference](filepath.Join(g.Folder, "rows.jsonl"))
	if err != nil || len(all) != 9 {
		t.Fatalf("%d rows, %v", len(all), err)
	}
	first := all[0]
	if len(first.Prompt.Messages) != 1 || first.Chosen.Messages[0].Role != chat.Assistant || first.Chosen.Messages[0].Content != "It is 0." {
		t.Errorf("%+v", first)
	}
}

// What is done is not done again, and what is another training's is not taken for this one's.
func TestFolderIsGoneOnWith(t *testing.T) {
	g := training(t, "dpo", trltest.Works, tinyLlama)
	first, err := g.Fit(context.Background(), some())
	if err != nil {
		t.Fatal(err)
	}
	g.Launch.Command = []string{"no-such-program"}
	again, err := g.Fit(context.Background(), some())
	if err != nil || !slices.Equal(again.Adapter.Data, first.Adapter.Data) {
		t.Fatalf("the adapter that is there was not taken: %v", err)
	}
	g.Train.LR = 1e-3
	if _, err := g.Fit(context.Background(), some()); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("the adapter of another training was taken: %v", err)
	}
	if _, err := os.Stat(filepath.Join(g.Folder, "adapter")); err == nil {
		t.Error("another training's adapter is left")
	}
}

func TestFitFails(t *testing.T) {
	qwen := "../../lm/testdata/tiny-qwen2.gguf"
	untied := "../../lm/testdata/tiny-llama-untied.gguf"
	for _, c := range []struct {
		way, base string
		kind      chat.Kind
		want      string
	}{
		{trltest.Exits, tinyLlama, chat.Internal, "CUDA out of memory"},
		{trltest.Nothing, tinyLlama, chat.Internal, "without an adapter"},
		{trltest.OtherBase, tinyLlama, chat.Conflict, "base model is not the one that is served"},
		{trltest.Works, untied, chat.Conflict, "base model is not the one that is served"},
		{trltest.Works, qwen, chat.Conflict, "base model is not the one that is served"},
		{trltest.OtherText, tinyLlama, chat.Conflict, "chat template"},
		{trltest.Permuted, tinyLlama, chat.Conflict, "model with the adapter is not the one"},
		{trltest.Silent, tinyLlama, chat.Internal, "log-probs"},
		{trltest.NotFinite, tinyLlama, chat.Internal, "NaN"},
	} {
		t.Run(c.way+" "+filepath.Base(c.base), func(t *testing.T) {
			g := training(t, "sft", c.way, c.base)
			_, err := g.Fit(context.Background(), some())
			if err == nil || !strings.Contains(err.Error(), c.want) || chat.KindOf(err) != c.kind {
				t.Errorf("%v (%v), want %q (%v)", err, chat.KindOf(err), c.want, c.kind)
			}
		})
	}
}

// A base that is another model is told before the training, not after it.
func TestOtherBaseStopsEarly(t *testing.T) {
	g := training(t, "sft", trltest.OtherBase, tinyLlama)
	if _, err := g.Fit(context.Background(), some()); err == nil {
		t.Fatal("taken")
	}
	if _, err := os.Stat(filepath.Join(g.Folder, "adapter")); err == nil {
		t.Error("it trained on all the same")
	}
}

// An adapter whose tensors are not this model's is refused, whatever the trainer says of its log-probs.
func TestAdapterOfAnotherShape(t *testing.T) {
	g := training(t, "sft", trltest.Works, tinyLlama)
	if _, err := g.Fit(context.Background(), some()); err != nil {
		t.Fatal(err)
	}
	other, err := lm.Open("../../lm/testdata/stories260K.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ad, err := other.NewAdapter(lm.LoRA{Rank: 4, Alpha: 8})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(g.Folder, "adapter")
	os.RemoveAll(dir)
	if err := ad.WritePEFT(dir, other, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Fit(context.Background(), some()); err == nil || !strings.Contains(err.Error(), "remove "+dir) {
		t.Errorf("%v", err)
	}
}

// Broken off in the middle, the command is ended, and the next one goes on in the same folder.
func TestKilledInTheMiddle(t *testing.T) {
	g := training(t, "dpo", trltest.Hangs, tinyLlama)
	killed := errors.New("killed")
	ctx, kill := context.WithCancelCause(context.Background())
	defer kill(nil)
	g.Each = func(s Step) {
		if s.Metrics["hangs"] == 1 {
			kill(killed)
		}
	}
	if _, err := g.Fit(ctx, some()); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(g.Folder, "checkpoints")); err != nil {
		t.Fatal("the checkpoint is gone")
	}
	g.Each = nil
	result, err := g.Fit(context.Background(), some())
	if err != nil || result.Last.Step != 3 {
		t.Fatalf("%+v, %v", result, err)
	}
}

func TestNoRowToCompare(t *testing.T) {
	g := training(t, "sft", trltest.Works, tinyLlama)
	g.Train.MaxLength = 20
	long := Rows{Demonstrations: []rows.Demonstration{{Prompt: user("Hi"), Completion: rows.Plain(strings.Repeat("a long reply ", 30))}}}
	if _, err := g.Fit(context.Background(), long); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "max_length") {
		t.Errorf("%v", err)
	}
	if _, err := g.Fit(context.Background(), Rows{}); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "no demonstration rows") {
		t.Errorf("%v", err)
	}
}

func TestConfigCheck(t *testing.T) {
	good := Config{Model: "org/base"}
	if err := good.Check(train.Config{}); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		c Config
		t train.Config
	}{
		"model: must":       {Config{}, train.Config{}},
		"precision: got":    {Config{Model: "m", Precision: "int8"}, train.Config{}},
		"per_device: got 5": {Config{Model: "m", PerDevice: 5}, train.Config{Batch: 4}},
		"tolerance: got -1": {Config{Model: "m", Tolerance: -1}, train.Config{}},
		"anchor: got":       {good, train.Config{Anchor: 1}},
		"final_lr: got":     {good, train.Config{FinalLR: .1}},
		"ordered":           {good, train.Config{Ordered: true}},
	} {
		if err := c.c.Check(c.t); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, method := range Methods() {
		if err := errors.Join(CheckMethod(method), train.Config{Method: method}.Check()); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	if err := CheckMethod("bco"); chat.KindOf(err) != chat.Invalid {
		t.Errorf("bco: %v", err)
	}
}

// Lines without end, broken reports and odd bytes do not stop the listener; the error has what was said last.
func TestListener(t *testing.T) {
	var log strings.Builder
	var steps []int
	l := &listener{log: &log, each: func(s Step) { steps = append(steps, s.Step) }, based: func() {}}
	l.listen(strings.NewReader(strings.Repeat("x", 3*longestLine) + "\n{\"plumb\": \"step\", \"step\": 1, \"steps\": 2, \"metrics\": {}}\n{\"plumb\": \"step\", \"step\": \n\xff\n" +
		strings.Repeat("said\n", 100) + `{"plumb": "step", "step": 2, "steps": 2}`))
	if !slices.Equal(steps, []int{1, 2}) || len(l.tail) != tailLines || l.tail[0] != "said" || log.Len() > 2*longestLine {
		t.Errorf("steps %v, tail %d %q, log of %d bytes", steps, len(l.tail), l.tail[0], log.Len())
	}
}

// Whatever check.jsonl says, comparing ends in an error or in log-probs that are ours.
func FuzzReports(f *testing.F) {
	f.Add([]byte(`{"row":0,"tokens":[1,2,3],"start":1,"base":-1,"after":-2}`))
	f.Add([]byte(`{"row":0,"tokens":[],"start":-1,"base":null}`))
	m, err := lm.Open(tinyLlama)
	if err != nil {
		f.Fatal(err)
	}
	g := Training{Model: m, Config: Config{Model: "m"}, Train: train.Config{Method: "sft"}}
	x := exchange{[]chat.Message{{Role: chat.User, Content: "Hi"}}, []chat.Message{{Role: chat.Assistant, Content: "Yes"}}}
	dir := folder(f.TempDir())
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(dir.path(checkFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if worst, err := g.compare(dir, job{Check: []exchange{x}}, nil); err == nil && !(worst <= defaultTolerance) {
			t.Errorf("taken at a difference of %v", worst)
		}
	})
}
