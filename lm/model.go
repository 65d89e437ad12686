// Package lm is a llama-family language model in Go: reading a GGUF file, the forward pass, the backward pass, low-rank
// adapters, merging, and decoding. It is written by hand in llm.c's manner: each forward function has its backward beside
// it with mirrored names, and shapes stand in comments.
//
// Shapes use these letters: T rows (tokens of a batch, without padding), D width of the hidden state, H heads, G heads of
// keys and values, S size of a head, F width of the feed-forward layer, V tokens of the vocabulary. All matrices are
// row-major float32; sums of log-probs are float64. Results do not depend on the number of threads.
package lm

import (
	"fmt"
	"math"
	"sync"

	"plumb/chat"
	"plumb/lm/gguf"
	"plumb/lm/kernel"
	"plumb/lm/template"
	"plumb/lm/token"
)

// Config is the shape of a model, read from its file's keys.
type Config struct {
	Arch     string // llama or qwen2
	Name     string
	Layers   int
	Dim      int // D
	Heads    int // H
	KVHeads  int // G
	HeadDim  int // S
	FFN      int // F
	Vocab    int // V
	Context  int // tokens it was trained for
	RopeDim  int // leading values of a head that are rotated
	RopeBase float64
	Eps      float32
	Tied     bool // the output layer is the embedding
}

// Model is an open language model. Its methods are safe for concurrent use, except while the weights that Weights returned
// are being changed.
//
// Memory: the file, mapped where the system can, and the weights that have been used once as float32, rearranged for
// products. Opening a model is quick; the first use of it decodes the weights.
type Model struct {
	// ActivationBytes bounds what a forward pass keeps for its backward pass. A batch that needs more keeps each layer's
	// input alone and computes the rest again on the way back: the same bits, in a third to half as much time again. 0 means 2 GiB.
	// Set it before the model is used.
	ActivationBytes int

	config    Config
	file      *gguf.File
	tokenizer *token.Tokenizer
	template  *template.Template
	params    *Params // where all weights lie, in the order of the file; the values only after Weights
	embed     *linear // V×D
	output    *linear // V×D; embed if tied
	outNorm   []float32
	layers    []layer
	halves    bool // rotary pairs are (i, i+S/2), not (2i, 2i+1)
	rope      rope
	arenas    sync.Pool
}

// layer is one transformer block.
type layer struct {
	attnNorm, ffnNorm     []float32 // D
	q, k, v, o            *linear   // H·S×D, G·S×D, G·S×D, D×H·S
	gate, up, down        *linear   // F×D, F×D, D×F
	attnNormAt, ffnNormAt int       // offsets in Params
}

// linear is a weight matrix of out rows and in columns: y = x·Wᵀ + bias.
type linear struct {
	m       *Model
	name    string // of the tensor, "blk.0.attn_q.weight"
	info    gguf.TensorInfo
	out, in int
	w       []float32 // out×in, nil unless it may change: see Weights
	bias    []float32 // out, or nil
	at      int       // offset of w in Params
	biasAt  int
	once    sync.Once
	packed  *kernel.Packed
}

// Open reads a model file. Errors name the key or tensor that is missing or wrong.
func Open(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := FromFile(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open model %s: %w", path, err)
	}
	return m, nil
}

// FromFile makes a model of an open file, which the model then owns.
func FromFile(f *gguf.File) (*Model, error) {
	config, err := readConfig(f)
	if err != nil {
		return nil, err
	}
	m := &Model{config: config, file: f, halves: config.Arch == "qwen2"}
	m.arenas.New = func() any { return new(arena) }
	if m.tokenizer, err = token.New(f); err != nil {
		return nil, err
	}
	if m.tokenizer.Size() != config.Vocab {
		return nil, fmt.Errorf("read model: %d tokens in the vocabulary, %d rows of token_embd.weight", m.tokenizer.Size(), config.Vocab)
	}
	if err := m.readWeights(); err != nil {
		return nil, err
	}
	if err := m.readRope(); err != nil {
		return nil, err
	}
	return m, m.readTemplate()
}

