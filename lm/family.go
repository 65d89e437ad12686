package lm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/lm/kernel"
)

// family is what the models of one architecture have that a plain llama has not. Everything else they share. Each family is
// a file of its own, family_NAME.go.
type family struct {
	parts
	read func(k *keyReader, c *Config) // takes the family's own keys; nil if it has none. The shared ones are in c already
}

// parts are those that a family may have.
type parts struct {
	halves    bool // rotary pairs are (i, i+S/2), not (2i, 2i+1): its files have the rows of q and k as Hugging Face has them
	biases    bool // q, k and v must have biases; those of other families may
	headNorms bool // RMS norms, of S weights each, over every head of q and of k, before they are rotated
	postNorms bool // RMS norms of what attention and feed-forward give, before that is added
	gelu      bool // the gate of the feed-forward layer is GELU, not SiLU
}

// families returns what is known, by the value of general.architecture.
func families() map[string]family {
	return map[string]family{
		"llama":    llama(),
		"mistral3": mistral3(),
		"qwen2":    qwen2(),
		"qwen3":    qwen3(),
		"gemma2":   gemma2(),
		"gemma3":   gemma3(),
	}
}

func familyOf(arch string) (family, error) {
	known := families()
	f, ok := known[arch]
	if !ok {
		names := slices.Sorted(maps.Keys(known))
		return family{}, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("read model: general.architecture is %.80q; known are %s", arch, strings.Join(names, ", "))}
	}
	return f, nil
}

// tensors adds the family's own vectors of a layer, their lengths by the part of the name after "blk.0.". Negative ones may be
// absent.
func (f parts) tensors(c *Config) map[string]int {
	bias := -1
	if f.biases {
		bias = 1
	}
	own := map[string]int{"attn_q.bias": bias * c.Heads * c.HeadDim, "attn_k.bias": bias * c.KVHeads * c.HeadDim, "attn_v.bias": bias * c.KVHeads * c.HeadDim}
	if f.headNorms {
		own["attn_q_norm.weight"], own["attn_k_norm.weight"] = c.HeadDim, c.HeadDim
	}
	if f.postNorms {
		own["post_attention_norm.weight"], own["post_ffw_norm.weight"] = c.Dim, c.Dim
	}
	return own
}

// activate stores the gated activation of the feed-forward layer in dst, which may be one of the others.
func (f parts) activate(dst, gate, up []float32) {
	if f.gelu {
		kernel.GELUMul(dst, gate, up)
		return
	}
	kernel.SiLUMul(dst, gate, up)
}

// activateBackward stores the gradients of activate's inputs for that of its result.
func (f parts) activateBackward(dgate, dup, dy, gate, up []float32) {
	if f.gelu {
		kernel.GELUMulBackward(dgate, dup, dy, gate, up)
		return
	}
	kernel.SiLUMulBackward(dgate, dup, dy, gate, up)
}
