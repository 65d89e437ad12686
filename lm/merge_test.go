package lm

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"plumb/lm/gguf"
)

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
		"q5_1": {Merge{Adapter: ad, Type: gguf.Q5_1}, 2},
		"q4_0": {Merge{Adapter: ad, Type: gguf.Q4_0}, 4},
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

// Keep changes what the adapter touches and nothing else: the other tensors of a quantised file are the same bytes.
func TestKeepLeavesUntouchedTensorsAlone(t *testing.T) {
	small := open(t, "tiny-llama.gguf")
	path := filepath.Join(t.TempDir(), "q8.gguf")
	if _, err := (Merge{Type: gguf.Q8_0}).Write(small, path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ad, err := m.NewAdapter(LoRA{Rank: 2, Targets: []string{"attn_v", "ffn_up"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range ad.Data {
		ad.Data[i] += .01
	}
	out := filepath.Join(t.TempDir(), "kept.gguf")
	if _, err := (Merge{Adapter: ad, Keep: true}).Write(m, out); err != nil {
		t.Fatal(err)
	}
	kept, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if base, _ := kept.File().String("plumb.base"); base != m.Digest() {
		t.Errorf("plumb.base is %q, want %q", base, m.Digest())
	}
	changed := 0
	for i, was := range m.File().Tensors() {
		is := kept.File().Tensors()[i]
		touched := ad.Tensor(was.Name+".lora_a") != nil
		if same := is.Type == was.Type && bytes.Equal(kept.File().Bytes(is), m.File().Bytes(was)); same == touched || is.Name != was.Name {
			t.Errorf("%s: unchanged is %v, touched is %v", was.Name, same, touched)
		}
		if touched {
			changed++
			if is.Type != gguf.F16 {
				t.Errorf("%s: written as %v, want F16", is.Name, is.Type)
			}
		}
	}
	if changed != 6 {
		t.Errorf("%d tensors changed, want 6", changed)
	}
	if !slices.EqualFunc(kept.File().KV()[:len(m.File().KV())], m.File().KV(), func(a, b gguf.Pair) bool { return a.Key == b.Key }) {
		t.Error("the keys changed their order")
	}
}

// A file may have a part that sees pictures: text does not meet it, and it goes into merged files as it is.
func TestPartThatSeesIsCarriedAlong(t *testing.T) {
	patches, projector := make([]float32, 4*4*3*2), []float32{1, 2, 3, 4, 5, 6, 7, 8}
	seeing := sketch{arch: "gemma3", tied: true, beside: []gguf.TensorSource{
		gguf.Encoded("v.patch_embedding.weight", gguf.F16, []uint64{4, 4, 3, 2}, patches),
		gguf.Encoded("mm.mm_input_projection.weight", gguf.F32, []uint64{8, 1}, projector),
	}}
	m := seeing.open(t, 1)
	tree := Tree{[]int32{0, 5, 9}, [][]int32{{7, 8, 1}}}
	want := forward(t, sketch{arch: "gemma3", tied: true}.open(t, 1), nil, false, tree).Logprobs[0][0]
	if got := forward(t, m, nil, false, tree).Logprobs[0][0]; !slices.Equal(got, want) {
		t.Errorf("log-probs are %v beside it, %v without", got, want)
	}
	for name, g := range map[string]Merge{"keep": {Keep: true}, "another type": {Type: gguf.BF16}} {
		path := filepath.Join(t.TempDir(), "merged.gguf")
		if _, err := g.Write(m, path); err != nil {
			t.Fatal(name, err)
		}
		merged, err := Open(path)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, b := range seeing.beside {
			is, _ := merged.File().Tensor(b.Name)
			was, _ := m.File().Tensor(b.Name)
			if is.Type != was.Type || !slices.Equal(is.Dims, was.Dims) || !bytes.Equal(merged.File().Bytes(is), m.File().Bytes(was)) {
				t.Errorf("%s: %s is %v %v", name, b.Name, is.Type, is.Dims)
			}
		}
		merged.Close()
	}
}

// What cannot be written leaves no file, and a file already there is kept.
func TestMergeFailsWhole(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	broken, err := m.NewAdapter(LoRA{Rank: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range broken.Data {
		broken.Data[i] = float32(math.NaN())
	}
	dir := t.TempDir()
	for name, g := range map[string]Merge{"type": {Type: gguf.Q4_K}, "not a number": {Adapter: broken, Type: gguf.Q8_0}} {
		path := filepath.Join(dir, "out.gguf")
		if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Write(m, path); err == nil {
			t.Errorf("%s: written", name)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != "before" {
			t.Errorf("%s: the file has %d bytes, %v", name, len(now), err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}