func (m *Model) readTemplate() error {
	source, ok := m.file.String("tokenizer.chat_template")
	if !ok {
		return nil // a model without one completes plain text
	}
	piece := func(id int32) string { return string(m.tokenizer.Piece(id)) }
	var err error
	if m.template, err = template.New(source, piece(m.tokenizer.BOS), piece(m.tokenizer.EOS)); err != nil {
		return fmt.Errorf("read chat template: %w", err)
	}
	return nil
}

// Close releases the file. The model must not be used afterwards.
func (m *Model) Close() error { return m.file.Close() }

// Config returns the model's shape.
func (m *Model) Config() Config { return m.config }

// Digest returns "sha256:…" of the model's file.
func (m *Model) Digest() string { return m.file.Digest() }

// File returns the file the model was read from.
func (m *Model) File() *gguf.File { return m.file }

// Tokenizer returns the model's tokenizer.
func (m *Model) Tokenizer() *token.Tokenizer { return m.tokenizer }

// Template returns the model's chat template, nil if its file has none.
func (m *Model) Template() *template.Template { return m.template }

func readConfig(f *gguf.File) (Config, error) {
	arch, _ := f.String("general.architecture")
	if arch != "llama" && arch != "qwen2" {
		return Config{}, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("read model: architecture %q; known are llama and qwen2", arch)}
	}
	c := Config{Arch: arch}
	c.Name, _ = f.String("general.name")
	k := keyReader{f: f, arch: arch}
	c.Layers = k.size("block_count", 1, 1024, 0)
	c.Dim = k.size("embedding_length", 1, 1<<16, 0)
	c.Heads = k.size("attention.head_count", 1, 1024, 0)
	c.KVHeads = k.size("attention.head_count_kv", 1, 1024, c.Heads)
	c.FFN = k.size("feed_forward_length", 1, 1<<20, 0)
	c.Context = k.size("context_length", 1, 1<<24, 0)
	c.Eps = float32(k.number("attention.layer_norm_rms_epsilon", 1e-5))
	c.RopeBase = k.number("rope.freq_base", 10000)
	if k.err != nil {
		return c, k.err
	}
	c.HeadDim = k.size("attention.key_length", 1, 1<<12, c.Dim/c.Heads)
	c.RopeDim = k.size("rope.dimension_count", 2, 1<<12, c.HeadDim)
	switch {
	case k.err != nil:
		return c, k.err
	case c.Heads%c.KVHeads != 0:
		return c, fmt.Errorf("read model: %d heads are no multiple of %d key-value heads", c.Heads, c.KVHeads)
	case c.RopeDim > c.HeadDim || c.RopeDim%2 != 0:
		return c, fmt.Errorf("read model: rope.dimension_count %d in heads of %d", c.RopeDim, c.HeadDim)
	case !(c.Eps > 0) || !(c.RopeBase > 0) || math.IsInf(c.RopeBase, 0):
		return c, fmt.Errorf("read model: epsilon %g and rope base %g must be positive", c.Eps, c.RopeBase)
	}
	if scaling, ok := f.String(arch + ".rope.scaling.type"); ok && scaling != "none" {
		return c, fmt.Errorf("read model: %s.rope.scaling.type %q is not supported; known is none", arch, scaling)
	}
	embed, ok := f.Tensor("token_embd.weight")
	if !ok || len(embed.Dims) != 2 {
		return c, fmt.Errorf("read model: no matrix token_embd.weight")
	}
	c.Vocab = int(embed.Dims[1])
	_, untied := f.Tensor("output.weight")
	c.Tied = !untied
	return c, nil
}

// keyReader reads keys of one architecture and keeps the first error.
type keyReader struct {
	f    *gguf.File
	arch string
	err  error
}

// size reads a whole number in [lo, hi]; fallback stands in for an absent key if it is not 0.
func (k *keyReader) size(key string, lo, hi uint64, fallback int) int {
	key = k.arch + "." + key
	v, ok := k.f.Uint(key)
	switch {
	case k.err != nil:
	case !ok && fallback != 0:
		return fallback
	case !ok:
		k.err = fmt.Errorf("read model: no key %s", key)
	case v < lo || v > hi:
		k.err = fmt.Errorf("read model: %s is %d; allowed is %d to %d", key, v, lo, hi)
	}
	return int(v)
}

func (k *keyReader) number(key string, fallback float64) float64 {
	if v, ok := k.f.Float(k.arch + "." + key); ok {
		return v
	}
	return fallback
}
