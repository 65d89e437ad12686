package lm

import (
	"fmt"
	"strings"

	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// readWeights checks the tensors of the file and points the model's parts at them. Vectors are decoded at once; a matrix is
// when it is first used, straight into the form in which products read it.
func (m *Model) readWeights() error {
	var tensors []ParamTensor
	for _, t := range m.file.Tensors() {
		if sees(t.Name) {
			continue
		}
		if len(t.Dims) == 0 || len(t.Dims) > 2 {
			return fmt.Errorf("read model: tensor %s has %d dimensions", t.Name, len(t.Dims))
		}
		p := ParamTensor{Name: t.Name, Rows: 1, Cols: int(t.Dims[0])}
		if len(t.Dims) == 2 {
			p.Rows = int(t.Dims[1])
		}
		tensors = append(tensors, p)
	}
	b := builder{m: m}
	if b.check(tensors); b.err != nil {
		return b.err
	}
	m.params = layoutOf(tensors)
	b.build()
	return b.err
}

// sees tells whether a tensor belongs to the part of a model that sees pictures, which Ollama keeps in the same file: the encoder
// and its projector. Text does not pass through them.
func sees(tensor string) bool {
	return strings.HasPrefix(tensor, "v.") || strings.HasPrefix(tensor, "mm.")
}

// Weights returns all the weights of the model as they are used: changing Data changes the model. It is meant for training
// all of them: from the first call on they are in memory as one float32 vector, and no longer rearranged for speed. It must
// not be called while the model is in use.
func (m *Model) Weights() *Params {
	if m.params.Data != nil {
		return m.params
	}
	all := m.params.ZeroLike()
	for _, t := range m.params.Tensors {
		if err := m.decode(t.Name, all.Tensor(t.Name)); err != nil {
			panic("lm: " + err.Error()) // each type was decoded once when the model was read
		}
	}
	m.params = all
	b := builder{m: m}
	b.build()
	return m.params
}

// decode stores the values of the file's tensor in dst.
func (m *Model) decode(name string, dst []float32) error {
	info, _ := m.file.Tensor(name)
	if err := gguf.Dequantize(dst, info.Type, m.file.Bytes(info)); err != nil {
		return fmt.Errorf("read tensor %s: %w", name, err)
	}
	return nil
}

// values returns the present values of a tensor, to be read only.
func (m *Model) values(name string) ([]float32, error) {
	if values := m.params.Tensor(name); values != nil {
		return values, nil
	}
	t := m.params.Tensors[m.params.index[name]]
	values := make([]float32, t.Rows*t.Cols)
	return values, m.decode(name, values)
}

// embedding stores the row of a token in dst, D values, as the first layer takes it.
func (m *Model) embedding(dst []float32, token int32) {
	if m.embed.w != nil {
		copy(dst, m.embed.w[int(token)*len(dst):])
	} else {
		info := m.embed.info
		row := len(m.file.Bytes(info)) / m.config.Vocab
		if err := gguf.Dequantize(dst, info.Type, m.file.Bytes(info)[int(token)*row:][:row]); err != nil {
			panic("lm: " + err.Error()) // a row was decoded when the model was read
		}
	}
	if m.config.EmbedScale != 1 {
		kernel.Scale(m.config.EmbedScale, dst)
	}
}

func (m *Model) linears() []*linear {
	all := []*linear{m.embed}
	if m.output != m.embed {
		all = append(all, m.output)
	}
	for i := range m.layers {
		all = append(all, m.layers[i].maps()...)
	}
	return all
}

// maps returns the linear maps of a layer, in the order of the adapter.
func (l *layer) maps() []*linear { return []*linear{l.q, l.k, l.v, l.o, l.gate, l.up, l.down} }

// builder finds the tensors that a model of this shape must have, and keeps the first error.
type builder struct {
	m   *Model
	err error
}

// shapes lists the tensors of a model: rows×columns by name. Tensors that may be absent are marked by negative rows.
func (c Config) shapes() map[string][2]int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	want := map[string][2]int{
		"token_embd.weight": {c.Vocab, c.Dim}, "output_norm.weight": {1, c.Dim},
		"rope_freqs.weight": {-1, c.RopeDim / 2},
	}
	if !c.Tied {
		want["output.weight"] = [2]int{c.Vocab, c.Dim}
	}
	own := c.parts.tensors(&c)
	for l := range c.Layers {
		for part, shape := range map[string][2]int{
			"attn_norm.weight": {1, c.Dim}, "ffn_norm.weight": {1, c.Dim},
			"attn_q.weight": {q, c.Dim}, "attn_k.weight": {kv, c.Dim}, "attn_v.weight": {kv, c.Dim}, "attn_output.weight": {c.Dim, q},
			"ffn_gate.weight": {c.FFN, c.Dim}, "ffn_up.weight": {c.FFN, c.Dim}, "ffn_down.weight": {c.Dim, c.FFN},
		} {
			want[fmt.Sprintf("blk.%d.%s", l, part)] = shape
		}
		for part, n := range own {
			shape := [2]int{1, n}
			if n < 0 {
				shape = [2]int{-1, -n}
			}
			want[fmt.Sprintf("blk.%d.%s", l, part)] = shape
		}
	}
	return want
}

