package lm_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"plumb/lm"
	"plumb/lm/gguf"
	"plumb/lm/tiny"
)

// BenchmarkBuiltIn draws 64 tokens of each of n replies from the built-in model.
func BenchmarkBuiltIn(b *testing.B) {
	m, err := tiny.Open()
	if err != nil {
		b.Fatal(err)
	}
	prompt := m.EncodeText("<|im_start|>user\nHow do I keep basil alive on a window sill?<|im_end|>\n<|im_start|>assistant\n")
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			jobs, tokens := make([]lm.Job, n), 0
			for i := range jobs {
				jobs[i].Seed = int64(i)
			}
			for b.Loop() {
				err := m.Generate(context.Background(), nil, prompt, jobs, lm.Settings{Temperature: 1, TopP: .95, MaxTokens: 64}, func(int, lm.Token) bool {
					tokens++
					return true
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkFullTraining is a step of training from scratch: all weights of a small model, a batch of 32 texts of 128
// tokens.
func BenchmarkFullTraining(b *testing.B) {
	kv, tensors, err := tiny.Init(1, tiny.Dims{Dim: 160, Layers: 6, Heads: 5, KVHeads: 1, FFN: 432})
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := gguf.Write(&file, kv, tensors); err != nil {
		b.Fatal(err)
	}
	f, err := gguf.Parse(file.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	m, err := lm.FromFile(f)
	if err != nil {
		b.Fatal(err)
	}
	const batch, prompt, reply = 32, 48, 80
	var trees []lm.Tree
	var weights [][][]float64
	for i := range batch {
		text := make([]int32, prompt+reply)
		for t := range text {
			text[t] = int32((i*131+t*37)%2000 + 3)
		}
		w := make([]float64, reply)
		for t := range w {
			w[t] = -1. / (batch * reply)
		}
		trees = append(trees, lm.Tree{Prompt: text[:prompt], Branches: [][]int32{text[prompt:]}})
		weights = append(weights, [][]float64{w})
	}
	grad := m.Weights().ZeroLike()
	for b.Loop() {
		p, err := m.Forward(nil, trees, true)
		if err != nil {
			b.Fatal(err)
		}
		p.Backward(weights, grad)
		p.Release()
	}
	b.ReportMetric(float64(batch*(prompt+reply-1)*b.N)/b.Elapsed().Seconds(), "tokens/s")
}
