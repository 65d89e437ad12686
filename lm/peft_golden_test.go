package lm

import (
	"math"
	"testing"
)

// Adapters that PEFT itself saved give the log-probs that transformers computes with them: rows of q and k, rank stabilization, and
// patterns of ranks and alphas are as PEFT has them.
func TestPEFTLogprobsEqualTransformers(t *testing.T) {
	var g map[string]struct {
		Tokens        []int32
		Start         int
		Before, After []float64
	}
	golden(t, "peft.json", &g)
	for name, c := range g {
		model := "tiny-llama.gguf"
		if name == "qwen2" {
			model = "tiny-qwen2.gguf"
		}
		m := open(t, model)
		ad, err := m.ReadPEFT("testdata/peft-" + name)
		if err != nil {
			t.Fatal(err)
		}
		tree := Tree{c.Tokens[:c.Start], [][]int32{c.Tokens[c.Start:]}}
		before, after := forward(t, m, nil, false, tree).Logprobs[0][0], forward(t, m, ad, false, tree).Logprobs[0][0]
		worst, moved := 0., 0.
		for i := range after {
			worst = math.Max(worst, math.Max(math.Abs(before[i]-c.Before[i]), math.Abs(after[i]-c.After[i])))
			moved = math.Max(moved, math.Abs(c.After[i]-c.Before[i]))
		}
		t.Logf("%s: largest difference %.1e; the adapter moves log-probs by up to %.2f", name, worst, moved)
		if !(worst < 1e-4) || moved < .3 {
			t.Errorf("%s: log-probs differ by %g, of adapters that move them by %g", name, worst, moved)
		}
	}
}
