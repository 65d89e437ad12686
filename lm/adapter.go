package lm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/lm/gguf"
)

// LoRA says how a low-rank adapter is made: W' = W + (Alpha/Rank)·B·A (Hu et al. 2021, https://arxiv.org/abs/2106.09685).
type LoRA struct {
	Rank    int      // columns of B; 16 if 0
	Alpha   float64  // scale times Rank; 16 if 0
	Seed    int64    // of A
	Targets []string // which maps of each layer, of attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down; all if empty
}

// mapNames are the names of a layer's linear maps, in the order of layer.maps.
var mapNames = [7]string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}

// Adapter is a trained addition to the linear maps of a model. With B = 0, as it is made, it changes nothing. Its Params
// hold A (Rank×in) and B (out×Rank) of each map, named as in a GGUF adapter file: "blk.0.attn_q.weight.lora_a".
type Adapter struct {
	*Params
	LoRA
	dim    int
	layers [][7]*pair
}

// NewAdapter makes an adapter for the model: A uniform in ±1/√in, as PEFT draws it (Kaiming with a = √5), B zero.
func (m *Model) NewAdapter(l LoRA) (*Adapter, error) {
	if l.Rank == 0 {
		l.Rank = 16
	}
	if l.Alpha == 0 {
		l.Alpha = 16
	}
	if l.Rank < 0 || l.Rank > m.config.Dim || !(l.Alpha > 0) || math.IsInf(l.Alpha, 0) {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("make adapter: rank %d, alpha %g; allowed are ranks 1 to %d and alpha > 0", l.Rank, l.Alpha, m.config.Dim)}
	}
	for _, t := range l.Targets {
		if !slices.Contains(mapNames[:], t) {
			return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("make adapter: target %q; allowed are %s", t, strings.Join(mapNames[:], ", "))}
		}
	}
	ad := m.emptyAdapter(l, func(linear *linear) bool {
		return len(l.Targets) == 0 || slices.ContainsFunc(l.Targets, func(t string) bool { return strings.Contains(linear.name, t) })
	})
	r := rand.New(rand.NewPCG(uint64(l.Seed), 0x6c6f7261))
	for _, t := range ad.Tensors {
		if strings.HasSuffix(t.Name, ".lora_a") {
			bound := 1 / math.Sqrt(float64(t.Cols))
			for i := range t.Rows * t.Cols {
				ad.Data[t.Offset+i] = float32(bound * (2*r.Float64() - 1))
			}
		}
	}
	return ad, nil
}

// emptyAdapter makes an adapter of zeros for the maps that has chooses.
func (m *Model) emptyAdapter(l LoRA, has func(*linear) bool) *Adapter {
	var tensors []ParamTensor
	for i := range m.layers {
		for _, w := range m.layers[i].maps() {
			if has(w) {
				tensors = append(tensors, ParamTensor{Name: w.name + ".lora_a", Rows: l.Rank, Cols: w.in},
					ParamTensor{Name: w.name + ".lora_b", Rows: w.out, Cols: l.Rank})
			}
		}
	}
	ad := &Adapter{Params: layoutOf(tensors).ZeroLike(), LoRA: l, dim: m.config.Dim, layers: make([][7]*pair, len(m.layers))}
	for i := range m.layers {
		for j, w := range m.layers[i].maps() {
			if has(w) {
				a, b := ad.index[w.name+".lora_a"], ad.index[w.name+".lora_b"]
				ad.layers[i][j] = &pair{
					a: ad.Tensor(w.name + ".lora_a"), b: ad.Tensor(w.name + ".lora_b"),
					aAt: ad.Tensors[a].Offset, bAt: ad.Tensors[b].Offset,
					rank: l.Rank, scale: float32(l.Alpha / float64(l.Rank)),
				}
			}
		}
	}
	return ad
}

