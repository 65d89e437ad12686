package lm

import (
	"fmt"

	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// Params is a set of named tensors in one flat slice, so that an optimizer sees a vector: the low-rank matrices of an
// adapter, or all the weights of a model.
type Params struct {
	Tensors []ParamTensor
	Data    []float32
	index   map[string]int
}

// ParamTensor says where a tensor lies in Params.Data: Rows×Cols values from Offset. A vector has one row.
type ParamTensor struct {
	Name       string
	Rows, Cols int
	Offset     int
}

func newParams(tensors []ParamTensor) *Params {
	p := &Params{Tensors: tensors, index: make(map[string]int, len(tensors))}
	n := 0
	for i := range p.Tensors {
		p.Tensors[i].Offset = n
		n += p.Tensors[i].Rows * p.Tensors[i].Cols
		p.index[p.Tensors[i].Name] = i
	}
	p.Data = make([]float32, n)
	return p
}

// ZeroLike returns Params of the same tensors, all zero: room for a gradient.
func (p *Params) ZeroLike() *Params {
	return &Params{Tensors: p.Tensors, Data: make([]float32, len(p.Data)), index: p.index}
}

// Tensor returns the values of a tensor, nil if there is none of that name. They are part of Data.
func (p *Params) Tensor(name string) []float32 {
	i, ok := p.index[name]
	if !ok {
		return nil
	}
	t := p.Tensors[i]
	return p.Data[t.Offset : t.Offset+t.Rows*t.Cols]
}

// Weights returns all the weights of the model as they are used: changing Data changes the model. It is meant for
// training from scratch; after the first call the weights are no longer rearranged for speed. It must not be called while
// the model is in use.
func (m *Model) Weights() *Params {
	for _, l := range m.linears() {
		l.mutable, l.packed = true, nil
	}
	return m.params
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

// readWeights decodes every tensor into one slice, and points the model's parts into it.
func (m *Model) readWeights() error {
	var tensors []ParamTensor
	for _, t := range m.file.Tensors() {
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
	m.params = newParams(tensors)
	if err := m.decode(); err != nil {
		return err
	}
	b.build()
	return b.err
}

func (m *Model) decode() error {
	infos := m.file.Tensors()
	failed := make([]error, len(infos))
	kernel.Parallel(len(infos), func(i int) {
		failed[i] = gguf.Dequantize(m.params.Tensor(infos[i].Name), infos[i].Type, m.file.Bytes(infos[i]))
	})
	for i, err := range failed {
		if err != nil {
			return fmt.Errorf("read tensor %s: %w", infos[i].Name, err)
		}
	}
	return nil
}

// builder finds the tensors that a model of this shape must have, and keeps the first error.
type builder struct {
	m    *Model
	want map[string][2]int // rows, columns of each tensor the model uses
	err  error
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
	bias := -1 // qwen2 has biases, llama may
	if c.Arch == "qwen2" {
		bias = 1
	}
	for l := range c.Layers {
		for part, shape := range map[string][2]int{
			"attn_norm.weight": {1, c.Dim}, "ffn_norm.weight": {1, c.Dim},
			"attn_q.weight": {q, c.Dim}, "attn_k.weight": {kv, c.Dim}, "attn_v.weight": {kv, c.Dim}, "attn_output.weight": {c.Dim, q},
			"attn_q.bias": {bias, q}, "attn_k.bias": {bias, kv}, "attn_v.bias": {bias, kv},
			"ffn_gate.weight": {c.FFN, c.Dim}, "ffn_up.weight": {c.FFN, c.Dim}, "ffn_down.weight": {c.Dim, c.FFN},
		} {
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
	m.outNorm = m.params.Tensor("output_norm.weight")
	m.layers = make([]layer, m.config.Layers)
	for i := range m.layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s", i, part) }
		m.layers[i] = layer{
			attnNorm: m.params.Tensor(name("attn_norm.weight")), ffnNorm: m.params.Tensor(name("ffn_norm.weight")),
			attnNormAt: b.offset(name("attn_norm.weight")), ffnNormAt: b.offset(name("ffn_norm.weight")),
			q: b.linear(name("attn_q")), k: b.linear(name("attn_k")), v: b.linear(name("attn_v")), o: b.linear(name("attn_output")),
			gate: b.linear(name("ffn_gate")), up: b.linear(name("ffn_up")), down: b.linear(name("ffn_down")),
		}
	}
}

func (b *builder) offset(name string) int {
	return b.m.params.Tensors[b.m.params.index[name]].Offset
}

func (b *builder) linear(name string) *linear {
	t := b.m.params.Tensors[b.m.params.index[name+".weight"]]
	l := &linear{name: t.Name, out: t.Rows, in: t.Cols, w: b.m.params.Tensor(t.Name), at: t.Offset}
	if bias := b.m.params.Tensor(name + ".bias"); bias != nil {
		l.bias, l.biasAt = bias, b.offset(name+".bias")
	}
	return l
}
