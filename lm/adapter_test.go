package lm

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumb/lm/gguf"
)

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

// A clone computes the same, and what is done to one leaves the other alone.
func TestClone(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ad, err := m.NewAdapter(LoRA{Rank: 3, Alpha: 6, Seed: 3, Targets: []string{"attn_v", "ffn_up"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range ad.Data {
		ad.Data[i] += float32(i%5) / 100
	}
	logprobs := func(ad *Adapter) []float64 {
		pass, err := m.Forward(ad, []Tree{{Prompt: []int32{1, 87}, Branches: [][]int32{{85, 262, 201}}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		defer pass.Release()
		return pass.Logprobs[0][0]
	}
	clone := ad.Clone()
	want := logprobs(ad)
	if !slices.Equal(logprobs(clone), want) || clone.Rank != 3 || clone.Alpha != 6 {
		t.Errorf("log-probs %v, want %v; rank %d, alpha %v", logprobs(clone), want, clone.Rank, clone.Alpha)
	}
	clear(clone.Data)
	if !slices.Equal(logprobs(ad), want) || slices.Equal(logprobs(clone), want) {
		t.Error("a clone shares its values")
	}
}

// A new adapter changes nothing; its A is uniform in ±1/√in, and hangs on the seed alone.
func TestNewAdapter(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ad, err := m.NewAdapter(LoRA{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := m.NewAdapter(LoRA{Seed: 5})
	other, _ := m.NewAdapter(LoRA{Seed: 6})
	if !slices.Equal(ad.Data, again.Data) || slices.Equal(ad.Data, other.Data) || ad.Rank != 16 || ad.Alpha != 16 || len(ad.Tensors) != 2*7*3 {
		t.Errorf("rank %d, alpha %v, %d tensors", ad.Rank, ad.Alpha, len(ad.Tensors))
	}
	for _, tensor := range ad.Tensors {
		values := ad.Tensor(tensor.Name)
		bound, square := 1/math.Sqrt(float64(tensor.Cols)), 0.
		for _, v := range values {
			if math.Abs(float64(v)) > bound {
				t.Fatalf("%s: %v is beyond %v", tensor.Name, v, bound)
			}
			square += float64(v) * float64(v) / float64(len(values))
		}
		if zero := strings.HasSuffix(tensor.Name, ".lora_b"); zero && square != 0 || !zero && math.Abs(square/(bound*bound/3)-1) > .15 {
			t.Errorf("%s: mean square %v of a bound of %v", tensor.Name, square, bound)
		}
	}
	tree := Tree{[]int32{1, 5}, [][]int32{{40, 41, 2}}}
	if base, with := forward(t, m, nil, false, tree), forward(t, m, ad, false, tree); !slices.Equal(base.Logprobs[0][0], with.Logprobs[0][0]) {
		t.Error("a new adapter changes log-probs")
	}
	for name, l := range map[string]LoRA{"rank": {Rank: -1}, "wide": {Rank: 65}, "alpha": {Alpha: -1}, "NaN": {Alpha: math.NaN()}, "target": {Targets: []string{"lm_head"}}} {
		if _, err := m.NewAdapter(l); err == nil {
			t.Errorf("%s: %+v was taken", name, l)
		}
	}
}

// Whatever the file says, reading an adapter ends in one that fits the model or in an error.
func FuzzAdapter(f *testing.F) {
	m := sketch{layers: 1}.open(f, 1)
	ad, err := m.NewAdapter(LoRA{Rank: 2, Targets: []string{"attn_q"}})
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "a.gguf")
	if err := ad.WriteFile(path, m); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(bytes.ToUpper(data))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		if ad, err := m.adapterFrom(file); err == nil {
			p := forward(t, m, ad, true, Tree{[]int32{0}, [][]int32{{0}}})
			p.Backward([][][]float64{{{1}}}, ad.ZeroLike())
			p.Release()
		}
	})
}
