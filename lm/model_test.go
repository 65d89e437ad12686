package lm

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm/gguf"
)

func drop(key string) []gguf.Pair       { return []gguf.Pair{{Key: key}} }
func put(key string, v any) []gguf.Pair { return []gguf.Pair{{Key: key, Value: v}} }
func shaped(name string, dims ...uint64) func(string) ([]uint64, bool) {
	return func(n string) ([]uint64, bool) { return dims, n == name }
}

// A file that is no model of a known kind is refused, and the error names what is wrong.
func TestOpenRefusesByName(t *testing.T) {
	for name, c := range map[string]struct {
		s    sketch
		want []string
	}{
		"architecture":     {sketch{set: put("general.architecture", "mamba")}, []string{`"mamba"`, "gemma2, gemma3, llama, mistral3, qwen2, qwen3"}},
		"no architecture":  {sketch{set: drop("general.architecture")}, []string{`""`}},
		"no layers":        {sketch{set: drop("llama.block_count")}, []string{"llama.block_count"}},
		"zero heads":       {sketch{set: put("llama.attention.head_count", uint32(0))}, []string{"llama.attention.head_count", "0"}},
		"huge layers":      {sketch{set: put("llama.block_count", uint32(1<<31))}, []string{"llama.block_count"}},
		"key-value heads":  {sketch{set: put("llama.attention.head_count_kv", uint32(3))}, []string{"3", "4"}},
		"epsilon":          {sketch{set: put("llama.attention.layer_norm_rms_epsilon", float32(0))}, []string{"epsilon"}},
		"rope base":        {sketch{set: put("llama.rope.freq_base", float32(-1))}, []string{"rope base"}},
		"rope scaling":     {sketch{set: put("llama.rope.scaling.type", "longrope")}, []string{"longrope", "yarn"}},
		"rope factor":      {sketch{set: put("llama.rope.scaling.factor", float32(.5))}, []string{"rope.scaling.factor", "0.5"}},
		"rope factors":     {sketch{set: put("llama.rope.scaling.type", "llama3")}, []string{"llama3", "rope_freqs.weight"}},
		"value size":       {sketch{set: put("llama.attention.value_length", uint32(2))}, []string{"value_length", "2", "4"}},
		"head norms":       {sketch{arch: "qwen3", tensor: shaped("blk.1.attn_q_norm.weight", 8)}, []string{"blk.1.attn_q_norm.weight", "1×8", "1×4"}},
		"no head norms":    {sketch{arch: "qwen3", tensor: shaped("blk.1.attn_k_norm.weight")}, []string{"blk.1.attn_k_norm.weight"}},
		"no post norm":     {sketch{arch: "gemma3", tensor: shaped("blk.0.post_ffw_norm.weight")}, []string{"blk.0.post_ffw_norm.weight"}},
		"soft cap":         {sketch{arch: "gemma2", set: put("gemma2.attn_logit_softcapping", float32(-1))}, []string{"soft cap", "-1"}},
		"rope dimensions":  {sketch{set: put("llama.rope.dimension_count", uint32(6))}, []string{"rope.dimension_count"}},
		"no tokenizer":     {sketch{set: drop("tokenizer.ggml.model")}, []string{"tokenizer.ggml.model"}},
		"template":         {sketch{set: put("tokenizer.chat_template", "{% for %}")}, []string{"chat template"}},
		"no tensor":        {sketch{tensor: shaped("blk.1.ffn_up.weight")}, []string{"blk.1.ffn_up.weight"}},
		"no embedding":     {sketch{tensor: shaped("token_embd.weight")}, []string{"token_embd.weight"}},
		"shape":            {sketch{tensor: shaped("blk.1.attn_k.weight", 8, 12)}, []string{"blk.1.attn_k.weight", "12×8", "8×8"}},
		"transposed":       {sketch{tensor: shaped("blk.0.ffn_down.weight", 8, 10)}, []string{"blk.0.ffn_down.weight"}},
		"vector":           {sketch{tensor: shaped("output_norm.weight", 9)}, []string{"output_norm.weight"}},
		"three dimensions": {sketch{tensor: shaped("blk.0.attn_q.weight", 8, 16, 2)}, []string{"blk.0.attn_q.weight", "3 dimensions"}},
		"vocabulary":       {sketch{tied: true, tensor: shaped("token_embd.weight", 8, 12)}, []string{"token_embd.weight", "12"}},
		"unknown tensor":   {sketch{layers: 2, set: put("llama.block_count", uint32(1))}, []string{"blk.1."}},
	} {
		m, err := parseModel(c.s.file(t, 1))
		if err == nil {
			t.Errorf("%s: opened, %+v", name, m.Config())
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error %q does not say %s", name, err, want)
			}
		}
	}
}

