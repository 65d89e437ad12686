package train

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/rows"
)

const tinyModel = "../../lm/testdata/tiny-llama.gguf"

// golden is testdata/pairs.json.gz: rows as text and as the tokens that TRL made of them, and the start of the adapter.
type golden struct {
	Pairs []struct {
		Prompt           []chat.Message
		Chosen, Rejected string
		PromptIDs        []int32 `json:"prompt_ids"`
		ChosenIDs        []int32 `json:"chosen_ids"`
		RejectedIDs      []int32 `json:"rejected_ids"`
	}
	KTO []struct {
		PromptIDs     []int32 `json:"prompt_ids"`
		CompletionIDs []int32 `json:"completion_ids"`
		Label         bool
	}
	SFT []struct {
		PromptIDs     []int32 `json:"prompt_ids"`
		CompletionIDs []int32 `json:"completion_ids"`
	}
	LoRA struct {
		Rank  int
		Alpha float64
		A     map[string][][]float32
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	f, err := os.Open("testdata/pairs.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

func openTiny(t testing.TB) *lm.Model {
	t.Helper()
	m, err := lm.Open(tinyModel)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// adapter makes the adapter that the trajectories begin with.
func (g golden) adapter(t testing.TB, m *lm.Model) *lm.Adapter {
	t.Helper()
	ad, err := m.NewAdapter(lm.LoRA{Rank: g.LoRA.Rank, Alpha: g.LoRA.Alpha})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range g.LoRA.A {
		into := ad.Tensor(name + ".lora_a")
		if len(into) != len(a)*len(a[0]) {
			t.Fatalf("%s: %d values, want %d", name, len(into), len(a)*len(a[0]))
		}
		copy(into, slices.Concat(a...))
	}
	return ad
}

func (g golden) rows() []rows.Preference {
	var all []rows.Preference
	for _, p := range g.Pairs {
		all = append(all, rows.Preference{Prompt: rows.Text{Messages: p.Prompt}, Chosen: rows.Plain(p.Chosen), Rejected: rows.Plain(p.Rejected)})
	}
	return all
}

func TestTokensAreTRLs(t *testing.T) {
	g, m := readGolden(t), openTiny(t)
	pairs, dropped := Encoder{Model: m}.Pairs(g.rows())
	if len(pairs) != len(g.Pairs) || len(dropped) > 0 {
		t.Fatalf("%d pairs, dropped %v", len(pairs), dropped)
	}
	for i, want := range g.Pairs {
		if !slices.Equal(pairs[i].Prompt, want.PromptIDs) || !slices.Equal(pairs[i].Chosen, want.ChosenIDs) || !slices.Equal(pairs[i].Rejected, want.RejectedIDs) {
			t.Errorf("pair %d: %+v, want %v %v %v", i, pairs[i], want.PromptIDs, want.ChosenIDs, want.RejectedIDs)
		}
	}
}

// trajectory is the steps that TRL and an independent float64 implementation made.
type trajectory struct {
	Float64 []map[string]float64 `json:"float64"`
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// follow compares each step with the oracle's. Rewards are differences of log-probs near 100, so they are held to an absolute
// tolerance as well.
func follow(t *testing.T, got []Step, want []map[string]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d steps, want %d", len(got), len(want))
	}
	worst := 0.
	for i, s := range got {
		b, _ := json.Marshal(s)
		var have map[string]float64
		if err := json.Unmarshal(b, &have); err != nil {
			t.Fatal(err)
		}
		for name, w := range want[i] {
			h, ok := have[name]
			if !ok {
				t.Fatalf("step %d has no %s", i+1, name)
			}
			gap := math.Abs(h-w) / math.Max(math.Abs(w), .1)
			if worst = math.Max(worst, gap); !(gap <= 1e-4) {
				t.Errorf("step %d %s: %v, want %v", i+1, name, h, w)
			}
		}
	}
	t.Logf("largest relative gap %.1e", worst)
}

// config is the setup of the trajectories.
func config(method string, epochs float64) Config {
	return Config{Method: method, Beta: .1, LR: 1e-3, Batch: 4, Epochs: epochs, Ordered: true, Rank: 4, Alpha: 8}
}

func collect(into *[]Step) func(Step) error {
	return func(s Step) error { *into = append(*into, s); return nil }
}

func TestPreferenceTrajectories(t *testing.T) {
	var want struct{ Steps map[string]trajectory }
	readJSON(t, "testdata/dpo_trajectory.json", &want)
	g, m := readGolden(t), openTiny(t)
	pairs, _ := Encoder{Model: m}.Pairs(g.rows())
	for name, steps := range want.Steps {
		t.Run(name, func(t *testing.T) {
			var got []Step
			tr := Trainer{Model: m, Config: config(name, 5), Start: g.adapter(t, m), Each: collect(&got)}
			if _, err := tr.Preferences(context.Background(), pairs); err != nil {
				t.Fatal(err)
			}
			follow(t, got, steps.Float64)
		})
	}
}

func TestKTOTrajectory(t *testing.T) {
	var want struct{ Steps trajectory }
	readJSON(t, "testdata/kto_trajectory.json", &want)
	g, m := readGolden(t), openTiny(t)
	var replies []Reply
	for _, r := range g.KTO {
		replies = append(replies, Reply{r.PromptIDs, r.CompletionIDs, r.Label, 1})
	}
	var got []Step
	tr := Trainer{Model: m, Config: config("kto", 1), Start: g.adapter(t, m), Each: collect(&got)}
	if _, err := tr.Replies(context.Background(), replies); err != nil {
		t.Fatal(err)
	}
	follow(t, got, want.Steps.Float64)
}

func TestSFTTrajectory(t *testing.T) {
	var want struct{ Steps trajectory }
	readJSON(t, "testdata/sft_trajectory.json", &want)
	g, m := readGolden(t), openTiny(t)
	var replies []Reply
	for _, r := range g.SFT {
		replies = append(replies, Reply{r.PromptIDs, r.CompletionIDs, true, 1})
	}
	for _, passTokens := range []int{1024, 40} { // one pass a step, and one pass a row
		var got []Step
		c := config("sft", 5)
		c.PassTokens = passTokens
		tr := Trainer{Model: m, Config: c, Start: g.adapter(t, m), Each: collect(&got)}
		if _, err := tr.Imitate(context.Background(), replies); err != nil {
			t.Fatal(err)
		}
		follow(t, got, want.Steps.Float64)
	}
}
