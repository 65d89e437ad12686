package lm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"plumb/lm/gguf"
)

// sketch is a random model of a few hundred weights, made in memory: every shape that can differ does, so that a mistaken
// one shows.
type sketch struct {
	arch    string // llama
	layers  int    // 2
	context int    // 64
	tied    bool
	set     []gguf.Pair                                // keys added or replaced; a nil value drops the key
	tensor  func(name string) (dims []uint64, ok bool) // replaces a tensor's shape, or drops it (nil, true)
	beside  []gguf.TensorSource                        // tensors before the model's own
}

const (
	sketchDim, sketchFFN, sketchHeads, sketchKVHeads, sketchHead = 8, 10, 4, 2, 4
	sketchChat                                                   = `{% for m in messages %}{{ '<s>' + m['content'] + '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<s>' }}{% endif %}`
)

// sketchTokens is a byte-level vocabulary: <s>, </s>, the printable ASCII and two merges.
func sketchTokens() (tokens []string, types []int32, merges []string) {
	tokens, types = []string{"<s>", "</s>"}, []int32{3, 3}
	for b := '!'; b <= '~'; b++ {
		tokens, types = append(tokens, string(b)), append(types, 1)
	}
	tokens, types = append(tokens, "Ġ", "ab", "abc"), append(types, 1, 1, 1)
	return tokens, types, []string{"a b", "ab c"}
}

func (s sketch) keys() []gguf.Pair {
	tokens, types, merges := sketchTokens()
	key := func(k string, v any) gguf.Pair { return gguf.Pair{Key: s.arch + "." + k, Value: v} }
	kv := []gguf.Pair{
		{Key: "general.architecture", Value: s.arch}, {Key: "general.name", Value: "sketch"},
		key("context_length", uint32(s.context)), key("embedding_length", uint32(sketchDim)), key("block_count", uint32(s.layers)),
		key("feed_forward_length", uint32(sketchFFN)), key("attention.head_count", uint32(sketchHeads)),
		key("attention.head_count_kv", uint32(sketchKVHeads)), key("attention.key_length", uint32(sketchHead)),
		key("attention.layer_norm_rms_epsilon", float32(1e-5)), key("rope.freq_base", float32(100)),
		{Key: "tokenizer.ggml.model", Value: "gpt2"}, {Key: "tokenizer.ggml.pre", Value: "smollm"},
		{Key: "tokenizer.ggml.tokens", Value: tokens}, {Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: merges}, {Key: "tokenizer.ggml.bos_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(1)}, {Key: "tokenizer.chat_template", Value: sketchChat},
	}
	for _, p := range s.set {
		kv = slices.DeleteFunc(kv, func(q gguf.Pair) bool { return q.Key == p.Key })
		if p.Value != nil {
			kv = append(kv, p)
		}
	}
	return kv
}

// sketches are models of all families, with every part that they may have.
func sketches() map[string]sketch {
	window := func(arch string) []gguf.Pair {
		return []gguf.Pair{{Key: arch + ".attention.sliding_window", Value: uint32(3)}, {Key: arch + ".attention.sliding_window_pattern", Value: uint32(2)}}
	}
	return map[string]sketch{
		"llama":        {tied: true},
		"llama untied": {},
		"one layer":    {layers: 1},
		"llama window": {set: window("llama")[:1]},
		"llama linear": {set: []gguf.Pair{{Key: "llama.rope.scaling.type", Value: "linear"}, {Key: "llama.rope.scaling.factor", Value: float32(3)}}},
		"qwen2":        {arch: "qwen2", tied: true},
		"qwen3":        {arch: "qwen3", tied: true},
		"gemma3":       {arch: "gemma3", tied: true, layers: 3, set: window("gemma3")},
		"gemma2": {arch: "gemma2", tied: true, layers: 3, set: append(window("gemma2"),
			gguf.Pair{Key: "gemma2.attn_logit_softcapping", Value: float32(2)}, gguf.Pair{Key: "gemma2.final_logit_softcapping", Value: float32(3)})},
		"mistral3": {arch: "mistral3", set: []gguf.Pair{
			{Key: "mistral3.rope.scaling.type", Value: "yarn"}, {Key: "mistral3.rope.scaling.factor", Value: float32(4)},
			{Key: "mistral3.rope.scaling.original_context_length", Value: uint32(3)}, {Key: "mistral3.attention.temperature_scale", Value: float32(.5)}}},
	}
}

// file returns the bytes of the model's file; seed draws its weights.
func (s sketch) file(t testing.TB, seed uint64) []byte {
	t.Helper()
	if s.arch == "" {
		s.arch = "llama"
	}
	if s.layers == 0 {
		s.layers = 2
	}
	if s.context == 0 {
		s.context = 64
	}
	tokens, _, _ := sketchTokens()
	r := rand.New(rand.NewPCG(seed, 1))
	list := slices.Clone(s.beside)
	add := func(name string, shift float32, dims ...uint64) {
		if s.tensor != nil {
			if other, ok := s.tensor(name); ok {
				if dims = other; dims == nil {
					return
				}
			}
		}
		n := uint64(1)
		for _, d := range dims {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = shift + .5*float32(r.NormFloat64())
		}
		list = append(list, gguf.Encoded(name, gguf.F32, dims, values))
	}
	q, kv := uint64(sketchHeads*sketchHead), uint64(sketchKVHeads*sketchHead)
	add("token_embd.weight", 0, sketchDim, uint64(len(tokens)))
	for l := range s.layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s", l, part) }
		add(name("attn_norm.weight"), 1, sketchDim)
		add(name("attn_q.weight"), 0, sketchDim, q)
		add(name("attn_k.weight"), 0, sketchDim, kv)
		add(name("attn_v.weight"), 0, sketchDim, kv)
		has := families()[s.arch].parts
		if has.biases {
			add(name("attn_q.bias"), 0, q)
			add(name("attn_k.bias"), 0, kv)
			add(name("attn_v.bias"), 0, kv)
		}
		if has.headNorms {
			add(name("attn_q_norm.weight"), 1, sketchHead)
			add(name("attn_k_norm.weight"), 1, sketchHead)
		}
		if has.postNorms {
			add(name("post_attention_norm.weight"), 1, sketchDim)
			add(name("post_ffw_norm.weight"), 1, sketchDim)
		}
		add(name("attn_output.weight"), 0, q, sketchDim)
		add(name("ffn_norm.weight"), 1, sketchDim)
		add(name("ffn_gate.weight"), 0, sketchDim, sketchFFN)
		add(name("ffn_up.weight"), 0, sketchDim, sketchFFN)
		add(name("ffn_down.weight"), 0, sketchFFN, sketchDim)
	}
	add("output_norm.weight", 1, sketchDim)
	if !s.tied {
		add("output.weight", 0, sketchDim, uint64(len(tokens)))
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, s.keys(), list); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// open opens the model.
func (s sketch) open(t testing.TB, seed uint64) *Model {
	t.Helper()
	m, err := parseModel(s.file(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parseModel(data []byte) (*Model, error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, err
	}
	return FromFile(f)
}