// Clone returns an adapter with the same values, which it does not share.
func (ad *Adapter) Clone() *Adapter {
	c := &Adapter{Params: ad.ZeroLike(), LoRA: ad.LoRA, dim: ad.dim, layers: make([][7]*pair, len(ad.layers))}
	copy(c.Data, ad.Data)
	for i := range ad.layers {
		for j, p := range ad.layers[i] {
			if p == nil {
				continue
			}
			q := *p
			q.a, q.b = c.Data[p.aAt:p.aAt+len(p.a)], c.Data[p.bAt:p.bAt+len(p.b)]
			c.layers[i][j] = &q
		}
	}
	return c
}

// layer returns the pairs of a layer; all nil for no adapter.
func (ad *Adapter) layer(i int) *[7]*pair {
	if ad == nil {
		return &[7]*pair{}
	}
	return &ad.layers[i]
}

// WriteFile writes the adapter as a GGUF adapter file in float32, whole or not at all, for a base of this architecture.
// Extra pairs are added to the file's keys.
func (ad *Adapter) WriteFile(path string, m *Model, extra ...gguf.Pair) error {
	kv := append([]gguf.Pair{
		{Key: "general.type", Value: "adapter"},
		{Key: "general.architecture", Value: m.config.Arch},
		{Key: "adapter.type", Value: "lora"},
		{Key: "adapter.lora.alpha", Value: float32(ad.Alpha)},
	}, extra...)
	var tensors []gguf.TensorSource
	for _, t := range ad.Tensors {
		tensors = append(tensors, gguf.Encoded(t.Name, gguf.F32, []uint64{uint64(t.Cols), uint64(t.Rows)}, ad.Tensor(t.Name)))
	}
	if _, err := gguf.WriteFile(path, kv, tensors); err != nil {
		return fmt.Errorf("write adapter: %w", err)
	}
	return nil
}

// ReadAdapter reads a GGUF adapter file made for this model. It is refused if it is of another architecture, if a tensor is
// of another shape or lacks its other half, or if the ranks differ.
func (m *Model) ReadAdapter(path string) (*Adapter, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read adapter: %w", err)
	}
	defer f.Close()
	ad, err := m.adapterFrom(f)
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", path, err)
	}
	return ad, nil
}

func (m *Model) adapterFrom(f *gguf.File) (*Adapter, error) {
	if kind, _ := f.String("adapter.type"); kind != "lora" {
		return nil, fmt.Errorf("adapter.type is %q, want lora", kind)
	}
	if arch, _ := f.String("general.architecture"); arch != m.config.Arch {
		return nil, fmt.Errorf("made for architecture %q, the model is %q", arch, m.config.Arch)
	}
	alpha, _ := f.Float("adapter.lora.alpha")
	rank := 0
	for _, t := range f.Tensors() {
		if strings.HasSuffix(t.Name, ".lora_a") && len(t.Dims) == 2 && t.Dims[1] <= uint64(m.config.Dim) {
			rank = int(t.Dims[1])
			break
		}
	}
	if rank == 0 {
		return nil, fmt.Errorf("no tensor .lora_a of a rank up to %d", m.config.Dim)
	}
	if alpha == 0 {
		alpha = float64(rank) // llama.cpp: without alpha the scale is 1
	}
	ad := m.emptyAdapter(LoRA{Rank: rank, Alpha: alpha}, func(l *linear) bool {
		_, ok := f.Tensor(l.name + ".lora_a")
		return ok
	})
	if len(f.Tensors()) != len(ad.Tensors) {
		return nil, fmt.Errorf("%d tensors, of which the model knows %d", len(f.Tensors()), len(ad.Tensors))
	}
	for _, t := range ad.Tensors {
		info, ok := f.Tensor(t.Name)
		if !ok || len(info.Dims) != 2 || info.Dims[0] != uint64(t.Cols) || info.Dims[1] != uint64(t.Rows) {
			return nil, fmt.Errorf("tensor %s: got %v, want %d×%d", t.Name, info.Dims, t.Rows, t.Cols)
		}
		if err := gguf.Dequantize(ad.Tensor(t.Name), info.Type, f.Bytes(info)); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	return ad, nil
}
