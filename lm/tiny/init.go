package tiny

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"

	"plumb/lm/gguf"
	"plumb/lm/tiny/corpus"
	"plumb/lm/token"
)

// Dims are the sizes of a llama-family model with tied embeddings. Zero fields mean the built-in model's.
type Dims struct {
	Dim     int // width of the hidden state; 192
	Layers  int // 5
	Heads   int // attention heads; Dim/32
	KVHeads int // heads of keys and values; Heads/3
	FFN     int // width of the feed-forward layer; 512
	Vocab   int // tokens at most; 2048
	Context int // tokens; 512
}

func (d *Dims) defaults() error {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&d.Dim, 192)
	set(&d.Layers, 5)
	set(&d.Heads, max(1, d.Dim/32))
	set(&d.KVHeads, max(1, d.Heads/3))
	set(&d.FFN, 512)
	set(&d.Vocab, 2048)
	set(&d.Context, 512)
	if d.Dim%d.Heads != 0 || d.Dim/d.Heads%2 != 0 || d.Heads%d.KVHeads != 0 {
		return fmt.Errorf("new model: dim %d, heads %d, kv heads %d: heads must divide dim into even parts, and kv heads must divide heads", d.Dim, d.Heads, d.KVHeads)
	}
	return nil
}

// Special tokens of the built-in model, ChatML's; their ids are their places here.
var specials = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// chatML is the chat template: no default system message, every turn closed by <|im_end|> and a new line.
const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}` +
	`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// tokenizerSample is how many chats the vocabulary is trained on.
const tokenizerSample = 20_000

// Init returns an untrained model for a GGUF file: its keys, with a vocabulary trained on the corpus that seed names, and
// its tensors, drawn from N(0, 0.02²), those that write to the residual stream scaled by 1/√(2·layers) (Radford et al.
// 2019, section 2.3). The same seed gives the same file.
func Init(seed uint64, d Dims) ([]gguf.Pair, []gguf.TensorSource, error) {
	if err := d.defaults(); err != nil {
		return nil, nil, err
	}
	vocabulary, err := token.Train(texts(seed, tokenizerSample), "smollm", d.Vocab, specials)
	if err != nil {
		return nil, nil, err
	}
	d.Vocab = len(vocabulary.Tokens)
	return keys(d, vocabulary), tensors(seed, d), nil
}

// texts yields what is said in the first n chats.
func texts(seed uint64, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		c := corpus.New()
		for i := range n {
			for _, m := range c.Chat(seed, i) {
				if !yield(m.Role+"\n"+m.Content) || !yield("\n") {
					return
				}
			}
		}
	}
}

func keys(d Dims, v *token.Trained) []gguf.Pair {
	types := make([]int32, len(v.Types))
	for i, t := range v.Types {
		types[i] = int32(t)
	}
	return []gguf.Pair{
		{Key: "general.architecture", Value: "llama"},
		{Key: "general.name", Value: "plumb-tiny"},
		{Key: "general.description", Value: "A very small chat model for trying plumb. It knows some fifty everyday subjects and nothing else."},
		{Key: "general.license", Value: "apache-2.0"},
		{Key: "general.file_type", Value: uint32(0)},
		{Key: "llama.vocab_size", Value: uint32(d.Vocab)},
		{Key: "llama.context_length", Value: uint32(d.Context)},
		{Key: "llama.embedding_length", Value: uint32(d.Dim)},
		{Key: "llama.block_count", Value: uint32(d.Layers)},
		{Key: "llama.feed_forward_length", Value: uint32(d.FFN)},
		{Key: "llama.attention.head_count", Value: uint32(d.Heads)},
		{Key: "llama.attention.head_count_kv", Value: uint32(d.KVHeads)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "llama.rope.freq_base", Value: float32(10000)},
		{Key: "llama.rope.dimension_count", Value: uint32(d.Dim / d.Heads)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "smollm"},
		{Key: "tokenizer.ggml.tokens", Value: v.Tokens},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: v.Merges},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.padding_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.add_bos_token", Value: false},
		{Key: "tokenizer.chat_template", Value: chatML},
	}
}

func tensors(seed uint64, d Dims) []gguf.TensorSource {
	r := rand.New(rand.NewPCG(seed, 0x696e6974))
	kv := d.Dim / d.Heads * d.KVHeads
	const plain = .02
	residual := plain / math.Sqrt(2*float64(d.Layers))
	list := []gguf.TensorSource{matrix(r, "token_embd.weight", d.Vocab, d.Dim, plain)}
	for l := range d.Layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }
		list = append(list,
			ones(name("attn_norm"), d.Dim),
			matrix(r, name("attn_q"), d.Dim, d.Dim, plain),
			matrix(r, name("attn_k"), kv, d.Dim, plain),
			matrix(r, name("attn_v"), kv, d.Dim, plain),
			matrix(r, name("attn_output"), d.Dim, d.Dim, residual),
			ones(name("ffn_norm"), d.Dim),
			matrix(r, name("ffn_gate"), d.FFN, d.Dim, plain),
			matrix(r, name("ffn_up"), d.FFN, d.Dim, plain),
			matrix(r, name("ffn_down"), d.Dim, d.FFN, residual))
	}
	return append(list, ones("output_norm.weight", d.Dim))
}

func matrix(r *rand.Rand, name string, rows, columns int, deviation float64) gguf.TensorSource {
	values := make([]float32, rows*columns)
	for i := range values {
		values[i] = float32(deviation * r.NormFloat64())
	}
	return gguf.Encoded(name, gguf.F32, []uint64{uint64(columns), uint64(rows)}, values)
}

func ones(name string, n int) gguf.TensorSource {
	values := make([]float32, n)
	for i := range values {
		values[i] = 1
	}
	return gguf.Encoded(name, gguf.F32, []uint64{uint64(n)}, values)
}
