// Package lm is a language model in Go, of the llama, mistral, qwen and gemma families: reading a GGUF file, the forward pass,
// the backward pass, low-rank adapters, merging, and decoding. What a family has of its own is in a file, family_NAME.go. It is
// written by hand in llm.c's manner: each forward function has its backward beside it with mirrored names, and shapes stand in
// comments.
//
// Shapes use these letters: T rows (tokens of a batch, without padding), D width of the hidden state, H heads, G heads of
// keys and values, S size of a head, F width of the feed-forward layer, V tokens of the vocabulary. All matrices are
// row-major float32; sums of log-probs are float64. Results do not depend on the number of threads.
package lm

import (
	"fmt"
	"math"
	"sync"

	"plumb/lm/gguf"
	"plumb/lm/kernel"
	"plumb/lm/template"
	"plumb/lm/token"
)

// Config is the shape of a model, read from its file's keys.
type Config struct {
	Arch     string // general.architecture: llama, qwen2, …
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

	EmbedScale   float32 // of the embedding's rows where they enter the first layer
	AttnScale    float64 // of q·k; 1/√S but for a few models
	AttnCap      float64 // scores are c·tanh(score/c); 0 leaves them
	LogitCap     float64 // the same of logits
	Window       int     // positions that a layer sees, its own included; 0 is all
	GlobalEvery  int     // every n-th layer sees all in spite of Window; 0 is none
	LocalBase    float64 // rotary base of the layers that see a window; 0 is RopeBase, scaled as it is
	Sharpen      float64 // queries at position p are taken times 1 + Sharpen·log(1 + ⌊p/SharpenEvery⌋); 0 leaves them
	SharpenEvery int

	parts   parts
	scaling ropeScaling
}

// global tells whether a layer sees all that is before it.
func (c *Config) global(layer int) bool {
	return c.Window == 0 || c.GlobalEvery > 0 && (layer+1)%c.GlobalEvery == 0
}

// Model is an open language model. Its methods are safe for concurrent use, except while the weights that Weights returned
// are being changed.
//
// Memory: the file, mapped where the system can, and the weights that have been used once, rearranged for products: as
// float32, and, where an Engine draws, as the integers that a quantised file has. A model used both ways has both. Opening a
// model is quick; the first use of it decodes the weights.
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
	outNorm   gains
	layers    []layer
	rope      rope
	localRope rope // of layers with a window, where those have one of their own
	arenas    spare
}

// layer is one transformer block.
type layer struct {
	attnNorm, ffnNorm gains   // D
	q, k, v, o        *linear // H·S×D, G·S×D, G·S×D, D×H·S
	gate, up, down    *linear // F×D, F×D, D×F
	qNorm, kNorm      gains   // S; without values where the family has none
	attnPost, ffnPost gains   // D; the same
	window            int     // positions it sees; 0 is all
	rope              *rope
}

// gains are the weights of an RMS norm. Without values there is no such norm.
type gains struct {
	w  []float32
	at int // offset in Params
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

	quantOnce sync.Once
	fine      bool // what it reads is rounded finely: see kernel.Activations
	quant     *kernel.Quant
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
	m := &Model{config: config, file: f}
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

const (
	maxContext = 1 << 24
	// What keyReader.size gives for a key that is not there: an error, or 0.
	required = -1
	absent   = 0
)

func readConfig(f *gguf.File) (Config, error) {
	arch, _ := f.String("general.architecture")
	own, err := familyOf(arch)
	if err != nil {
		return Config{}, err
	}
	c := Config{Arch: arch, parts: own.parts, EmbedScale: 1}
	c.Name, _ = f.String("general.name")
	k := keyReader{f: f, arch: arch}
	k.shape(&c)
	if own.read != nil && k.err == nil {
		own.read(&k, &c)
	}
	c.scaling = readScaling(&k)
	if k.err != nil {
		return c, k.err
	}
	if err := c.check(); err != nil {
		return c, err
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

// shape reads the keys that all families have.
func (k *keyReader) shape(c *Config) {
	c.Layers = k.size("block_count", 1, 1024, required)
	c.Dim = k.size("embedding_length", 1, 1<<16, required)
	c.Heads = k.size("attention.head_count", 1, 1024, required)
	c.KVHeads = k.size("attention.head_count_kv", 1, 1024, c.Heads)
	c.FFN = k.size("feed_forward_length", 1, 1<<20, required)
	c.Context = k.size("context_length", 1, maxContext, required)
	c.Eps = float32(k.number("attention.layer_norm_rms_epsilon", 1e-5))
	c.RopeBase = k.number("rope.freq_base", 10000)
	if k.err != nil {
		return
	}
	c.HeadDim = k.size("attention.key_length", 1, 1<<12, max(1, c.Dim/c.Heads))
	if values := k.size("attention.value_length", 1, 1<<12, c.HeadDim); values != c.HeadDim && k.err == nil {
		k.err = fmt.Errorf("read model: %s.attention.value_length is %d beside keys of %d; only equal ones are known", k.arch, values, c.HeadDim)
	}
	c.RopeDim = k.size("rope.dimension_count", 2, 1<<12, c.HeadDim)
	c.AttnScale = 1 / math.Sqrt(float64(c.HeadDim))
}

func (c *Config) check() error {
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("read model: %d heads are no multiple of %d key-value heads", c.Heads, c.KVHeads)
	case c.RopeDim > c.HeadDim || c.RopeDim%2 != 0:
		return fmt.Errorf("read model: rope.dimension_count %d in heads of %d", c.RopeDim, c.HeadDim)
	case !positive(float64(c.Eps)) || !positive(c.RopeBase):
		return fmt.Errorf("read model: epsilon %g and rope base %g must be positive", c.Eps, c.RopeBase)
	case c.LocalBase != 0 && !positive(c.LocalBase):
		return fmt.Errorf("read model: rope base %g of layers with a window; it must be positive", c.LocalBase)
	case c.AttnCap < 0 || c.LogitCap < 0 || !positive(1+c.AttnCap+c.LogitCap):
		return fmt.Errorf("read model: soft caps of %g and %g; allowed are 0, for none, and more", c.AttnCap, c.LogitCap)
	case c.Sharpen < 0 || !positive(1+c.Sharpen):
		return fmt.Errorf("read model: attention.temperature_scale is %g; allowed are 0, for none, and more", c.Sharpen)
	}
	return nil
}

// keyReader reads keys of one architecture and keeps the first error.
type keyReader struct {
	f    *gguf.File
	arch string
	err  error
}

// size reads a whole number in [lo, hi]; fallback stands in for a key that is not there, unless it is required.
func (k *keyReader) size(key string, lo, hi uint64, fallback int) int {
	key = k.arch + "." + key
	v, ok := k.f.Uint(key)
	switch {
	case k.err != nil:
	case !ok && fallback != required:
		return fallback
	case !ok:
		k.err = fmt.Errorf("read model: no key %s", key)
	case v < lo || v > hi:
		k.err = fmt.Errorf("read model: %s is %d; allowed is %d to %d", key, v, lo, hi)
	}
	return int(v)
}

// number reads a float; fallback stands in for a key that is not there.
func (k *keyReader) number(key string, fallback float64) float64 {
	if v, ok := k.f.Float(k.arch + "." + key); ok {
		return v
	}
	return fallback
}