// check compares the tensors of the file with those of the shape, before memory is taken for them.
func (b *builder) check(tensors []ParamTensor) {
	want := b.m.config.shapes()
	have := map[string]bool{}
	for _, t := range tensors {
		shape, known := want[t.Name]
		rows := max(shape[0], -shape[0])
		switch {
		case !known:
			b.fail("read model: tensor %s is not one of a %s model", t.Name, b.m.config.Arch)
		case t.Rows != rows || t.Cols != shape[1]:
			b.fail("read model: tensor %s is %d×%d, want %d×%d", t.Name, t.Rows, t.Cols, rows, shape[1])
		}
		have[t.Name] = true
	}
	for name, shape := range want {
		if shape[0] > 0 && !have[name] {
			b.fail("read model: no tensor %s", name)
		}
	}
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *builder) build() {
	m := b.m
	m.embed = b.linear("token_embd")
	m.output = m.embed
	if !m.config.Tied {
		m.output = b.linear("output")
	}
	m.outNorm = b.gains("output_norm.weight")
	m.layers = make([]layer, m.config.Layers)
	for i := range m.layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s", i, part) }
		m.layers[i] = layer{
			attnNorm: b.gains(name("attn_norm.weight")), ffnNorm: b.gains(name("ffn_norm.weight")),
			qNorm: b.gains(name("attn_q_norm.weight")), kNorm: b.gains(name("attn_k_norm.weight")),
			attnPost: b.gains(name("post_attention_norm.weight")), ffnPost: b.gains(name("post_ffw_norm.weight")),
			q: b.linear(name("attn_q")), k: b.linear(name("attn_k")), v: b.linear(name("attn_v")), o: b.linear(name("attn_output")),
			gate: b.linear(name("ffn_gate")), up: b.linear(name("ffn_up")), down: b.linear(name("ffn_down")),
			rope: &m.rope,
		}
		if !m.config.global(i) {
			m.layers[i].window = m.config.Window
			if m.config.LocalBase != 0 {
				m.layers[i].rope = &m.localRope
			}
		}
	}
}

// gains returns the weights of a norm; without values if there is none of that name.
func (b *builder) gains(name string) gains {
	w := b.vector(name)
	if w == nil {
		return gains{}
	}
	return gains{w, b.m.params.offset(name)}
}

// vector returns the values of a tensor, nil if there is none.
func (b *builder) vector(name string) []float32 {
	if _, ok := b.m.params.index[name]; !ok {
		return nil
	}
	values, err := b.m.values(name)
	if err != nil {
		b.fail("%w", err)
	}
	return values
}

func (b *builder) linear(name string) *linear {
	m := b.m
	t := m.params.Tensors[m.params.index[name+".weight"]]
	l := &linear{m: m, name: t.Name, out: t.Rows, in: t.Cols, w: m.params.Tensor(t.Name), at: t.Offset, bias: b.vector(name + ".bias")}
	l.info, _ = m.file.Tensor(t.Name)
	// The feed-forward maps, most of the weights, bear rounding well. With 8 bits in attention and
	// the output layer, SmolLM2's log-probs go half as far astray again on average, and twice as far at worst.
	l.fine = !strings.Contains(name, "ffn_")
	if l.bias != nil {
		l.biasAt = m.params.offset(name + ".bias")
	}
	b.probe(l)
	return l
}

// probe decodes the first row of a matrix, so that a type that cannot be read shows when the model is opened. The length of
// the tensor, and with it that of every other row, was checked when the file was.
func (b *builder) probe(l *linear) {
	data := b.m.file.Bytes(l.info)
	if err := gguf.Dequantize(make([]float32, l.in), l.info.Type, data[:len(data)/l.out]); err != nil {
		b.fail("read tensor %s: %w", l.name, err)
	}
}
