package lm

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

// layoutOf lays the tensors out one after another. There is no room for their values yet: Data is nil.
func layoutOf(tensors []ParamTensor) *Params {
	p := &Params{Tensors: tensors, index: make(map[string]int, len(tensors))}
	n := 0
	for i := range p.Tensors {
		p.Tensors[i].Offset = n
		n += p.Tensors[i].Rows * p.Tensors[i].Cols
		p.index[p.Tensors[i].Name] = i
	}
	return p
}

// size is the number of values.
func (p *Params) size() int {
	if len(p.Tensors) == 0 {
		return 0
	}
	last := p.Tensors[len(p.Tensors)-1]
	return last.Offset + last.Rows*last.Cols
}

// ZeroLike returns Params of the same tensors, all zero: room for a gradient.
func (p *Params) ZeroLike() *Params {
	return &Params{Tensors: p.Tensors, Data: make([]float32, p.size()), index: p.index}
}

// offset is where a tensor, which there must be, begins.
func (p *Params) offset(name string) int { return p.Tensors[p.index[name]].Offset }

// Tensor returns the values of a tensor, nil if there is none of that name. They are part of Data.
func (p *Params) Tensor(name string) []float32 {
	i, ok := p.index[name]
	if !ok || p.Data == nil {
		return nil
	}
	t := p.Tensors[i]
	return p.Data[t.Offset : t.Offset+t.Rows*t.Cols]
}
