package lm

import (
	"math"
	"os"
	"slices"
	"testing"
)

// The real Gemma 3 of 270 million weights, too large for this repository, agrees with transformers on its dequantised weights,
// within and beyond the window of 512 tokens; and its own tokenizer cuts the texts as Hugging Face's does.
func TestGemma3EqualsTransformers(t *testing.T) {
	path := os.Getenv("PLUMB_TEST_GEMMA3")
	if path == "" {
		t.Skip("needs PLUMB_TEST_GEMMA3=path of gemma-3-270m.Q4_K_M.gguf: testdata/families/make_gemma.py says where it is")
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var g []struct {
		Text     string
		IDs      []int32
		Logprobs []float64
		Top      []int32
		Margin   []float64
	}
	golden(t, "families/gemma3-270m.json.gz", &g)
	n, clear, equal, off := 0, 0, 0, 0.
	for i, c := range g {
		if got := m.EncodeText(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("text %d: tokens %v, want %v", i, got, c.IDs)
		}
		p := forward(t, m, nil, false, Tree{c.IDs[:1], [][]int32{c.IDs[1:]}})
		logits, vocab := p.Logits(0, 0), m.config.Vocab
		for k, want := range c.Logprobs {
			n++
			off += math.Abs(p.Logprobs[0][0][k] - want)
			if c.Margin[k] > .05 {
				clear++
				row := logits[k*vocab : (k+1)*vocab]
				if row[c.Top[k]] == slices.Max(row) {
					equal++
				}
			}
		}
		p.Release()
	}
	t.Logf("%d tokens: mean difference of a log-prob %.2e; of %d with a margin %d have the same likeliest token", n, off/float64(n), clear, equal)
	if off/float64(n) > .02 || float64(equal) < .98*float64(clear) {
		t.Errorf("mean difference %v, %d of %d the same", off/float64(n), equal, clear)
	}
	c := g[1]
	ids, logprobs := generate(t, m, nil, c.IDs[:800], []Job{{Prefix: c.IDs[800:820]}}, Settings{MaxTokens: 8})
	p := forward(t, m, nil, false, Tree{c.IDs[:820], ids})
	for k, want := range p.Logprobs[0][0] {
		if math.Abs(logprobs[0][k]-want) > .02 {
			t.Errorf("decoding: log-prob %v, the forward pass has %v", logprobs[0][k], want)
		}
	}
}
