package lm

import (
	"context"
	"math"
	"testing"

	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// servedLogprobs gives the log-probs of a completion as an Engine computes them.
func servedLogprobs(m *Model, prompt, completion []int32) []float64 {
	pages := newPages(m, false, math.MaxInt)
	r := m.newReader(nil, pages)
	defer r.close()
	var p past
	var all []float64
	logits := make([]float32, m.config.Vocab)
	next := prompt
	for _, token := range completion {
		pages.grow(&p, len(next))
		r.logits(logits, r.read([]run{{next, &p}}), 1)
		all = append(all, logprobOf(logits, token))
		next = []int32{token}
	}
	return all
}

func logprobOf(logits []float32, token int32) float64 {
	top := math.Inf(-1)
	for _, v := range logits {
		top = math.Max(top, float64(v))
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	return float64(logits[token]) - top - math.Log(sum)
}

// What the weights take is by how they are held.
func TestBytesOfWeights(t *testing.T) {
	for typ, want := range map[gguf.Type]int{gguf.Q4_1: 24, gguf.Q6_K: 44, gguf.Q8_0: 36, gguf.F16: 128} {
		m := &Model{output: &linear{in: 256, out: 16, info: gguf.TensorInfo{Type: typ}}}
		if !kernel.QuickQuantised() {
			want = 128
		}
		if n, bytes := m.Multiplied(false); n != 256*16 || bytes != 256/32*16*want {
			t.Errorf("%v: %d weights of %d bytes, want %d", typ, n, bytes, 256/32*16*want)
		}
		if _, bytes := m.Multiplied(true); bytes != 4*256*16 {
			t.Errorf("%v, exact: %d bytes", typ, bytes)
		}
	}
}

// Served log-probs stay as near to the exact ones as those of llama.cpp, which rounds in the same way, on the same file:
// .05 on average, .32 at most.
func TestSmolLM2ServesNearlyExactly(t *testing.T) {
	m := smollm2(t)
	var g struct {
		Chats []struct {
			Prompt     []int32   `json:"prompt_ids"`
			Completion []int32   `json:"completion_ids"`
			Logprobs   []float64 `json:"logprobs_f64"`
		}
	}
	golden(t, "smollm2-logprobs.json.gz", &g)
	var sum, worst float64
	n := 0
	for _, c := range g.Chats {
		for k, got := range servedLogprobs(m, c.Prompt, c.Completion) {
			d := math.Abs(got - c.Logprobs[k])
			sum += d
			worst = math.Max(worst, d)
			n++
		}
	}
	t.Logf("%d tokens: log-probs differ by %.4f on average, %.4f at most", n, sum/float64(n), worst)
	if !(sum/float64(n) <= .05 && worst <= .32) {
		t.Error("that is more than .05 and .32")
	}
}

// BenchmarkServeSmolLM2 reads and draws as an Engine does, and exactly, to compare.
func BenchmarkServeSmolLM2(b *testing.B) {
	m := smollm2(b)
	prompt := make([]int32, 256)
	for i := range prompt {
		prompt[i] = int32(i*31%500 + 3)
	}
	for _, form := range []struct {
		name  string
		exact bool
	}{{"served", false}, {"exact", true}} {
		run := func(b *testing.B, tokens, replies, length int) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n += drawAll(b, m, form.exact, prompt[:tokens], replies, length)
			}
			if length == 1 {
				n *= tokens
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tokens/s")
		}
		b.Run(form.name+"/prompt", func(b *testing.B) { run(b, 256, 1, 1) })
		b.Run(form.name+"/decode1", func(b *testing.B) { run(b, 16, 1, 64) })
		b.Run(form.name+"/decode8", func(b *testing.B) { run(b, 16, 8, 64) })
	}
}

// drawAll draws replies with a scheduler of its own and returns how many tokens they have.
func drawAll(b *testing.B, m *Model, exact bool, prompt []int32, replies, length int) (n int) {
	s := m.newScheduler(nil, limits{exact: exact, replies: replies, keys: 1 << 30})
	defer s.close()
	jobs := make([]Job, replies)
	for i := range jobs {
		jobs[i].Seed = int64(i)
	}
	r := m.newRequest(context.Background(), prompt, jobs, Settings{Temperature: 1, MaxTokens: length}, m.config.Context, func(int, Token) bool {
		n++
		return true
	}, func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	})
	for s.enter(r); s.busy(); {
		s.step()
	}
	return n
}