func TestOpenReadsTheShape(t *testing.T) {
	m := sketch{arch: "qwen2", tied: true, set: put("qwen2.context_length", uint32(77))}.open(t, 1)
	want := Config{Arch: "qwen2", Name: "sketch", Layers: 2, Dim: 8, Heads: 4, KVHeads: 2, HeadDim: 4, FFN: 10, Vocab: 99, Context: 77,
		RopeDim: 4, RopeBase: 100, Eps: 1e-5, Tied: true, EmbedScale: 1, AttnScale: .5,
		parts: parts{halves: true, biases: true}, scaling: ropeScaling{factor: 1, gain: 1}}
	if m.Config() != want {
		t.Errorf("got %+v\nwant %+v", m.Config(), want)
	}
}

// Weights are the ones the model computes with: taking them changes no bit, changing them changes the model and the file
// that is written of it.
func TestWeightsAreTheModels(t *testing.T) {
	for _, s := range sketches() {
		m := s.open(t, 4)
		run := func(m *Model) []float64 {
			p := forward(t, m, nil, false, sketchTrees[0])
			defer p.Release()
			return p.Logprobs[0][0]
		}
		before := run(m)
		w := m.Weights()
		if !slices.Equal(run(m), before) {
			t.Error("taking the weights changed the model")
		}
		if w != m.Weights() {
			t.Error("the weights are others the second time")
		}
		for i := range w.Data {
			w.Data[i] *= 1.01
		}
		after := run(m)
		if slices.Equal(after, before) {
			t.Error("changing the weights did not change the model")
		}
		path := filepath.Join(t.TempDir(), "changed.gguf")
		if _, err := (Merge{Type: gguf.F32}).Write(m, path); err != nil {
			t.Fatal(err)
		}
		written, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer written.Close()
		if !slices.Equal(run(written), after) {
			t.Error("the written model is not the changed one")
		}
	}
}

func TestForwardRefusesBadTokens(t *testing.T) {
	m := sketch{}.open(t, 1)
	for name, tree := range map[string]Tree{
		"no prompt":         {nil, [][]int32{{1}}},
		"negative":          {[]int32{-1}, [][]int32{{1}}},
		"beyond":            {[]int32{1}, [][]int32{{2, 99, 1}}},
		"beyond at the end": {[]int32{1}, [][]int32{{99}}},
	} {
		if _, err := m.Forward(nil, []Tree{tree}, false); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, trees := range map[string][]Tree{"nothing": nil, "no branches": {{Prompt: []int32{3}}}, "empty branch": {{[]int32{3}, [][]int32{{}}}}} {
		p, err := m.Forward(nil, trees, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p.Release()
	}
}

func TestEncodeChatSplitsWhereThePromptEnds(t *testing.T) {
	m := sketch{}.open(t, 1)
	messages := []chat.Message{{Role: chat.User, Content: "hi"}}
	s, err := m.EncodeChat(messages, "abc", true)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Tokenizer().Decode(s.Tokens[:s.Start]) + "|" + m.Tokenizer().Decode(s.Tokens[s.Start:]); got != "<s>hi</s><s>|abc</s>" {
		t.Errorf("got %q", got)
	}
	// A prompt whose last token would merge with the completion is an error, not a guess.
	if _, err := m.EncodeCompletion("xa", "bc", false); err == nil {
		t.Error("a completion that merges with its prompt was taken")
	}
	bare := sketch{set: drop("tokenizer.chat_template")}.open(t, 1)
	var e *chat.Error
	if _, err := bare.EncodeChat(messages, "abc", true); !errors.As(err, &e) || e.Kind != chat.Invalid {
		t.Errorf("a model without a template: %v", err)
	}
}

// Whatever the file says, opening it ends in a model that can compute or in an error.
func FuzzFromFile(f *testing.F) {
	f.Add(sketch{layers: 1}.file(f, 1))
	f.Add(sketch{arch: "qwen2", layers: 1, tied: true}.file(f, 2))
	f.Add(sketch{arch: "gemma2", layers: 1, tied: true}.file(f, 3))
	f.Add(sketch{arch: "gemma3", layers: 1, tied: true}.file(f, 4))
	f.Add([]byte("GGUF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseModel(data)
		if err != nil {
			return
		}
		p, err := m.Forward(nil, []Tree{{[]int32{0}, [][]int32{{0}}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
	})
}
