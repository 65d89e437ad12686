package lm

import (
	"fmt"
	"io"
	"slices"

	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// Merge writes the model with an adapter's addition merged into its weights, W' = W + (alpha/rank)·B·A in float32, as a
// whole GGUF file: all keys in their order, then extra ones (a key that is there already is replaced), and with an adapter
// plumb.base, the digest of the file it was added to. A nil adapter writes the model anew in another type.
type Merge struct {
	Adapter *Adapter
	// Type is one that [gguf.Type.Writable] allows, for every matrix (vectors stay float32; a matrix whose rows are no whole
	// blocks is F16). Keep leaves tensors that the adapter does not
	// touch byte for byte as they are and writes the others as F16: the smallest change. What sees pictures stays as it is always.
	Type  gguf.Type
	Keep  bool
	Extra []gguf.Pair
}

// Write writes the file at path, whole or not at all, and returns its digest. Memory: one tensor at a time.
func (g Merge) Write(m *Model, path string) (digest string, err error) {
	if !g.Keep && !g.Type.Writable() {
		return "", fmt.Errorf("merge: type %v; it cannot be written", g.Type)
	}
	touched := m.touched(g.Adapter)
	var tensors []gguf.TensorSource
	for _, info := range m.file.Tensors() {
		t := g.target(info, touched[info.Name] != nil)
		if sees(info.Name) || t == info.Type && touched[info.Name] == nil && !m.changed() {
			tensors = append(tensors, m.file.Source(info))
			continue
		}
		low, l := touched[info.Name], m.linearNamed(info.Name)
		tensors = append(tensors, gguf.TensorSource{
			Name: info.Name, Type: t, Dims: info.Dims,
			Write: func(w io.Writer) error {
				values, err := m.values(info.Name)
				if err != nil {
					return err
				}
				if low != nil {
					values = low.merged(l, values)
				}
				return gguf.Encoded(info.Name, t, info.Dims, values).Write(w)
			},
		})
	}
	digest, err = gguf.WriteFile(path, g.keys(m), tensors)
	if err != nil {
		return "", fmt.Errorf("merge: %w", err)
	}
	return digest, nil
}

// target returns the type in which a tensor is written.
func (g Merge) target(info gguf.TensorInfo, touched bool) gguf.Type {
	switch {
	case g.Keep && !touched:
		return info.Type
	case g.Keep && info.Type == gguf.F32:
		return gguf.F32
	case g.Keep:
		return gguf.F16
	case len(info.Dims) < 2:
		return gguf.F32
	case info.Dims[0]%uint64(g.Type.BlockSize()) != 0:
		return gguf.F16 // rows that are not whole blocks
	}
	return g.Type
}

// keys returns the file's pairs with the extra ones, and general.file_type as the tensors now are.
func (g Merge) keys(m *Model) []gguf.Pair {
	kv := append([]gguf.Pair{}, m.file.KV()...)
	set := func(key string, value any) {
		at := slices.IndexFunc(kv, func(p gguf.Pair) bool { return p.Key == key })
		if at < 0 {
			kv = append(kv, gguf.Pair{Key: key, Value: value})
			return
		}
		kv[at].Value = value
	}
	if g.Adapter != nil {
		set("plumb.base", m.Digest())
	}
	for _, e := range g.Extra {
		set(e.Key, e.Value)
	}
	if number, ok := fileTypes[g.Type]; ok && !g.Keep {
		set("general.file_type", number)
	}
	if g.Type.BlockSize() > 1 && !g.Keep {
		set("general.quantization_version", uint32(2)) // of the layout of ggml's blocks
	}
	return kv
}

// fileTypes are llama.cpp's numbers for files mostly of one type.
var fileTypes = map[gguf.Type]uint32{
	gguf.F32: 0, gguf.F16: 1, gguf.BF16: 32, gguf.Q8_0: 7, gguf.Q5_0: 8, gguf.Q5_1: 9, gguf.Q4_0: 2, gguf.Q4_1: 3,
}

// touched returns the adapter's pairs by the name of the tensor they add to.
func (m *Model) touched(ad *Adapter) map[string]*pair {
	pairs := map[string]*pair{}
	if ad == nil {
		return pairs
	}
	for i := range m.layers {
		for j, l := range m.layers[i].maps() {
			if low := ad.layers[i][j]; low != nil {
				pairs[l.name] = low
			}
		}
	}
	return pairs
}

func (m *Model) linearNamed(name string) *linear {
	for _, l := range m.linears() {
		if l.name == name {
			return l
		}
	}
	return nil
}

// changed tells whether the weights may no longer be those of the file.
func (m *Model) changed() bool { return m.params.Data != nil }

// merged returns W + scale·B·A, out×in, for the values of W.
func (p *pair) merged(l *linear, values []float32) []float32 {
	w := slices.Clone(values)
	kernel.Gemm(false, false, l.out, l.in, p.rank, p.scale, p.b, p.rank, p.a, l.in, 1, w, l.in)
	return w
}
