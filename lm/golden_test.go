package lm

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The values in testdata are float64 computations of independent implementations; shapes and definitions in
// testdata/README.md.

func golden(t *testing.T, name string, into any) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := json.NewDecoder(file)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		d = json.NewDecoder(z)
	}
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func open(t testing.TB, name string) *Model {
	t.Helper()
	m, err := Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func forward(t testing.TB, m *Model, ad *Adapter, keep bool, trees ...Tree) *Pass {
	t.Helper()
	p, err := m.Forward(ad, trees, keep)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

func TestTinyLogprobsEqualFloat64(t *testing.T) {
	var g struct {
		Models []struct {
			File  string
			Chats []struct {
				Text     string
				IDs      []int32   `json:"ids"`
				Logprobs []float64 `json:"logprobs_f64"`
				At       int       `json:"logits_pos"`
				Logits   []float64 `json:"logits_f64"`
			}
		}
	}
	golden(t, "logprobs.json.gz", &g)
	for _, model := range g.Models {
		m := open(t, model.File)
		worst := 0.
		for _, c := range model.Chats {
			p := forward(t, m, nil, false, Tree{c.IDs[:1], [][]int32{c.IDs[1:]}})
			for i, want := range c.Logprobs {
				worst = math.Max(worst, math.Abs(p.Logprobs[0][0][i]-want))
			}
			logits := p.Logits(0, 0)
			if c.At < len(c.IDs)-1 {
				for v, want := range c.Logits {
					worst = math.Max(worst, math.Abs(float64(logits[c.At*len(c.Logits)+v])-want))
				}
			}
			p.Release()
			if ids := m.Tokenizer().Encode(c.Text, true); len(ids) != len(c.IDs) {
				t.Errorf("%s: %q has %d tokens, want %d", model.File, c.Text, len(ids), len(c.IDs))
			}
		}
		t.Logf("%s: largest difference %.1e", model.File, worst)
		if !(worst < 1e-4) {
			t.Errorf("%s: log-probs differ by %g", model.File, worst)
		}
	}
}

func TestLoRAGradientEqualsFloat64(t *testing.T) {
	type matrices map[string]struct {
		A  [][]float32
		B  [][]float32
		DA [][]float64 `json:"dA"`
		DB [][]float64 `json:"dB"`
	}
	var g struct {
		Prompt   []int32 `json:"prompt_ids"`
		Chosen   []int32 `json:"chosen_ids"`
		Rejected []int32 `json:"rejected_ids"`
		Beta     float64
		Delta    float64
		Logp     struct{ Chosen, Rejected float64 }
		Ref      struct{ Chosen, Rejected float64 }
		Tensors  matrices
		Lora     matrices
	}
	golden(t, "lora_grad.json.gz", &g)
	if g.Tensors == nil {
		g.Tensors = g.Lora
	}
	m := open(t, "tiny-llama.gguf")
	ad, err := m.ReadAdapter("testdata/tiny-lora.gguf")
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree{g.Prompt, [][]int32{g.Chosen, g.Rejected}}
	ref := forward(t, m, nil, false, tree)
	p := forward(t, m, ad, true, tree)
	for name, pair := range map[string][2]float64{
		"chosen": {sum(p.Logprobs[0][0]), g.Logp.Chosen}, "rejected": {sum(p.Logprobs[0][1]), g.Logp.Rejected},
		"reference chosen": {sum(ref.Logprobs[0][0]), g.Ref.Chosen}, "reference rejected": {sum(ref.Logprobs[0][1]), g.Ref.Rejected},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-3 {
			t.Errorf("%s: log-prob %v, want %v", name, pair[0], pair[1])
		}
	}
	d := g.Beta / (1 + math.Exp(g.Beta*g.Delta)) // −d loss / d chosen
	grad := ad.ZeroLike()
	p.Backward([][][]float64{{fill(len(g.Chosen), -d), fill(len(g.Rejected), d)}}, grad)
	var diff, norm float64
	for name, want := range g.Tensors {
		if !strings.HasSuffix(name, ".weight") {
			name += ".weight"
		}
		for part, values := range map[string][][]float64{".lora_a": want.DA, ".lora_b": want.DB} {
			got, k := grad.Tensor(name+part), 0
			if got == nil {
				t.Fatalf("no gradient of %s", name+part)
			}
			for _, row := range values {
				for _, v := range row {
					diff += (float64(got[k]) - v) * (float64(got[k]) - v)
					norm += v * v
					k++
				}
			}
		}
	}
	if rel := math.Sqrt(diff / norm); !(rel < 1e-4) || norm == 0 {
		t.Errorf("relative L2 difference %g over %d maps", rel, len(g.Tensors))
	} else {
		t.Logf("relative L2 difference %.1e over %d maps", rel, len(g.Tensors))
	}
}

func fill(n int, v float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = v
	}
	return x
}

func TestFullGradientEqualsFloat64(t *testing.T) {
	var g struct {
		Models []struct {
			Model      string
			Prompt     []int32 `json:"prompt_ids"`
			Completion []int32 `json:"completion_ids"`
			Mean       float64 `json:"mean_nll"`
			Norm       float64 `json:"grad_norm"`
			Tensors    map[string]struct {
				L2, Sum float64
				Index   []int
				Value   []float64
			}
		}
	}
	golden(t, "sft_grad.json.gz", &g)
	for _, c := range g.Models {
		m := open(t, c.Model)
		grad := m.Weights().ZeroLike()
		p := forward(t, m, nil, true, Tree{c.Prompt, [][]int32{c.Completion}})
		n := len(c.Completion)
		if mean := -sum(p.Logprobs[0][0]) / float64(n); math.Abs(mean-c.Mean) > 1e-4 {
			t.Errorf("%s: mean NLL %v, want %v", c.Model, mean, c.Mean)
		}
		p.Backward([][][]float64{{fill(n, -1/float64(n))}}, grad)
		p.Release()
		var diff, norm float64
		for name, want := range c.Tensors {
			got := grad.Tensor(name)
			if got == nil {
				t.Fatalf("%s: no gradient of %s", c.Model, name)
			}
			var l2 float64
			for _, v := range got {
				l2 += float64(v) * float64(v)
			}
			if math.Abs(math.Sqrt(l2)-want.L2) > 1e-4*want.L2+1e-9 {
				t.Errorf("%s: %s has norm %v, want %v", c.Model, name, math.Sqrt(l2), want.L2)
			}
			for i, at := range want.Index {
				diff += math.Pow(float64(got[at])-want.Value[i], 2)
				norm += want.Value[i] * want.Value[i]
			}
		}
		if rel := math.Sqrt(diff / norm); !(rel < 1e-4) {
			t.Errorf("%s: relative L2 difference %g", c.Model, rel)
		} else {
			t.Logf("%s: relative L2 difference %.1e", c.Model, rel)
		}
	}
}

func TestStories260KEqualsFloat64(t *testing.T) {
	var g struct {
		Prompts []struct {
			Text     string
			IDs      []int32 `json:"ids"`
			Logprobs []float64
			Greedy   []int32
		}
	}
	golden(t, "stories260K.json", &g)
	m := open(t, "stories260K.gguf")
	for _, c := range g.Prompts {
		p := forward(t, m, nil, false, Tree{c.IDs[:1], [][]int32{c.IDs[1:]}})
		for i, want := range c.Logprobs {
			if got := p.Logprobs[0][0][i]; math.Abs(got-want) > 1e-4 {
				t.Errorf("%q: log-prob %d is %v, want %v", c.Text, i, got, want)
			}
		}
	}
}

// Same input, same bytes: log-probs and gradients do not depend on the number of threads, nor a tree on its neighbours.
func TestResultsDoNotDependOnThreads(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ad, err := m.ReadAdapter("testdata/tiny-lora.gguf")
	if err != nil {
		t.Fatal(err)
	}
	trees := []Tree{
		{[]int32{1, 5, 9, 30}, [][]int32{{40, 41, 42, 2}, {50, 2}, {60}}},
		{[]int32{1, 7}, [][]int32{{80, 81, 82, 83, 84, 85, 2}}},
	}
	weigh := [][][]float64{{fill(4, .3), fill(2, -1), fill(1, 2)}, {fill(7, -.1)}}
	run := func(threads int) ([][][]float64, []float32) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		p := forward(t, m, ad, true, trees...)
		grad := ad.ZeroLike()
		p.Backward(weigh, grad)
		defer p.Release()
		return p.Logprobs, grad.Data
	}
	logp, grad := run(1)
	for _, threads := range []int{2, 3, 8} {
		gotLogp, gotGrad := run(threads)
		for tr := range logp {
			for br := range logp[tr] {
				for i := range logp[tr][br] {
					if logp[tr][br][i] != gotLogp[tr][br][i] {
						t.Fatalf("%d threads: log-prob %v, with one %v", threads, gotLogp[tr][br][i], logp[tr][br][i])
					}
				}
			}
		}
		for i := range grad {
			if grad[i] != gotGrad[i] {
				t.Fatalf("%d threads: gradient %d is %v, with one %v", threads, i, gotGrad[i], grad[i])
			}
		}
	}
	alone := forward(t, m, ad, false, trees[1])
	for i, want := range logp[1][0] {
		if got := alone.Logprobs[0][0][i]; got != want {
			t.Errorf("alone: log-prob %v, in company %v", got, want)
		}
	}
}
