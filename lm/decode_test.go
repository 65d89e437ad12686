package lm

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"plumb/lm/gguf"
)

func generate(t testing.TB, m *Model, ad *Adapter, prompt []int32, jobs []Job, s Settings) ([][]int32, [][]float64) {
	t.Helper()
	ids, logprobs := make([][]int32, len(jobs)), make([][]float64, len(jobs))
	err := m.Generate(context.Background(), ad, prompt, jobs, s, func(i int, token Token) bool {
		ids[i], logprobs[i] = append(ids[i], token.ID), append(logprobs[i], token.Logprob)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, logprobs
}

func TestStories260KGreedyRunsEqual(t *testing.T) {
	var g struct {
		Prompts []struct {
			Text   string
			IDs    []int32 `json:"ids"`
			Greedy []int32
		}
	}
	golden(t, "stories260K.json", &g)
	m := open(t, "stories260K.gguf")
	for _, c := range g.Prompts {
		ids, _ := generate(t, m, nil, c.IDs, []Job{{}}, Settings{MaxTokens: len(c.Greedy)})
		if !slices.Equal(ids[0], c.Greedy) {
			t.Errorf("%q:\n got %v\nwant %v", c.Text, ids[0], c.Greedy)
		}
	}
}

// What decoding says of its tokens is what the forward pass says of them, with an adapter too.
func TestDecodingAgreesWithForward(t *testing.T) {
	for _, name := range []string{"tiny-llama.gguf", "tiny-qwen2.gguf", "stories260K.gguf"} {
		m := open(t, name)
		adapters := []*Adapter{nil}
		if name == "tiny-llama.gguf" {
			ad, err := m.ReadAdapter("testdata/tiny-lora.gguf")
			if err != nil {
				t.Fatal(err)
			}
			adapters = append(adapters, ad)
		}
		for _, ad := range adapters {
			prompt := []int32{1, 8, 300, 40, 41, 77}
			jobs := []Job{{Seed: 1}, {Seed: 2, Prefix: []int32{9, 10}}, {Seed: 3}}
			ids, logprobs := generate(t, m, ad, prompt, jobs, Settings{Temperature: .9, MaxTokens: 20})
			for i, job := range jobs {
				if len(ids[i]) == 0 {
					t.Fatalf("%s: job %d drew nothing", name, i)
				}
				p := forward(t, m, ad, false, Tree{slices.Concat(prompt, job.Prefix), [][]int32{ids[i]}})
				for k, want := range p.Logprobs[0][0] {
					if math.Abs(logprobs[i][k]-want) > 1e-4 {
						t.Errorf("%s: job %d token %d: log-prob %v, forward says %v", name, i, k, logprobs[i][k], want)
					}
				}
			}
		}
	}
}

func TestRepliesDoNotDependOnTheirNeighbours(t *testing.T) {
	m := open(t, "stories260K.gguf")
	prompt := []int32{1, 403, 407}
	jobs := []Job{{Seed: 1}, {Seed: 2}, {Seed: 3, Prefix: []int32{260}}, {Seed: 4}, {Seed: 5}, {Seed: 6}, {Seed: 7}, {Seed: 8}}
	s := Settings{Temperature: 1, TopP: .95, TopK: 100, MinP: .01, Frequency: .1, MaxTokens: 40}
	together, logprobs := generate(t, m, nil, prompt, jobs, s)
	different := map[string]bool{}
	for i, job := range jobs {
		alone, aloneLogprobs := generate(t, m, nil, prompt, []Job{job}, s)
		if !slices.Equal(alone[0], together[i]) || !slices.Equal(aloneLogprobs[0], logprobs[i]) {
			t.Errorf("job %d: alone %v, together %v", i, alone[0], together[i])
		}
		different[m.Tokenizer().Decode(alone[0])] = true
	}
	if len(different) < 7 {
		t.Errorf("%d different replies of 8 seeds", len(different))
	}
}

// The bits of what is read do not depend on what was cached: neither keys and values nor the hidden state.
func TestReadGoesOnFromAnEarlierPrompt(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"tiny-llama.gguf", "tiny-qwen2.gguf"} {
		m := open(t, name)
		tokens := make([]int32, 2*readChunk+30)
		for i := range tokens {
			tokens[i] = int32(i*37%500 + 3)
		}
		whole, err := m.read(ctx, nil, tokens, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, earlier := range [][]int32{tokens[:1], tokens[:63], tokens[:64], tokens[:200], tokens[:len(tokens)-1], tokens, append(slices.Clone(tokens), 4, 5), {9, 9, 9}} {
			from, err := m.read(ctx, nil, earlier, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, err := m.read(ctx, nil, tokens, from)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.hidden, whole.hidden) || !slices.Equal(c.k[2], whole.k[2]) || !slices.Equal(c.v[2], whole.v[2]) {
				t.Errorf("%s: after %d tokens the rest reads differently", name, len(earlier))
			}
		}
	}
}

// A token drawn after a prompt has the same bits wherever the prompt ends and the reply's own prefix begins, and whatever
// is drawn beside it.
func TestSplitBetweenPromptAndPrefixDoesNotMatter(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	text := make([]int32, 150)
	for i := range text {
		text[i] = int32(i*41%500 + 3)
	}
	s := Settings{Temperature: 1, MaxTokens: 6}
	want, logprobs := generate(t, m, nil, text, []Job{{Seed: 4}}, s)
	for _, at := range []int{1, 63, 64, 65, 100, 128, 149} {
		jobs := []Job{{Seed: 1}, {Prefix: text[at:], Seed: 4}, {Prefix: []int32{7}, Seed: 2}, {Prefix: text[at:], Seed: 4}}
		got, gotLogprobs := generate(t, m, nil, text[:at], jobs, s)
		for _, i := range []int{1, 3} {
			if !slices.Equal(got[i], want[0]) || !slices.Equal(gotLogprobs[i], logprobs[0]) {
				t.Errorf("split at %d: job %d drew %v with %v, want %v with %v", at, i, got[i], gotLogprobs[i], want[0], logprobs[0])
			}
		}
	}
}

func TestMergedFileEqualsModelWithAdapter(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ad, err := m.ReadAdapter("testdata/tiny-lora.gguf")
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree{[]int32{1, 5, 9, 30}, [][]int32{{40, 41, 42, 2, 99, 100}}}
	want := forward(t, m, ad, false, tree).Logprobs[0][0]
	base := forward(t, m, nil, false, tree).Logprobs[0][0]
	for name, c := range map[string]struct {
		merge Merge
		limit float64
	}{
		"f32":  {Merge{Adapter: ad, Type: gguf.F32}, 1e-5},
		"keep": {Merge{Adapter: ad, Keep: true}, 1e-5}, // the file is F32
		"f16":  {Merge{Adapter: ad, Type: gguf.F16}, .02},
		"q8_0": {Merge{Adapter: ad, Type: gguf.Q8_0}, .3},
	} {
		path := filepath.Join(t.TempDir(), "merged.gguf")
		c.merge.Extra = []gguf.Pair{{Key: "plumb.run", Value: "run-1"}}
		digest, err := c.merge.Write(m, path)
		if err != nil {
			t.Fatal(name, err)
		}
		merged, err := Open(path)
		if err != nil {
			t.Fatal(name, err)
		}
		if merged.Digest() != digest {
			t.Errorf("%s: digest %s, want %s", name, merged.Digest(), digest)
		}
		got, moved := forward(t, merged, nil, false, tree).Logprobs[0][0], 0.
		for i := range want {
			moved = math.Max(moved, math.Abs(got[i]-base[i]))
			if math.Abs(got[i]-want[i]) > c.limit {
				t.Errorf("%s: log-prob %d is %v, with the adapter %v", name, i, got[i], want[i])
			}
		}
		if moved < .5 {
			t.Errorf("%s: the adapter moved no log-prob by more than %v", name, moved)
		}
		if run, _ := merged.File().String("plumb.run"); run != "run-1" {
			t.Errorf("%s: plumb.run is %q", name, run)
		}
		for i, pair := range m.File().KV() {
			if merged.File().KV()[i].Key != pair.Key {
				t.Errorf("%s: key %d is %s, was %s", name, i, merged.File().KV()[i].Key, pair.Key)
			}
		}
		merged.Close()
	}
}

func TestAdapterFileRoundTrip(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ad, err := m.NewAdapter(LoRA{Rank: 4, Alpha: 8, Seed: 3, Targets: []string{"attn_q", "ffn_down"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range ad.Data {
		ad.Data[i] += float32(i) / 1000
	}
	path := filepath.Join(t.TempDir(), "a.gguf")
	if err := ad.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	back, err := m.ReadAdapter(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Data, ad.Data) || back.Rank != 4 || back.Alpha != 8 || len(back.Tensors) != 12 {
		t.Errorf("%d tensors, rank %d, alpha %v", len(back.Tensors), back.Rank, back.Alpha)
	}
	other := open(t, "tiny-qwen2.gguf")
	if _, err := other.ReadAdapter(path); err == nil {
		t.Error("an adapter for llama was taken for qwen2")
	}
	if err := os.WriteFile(path, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAdapter(path); err == nil {
		t.Error("a truncated adapter was taken")
	}
}
