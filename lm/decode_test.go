package lm

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
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

// Many prompts at once are each prompt by itself, with more replies than are drawn at once and with none.
func TestGenerateAll(t *testing.T) {
	m := open(t, "stories260K.gguf")
	s := Settings{Temperature: 1, MaxTokens: 12}
	var tasks []Task
	for i, jobs := range []int{1, 5, 0, 20, 11, 2} {
		var seeds []int64
		for k := range jobs {
			seeds = append(seeds, int64(100*i+k))
		}
		tasks = append(tasks, Task{[]int32{1, 403, 407 + int32(i)}[:2+i%2], Jobs(seeds)})
	}
	got := make([][][]int32, len(tasks))
	for i, task := range tasks {
		got[i] = make([][]int32, len(task.Jobs))
	}
	err := m.GenerateAll(context.Background(), nil, tasks, s, func(task, job int, token Token) bool {
		got[task][job] = append(got[task][job], token.ID)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, task := range tasks {
		want, _ := generate(t, m, nil, task.Prompt, task.Jobs, s)
		for k := range want {
			if !slices.Equal(got[i][k], want[k]) {
				t.Errorf("task %d, job %d: %v; alone %v", i, k, got[i][k], want[k])
			}
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	drawn := 0
	err = m.GenerateAll(ctx, nil, tasks, s, func(int, int, Token) bool {
		if drawn++; drawn == 3 {
			cancel()
		}
		return true
	})
	if !errors.Is(err, context.Canceled) || drawn > 3*drawnAtOnce {
		t.Errorf("cancelled after 3 tokens: %v, %d drawn", err, drawn)
	}
	tasks[5].Prompt = []int32{-1}
	if err := m.GenerateAll(context.Background(), nil, tasks, s, func(int, int, Token) bool { t.Error("drew"); return true }); err == nil {
		t.Error("a token that does not exist is taken")
	}
}

// readings reads texts one after another with one cache, and returns what the cache has of the last.
func readings(t *testing.T, m *Model, exact bool, texts ...[]int32) (e *entry, keys []float32) {
	t.Helper()
	b := m.newScheduler(nil, limits{exact: exact, replies: 1, keys: 1 << 24, cache: 1 << 23})
	defer b.close()
	for _, text := range texts {
		b.enter(m.newRequest(context.Background(), text, []Job{{}}, Settings{MaxTokens: 1}, 1<<20, func(int, Token) bool { return true }, func(error) {}))
		for b.busy() {
			b.step()
		}
	}
	last := texts[len(texts)-1]
	e, n := b.cache.find(last)
	if n != len(last) || e.hidden == nil {
		t.Fatalf("the cache has %d of %d tokens", n, len(last))
	}
	space := make([]float32, tile*m.config.HeadDim)
	for at, g := range e.past.pages {
		for l := range m.layers {
			for h := range m.config.KVHeads {
				n := min(tile, len(last)-at*tile)
				keys = append(keys, b.pages.keys(g, l, h, n, space)...)
				keys = append(keys, b.pages.values(g, l, h, n, space)...)
			}
		}
	}
	return e, keys
}

// The bits of what is read do not depend on what was cached: neither keys and values nor the hidden state.
func TestReadGoesOnFromAnEarlierPrompt(t *testing.T) {
	for _, name := range []string{"tiny-llama.gguf", "tiny-qwen2.gguf"} {
		m := open(t, name)
		tokens := make([]int32, 2*readAlone+30)
		for i := range tokens {
			tokens[i] = int32(i*37%500 + 3)
		}
		for _, exact := range []bool{true, false} {
			whole, keys := readings(t, m, exact, tokens)
			for _, earlier := range [][]int32{tokens[:1], tokens[:63], tokens[:64], tokens[:200], tokens[:len(tokens)-1], tokens, append(slices.Clone(tokens), 4, 5), {9, 9, 9}} {
				e, got := readings(t, m, exact, earlier, tokens)
				if !slices.Equal(e.hidden, whole.hidden) || !slices.Equal(got, keys) {
					t.Errorf("%s, exact %v: after %d tokens the rest reads differently", name, exact, len(earlier))
				}
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
