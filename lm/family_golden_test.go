package lm

import (
	"compress/gzip"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"plumb/lm/gguf"
)

// familyGolden is what transformers computes in float64: testdata/families/make.py.
type familyGolden struct {
	Prompt, Completion []int32
	Logprobs           []float64                 // of the completion
	Weights            map[string]gradientGolden // gradient of their negative mean
	LoraLogprobs       []float64                 `json:"lora_logprobs"`
	Lora               map[string]gradientGolden
}

type gradientGolden struct {
	L2, Sum float64
	Index   []int
	Value   []float64
}

func openFamily(t testing.TB, name string) *Model {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata/families", name+".gguf.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseModel(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func eachFamily(t *testing.T, f func(t *testing.T, m *Model, name string, g familyGolden)) {
	var all map[string]familyGolden
	golden(t, "families/golden.json.gz", &all)
	for name, g := range all {
		t.Run(name, func(t *testing.T) { f(t, openFamily(t, name), name, g) })
	}
}

func (g familyGolden) tree() Tree { return Tree{g.Prompt, [][]int32{g.Completion}} }

// Log-probs and the gradient of every weight are those of transformers.
func TestFamiliesEqualTransformers(t *testing.T) {
	eachFamily(t, func(t *testing.T, m *Model, _ string, g familyGolden) {
		grad := m.Weights().ZeroLike()
		g.check(t, m, nil, grad, g.Logprobs, g.Weights)
		for _, tensor := range grad.Tensors {
			if _, ok := g.Weights[tensor.Name]; !ok && tensor.Name != "rope_freqs.weight" {
				t.Errorf("%s: the oracle has no gradient of it", tensor.Name)
			}
		}
	})
}

// So are they with a LoRA that PEFT saved, and a file with the LoRA merged into it has the same log-probs.
func TestFamilyAdaptersEqualPEFT(t *testing.T) {
	eachFamily(t, func(t *testing.T, m *Model, name string, g familyGolden) {
		ad, err := m.ReadAdapter(filepath.Join("testdata/families", name))
		if err != nil {
			t.Fatal(err)
		}
		grad := ad.ZeroLike()
		g.check(t, m, ad, grad, g.LoraLogprobs, g.Lora)
		if len(g.Lora) != len(ad.Tensors) {
			t.Errorf("%d tensors, the oracle has %d", len(ad.Tensors), len(g.Lora))
		}
		written := filepath.Join(t.TempDir(), "peft")
		if err := ad.WritePEFT(written, m, ""); err != nil {
			t.Fatal(err)
		}
		again, err := m.ReadPEFT(written)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.Data, ad.Data) {
			t.Error("written for PEFT and read again, the adapter is another")
		}
		path := filepath.Join(t.TempDir(), "merged.gguf")
		if _, err := (Merge{Adapter: ad, Type: gguf.F32}).Write(m, path); err != nil {
			t.Fatal(err)
		}
		merged, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer merged.Close()
		g.checkLogprobs(t, forward(t, merged, nil, false, g.tree()).Logprobs[0][0], g.LoraLogprobs)
	})
}

func (g familyGolden) check(t *testing.T, m *Model, ad *Adapter, grad *Params, logprobs []float64, want map[string]gradientGolden) {
	p := forward(t, m, ad, true, g.tree())
	defer p.Release()
	g.checkLogprobs(t, p.Logprobs[0][0], logprobs)
	n := len(g.Completion)
	p.Backward([][][]float64{{fill(n, -1/float64(n))}}, grad)
	for name, w := range want {
		got := grad.Tensor(name)
		if got == nil {
			t.Errorf("no gradient of %s", name)
			continue
		}
		var l2, sum, diff, norm float64
		for _, v := range got {
			l2, sum = l2+float64(v)*float64(v), sum+float64(v)
		}
		for i, at := range w.Index {
			diff += math.Pow(float64(got[at])-w.Value[i], 2)
			norm += w.Value[i] * w.Value[i]
		}
		size := math.Sqrt(float64(len(got)))
		if math.Abs(math.Sqrt(l2)-w.L2) > 1e-4*w.L2 || math.Abs(sum-w.Sum) > 1e-4*w.L2*size || !(math.Sqrt(diff) <= 1e-3*math.Sqrt(norm)+1e-5*w.L2) {
			t.Errorf("%s: norm %v and sum %v, want %v and %v; of %d values the relative difference is %.1e", name, math.Sqrt(l2), sum, w.L2, w.Sum, len(w.Index), math.Sqrt(diff/norm))
		}
	}
}

func (g familyGolden) checkLogprobs(t *testing.T, got, want []float64) {
	t.Helper()
	worst := 0.
	for i := range want {
		worst = math.Max(worst, math.Abs(got[i]-want[i]))
	}
	t.Logf("largest difference of a log-prob %.1e", worst)
	if !(worst < 1e-4) {
		t.Errorf("log-probs differ by %g", worst)
	}
}
