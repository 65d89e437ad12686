package lm

import (
	"math"
	"slices"
	"testing"
)

// Decoding computes what the forward pass does in every family, windows and caps included, also where a window begins in the
// prompt, in the reply's prefix and in the reply.
func TestDecodingAgreesWithForwardInEveryFamily(t *testing.T) {
	for name, s := range sketches() {
		s.context = 200
		m := s.open(t, 3)
		ad, err := m.NewAdapter(LoRA{Rank: 2, Seed: 4})
		if err != nil {
			t.Fatal(err)
		}
		for i := range ad.Data {
			ad.Data[i] += .1 * float32(math.Sin(float64(i)))
		}
		prompt := make([]int32, 70)
		for i := range prompt {
			prompt[i] = int32(i*37%90 + 3)
		}
		for _, n := range []int{2, 70} {
			jobs := []Job{{Seed: 1}, {Seed: 2, Prefix: []int32{9, 10, 11, 12, 13}}}
			ids, logprobs := generate(t, m, ad, prompt[:n], jobs, Settings{Temperature: 1, MaxTokens: 12})
			for i, job := range jobs {
				p := forward(t, m, ad, false, Tree{slices.Concat(prompt[:n], job.Prefix), [][]int32{ids[i]}})
				for k, want := range p.Logprobs[0][0] {
					if math.Abs(logprobs[i][k]-want) > 1e-4 {
						t.Errorf("%s: prompt of %d, job %d, token %d: log-prob %v, forward says %v", name, n, i, k, logprobs[i][k], want)
					}
				}
				p.Release()
			}
		}
	}
}
