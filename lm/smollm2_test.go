package lm

import (
	"math"
	"os"
	"slices"
	"testing"
)

// smollm2 opens the real model, which is too large for this repository: SmolLM2-135M-Instruct.Q4_1.gguf.
func smollm2(t testing.TB) *Model {
	path := os.Getenv("PLUMB_TEST_SMOLLM2")
	if path == "" {
		t.Skip("needs PLUMB_TEST_SMOLLM2=path of SmolLM2-135M-Instruct.Q4_1.gguf; .ci/run fetches it")
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestSmolLM2EqualsFloat64(t *testing.T) {
	m := smollm2(t)
	var g struct {
		Chats []struct {
			Prompt     []int32   `json:"prompt_ids"`
			Completion []int32   `json:"completion_ids"`
			Logprobs   []float64 `json:"logprobs_f64"`
		}
		Greedy []struct {
			Prompt []int32 `json:"prompt_ids"`
			IDs    []int32 `json:"ids"`
			Margin []float64
		}
	}
	golden(t, "smollm2-logprobs.json.gz", &g)
	worst := 0.
	for i, c := range g.Chats {
		p := forward(t, m, nil, false, Tree{c.Prompt, [][]int32{c.Completion}})
		for k, want := range c.Logprobs {
			worst = math.Max(worst, math.Abs(p.Logprobs[0][0][k]-want))
		}
		if worst > 2e-3 {
			t.Fatalf("chat %d: log-probs differ by %g", i, worst)
		}
		p.Release()
	}
	t.Logf("largest difference of a log-prob: %.1e", worst)
	for i, c := range g.Greedy {
		ids, _ := generate(t, m, nil, c.Prompt, []Job{{}}, Settings{MaxTokens: len(c.IDs)})
		n := common(ids[0], c.IDs)
		if n < len(c.IDs) && c.Margin[n] > 1e-3 || len(ids[0]) != len(c.IDs) && n == len(ids[0]) {
			t.Errorf("greedy run %d differs at token %d: %v, want %v", i, n, ids[0], c.IDs)
		}
		if !slices.Equal(ids[0], c.IDs) {
			t.Logf("greedy run %d: equal up to token %d of %d", i, n, len(c.IDs))
		}
	}
}

// BenchmarkSmolLM2 measures a training step of one pair (LoRA of rank 16 on all maps), and decoding.
func BenchmarkSmolLM2(b *testing.B) {
	m := smollm2(b)
	ad, err := m.NewAdapter(LoRA{})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkModel(b, m, ad)
}

func BenchmarkTiny(b *testing.B) {
	m := open(b, "tiny-llama.gguf")
	ad, err := m.NewAdapter(LoRA{})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkModel(b, m, ad)
}

func benchmarkModel(b *testing.B, m *Model, ad *Adapter) {
	prompt, reply := make([]int32, 60), make([]int32, 70)
	for i := range prompt {
		prompt[i] = int32(i*31%500 + 3)
	}
	for i := range reply {
		reply[i] = int32(i*53%500 + 3)
	}
	tree := Tree{prompt, [][]int32{reply, reply}}
	rows := float64(len(prompt) + 2*len(reply) - 2)
	b.Run("train", func(b *testing.B) {
		grad := ad.ZeroLike()
		for b.Loop() {
			p := forward(b, m, ad, true, tree)
			p.Backward([][][]float64{{fill(70, .1), fill(70, -.1)}}, grad)
			p.Release()
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	for name, n := range map[string]int{"decode1": 1, "decode8": 8} {
		b.Run(name, func(b *testing.B) {
			jobs := make([]Job, n)
			tokens := 0
			for i := range jobs {
				jobs[i].Seed = int64(i)
			}
			for b.Loop() {
				ids, _ := generate(b, m, nil, prompt, jobs, Settings{Temperature: 1, MaxTokens: 64})
				for _, r := range ids {
					tokens += len(r)
				}
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
