package lm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plumb/lm/gguf"
	"plumb/lm/safetensors"
)

// Files of a PEFT folder.
const (
	peftConfigFile  = "adapter_config.json"
	peftTensorsFile = "adapter_model.safetensors"
	maxPEFTConfig   = 4 << 20
)

// peftModules are PEFT's names of a layer's linear maps, in the order of layer.maps.
var peftModules = [7]string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}

// peftPrefix stands before the name of a module of a causal language model in PEFT's files.
const peftPrefix = "base_model.model."

func peftModule(layer, i int) string { return fmt.Sprintf("model.layers.%d.%s", layer, peftModules[i]) }

// ReadPEFT reads a LoRA that Hugging Face's PEFT saved in a folder, adapter_config.json and adapter_model.safetensors, in
// float32, float16 or bfloat16. The rows of B of q and k are put in the order that the model's file has them in. use_rslora,
// rank_pattern and alpha_pattern are honoured: the ranks are filled up to the largest with zeros, and where scales differ they
// are multiplied into B. What is more than a low-rank addition to linear maps (DoRA, biases, modules saved whole) is refused by
// name, and so is a file whose shapes are not the model's: nothing is allocated before they are checked.
func (m *Model) ReadPEFT(dir string) (*Adapter, error) {
	config, err := readPEFTConfig(filepath.Join(dir, peftConfigFile))
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", dir, err)
	}
	f, err := safetensors.Open(filepath.Join(dir, peftTensorsFile))
	if err != nil {
		return nil, fmt.Errorf("read adapter: %w", err)
	}
	defer f.Close()
	ad, err := m.adapterFromPEFT(config, f)
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", dir, err)
	}
	return ad, nil
}

func readPEFTConfig(path string) (*peftConfig, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxPEFTConfig+1))
	if err == nil && len(b) > maxPEFTConfig {
		err = fmt.Errorf("%s is longer than %d bytes", peftConfigFile, maxPEFTConfig)
	}
	if err != nil {
		return nil, err
	}
	return parsePEFTConfig(b)
}

// peftMap is what a file adds to one linear map.
type peftMap struct {
	layer, i int
	a, b     safetensors.Tensor // rank×in, out×rank
	rank     int
	scale    float64
}

// adapterFromPEFT makes an adapter of a file's tensors. One rank and one alpha stand for all its maps: the largest rank, and the
// alpha that gives the configuration's own scale.
func (m *Model) adapterFromPEFT(c *peftConfig, f *safetensors.File) (*Adapter, error) {
	if err := m.peftOrder(); err != nil {
		return nil, err
	}
	found, err := m.peftMaps(c, f)
	if err != nil {
		return nil, err
	}
	rank, values, filled := 0, 0, 0
	for _, p := range found {
		rank = max(rank, p.rank)
	}
	for _, p := range found {
		l := m.layers[p.layer].maps()[p.i]
		values += p.rank * (l.in + l.out)
		filled += rank * (l.in + l.out)
	}
	if filled/8 > values {
		return nil, fmt.Errorf("ranks of up to %d beside much smaller ones: filled up they would be %d values, the file has %d", rank, filled, values)
	}
	base := c.scale(c.Alpha, c.Rank)
	lora := LoRA{Rank: rank, Alpha: base * float64(rank)}
	if rank == c.Rank && !c.RankStabilized {
		lora.Alpha = c.Alpha // not divided and multiplied again
	}
	if scale := float32(lora.Alpha / float64(rank)); !(scale > 0) || math.IsInf(float64(scale), 0) {
		return nil, fmt.Errorf("lora_alpha %g and r %d make a scale of %g", c.Alpha, c.Rank, scale)
	}
	named := map[string]bool{}
	for _, p := range found {
		named[m.layers[p.layer].maps()[p.i].name] = true
	}
	ad := m.emptyAdapter(lora, func(l *linear) bool { return named[l.name] })
	for _, p := range found {
		if err := m.fillFromPEFT(ad, p, f, base); err != nil {
			return nil, err
		}
	}
	return ad, nil
}

// peftMaps finds the pairs of a file and checks them against the model and the configuration. Every tensor must be half of one.
func (m *Model) peftMaps(c *peftConfig, f *safetensors.File) (found []peftMap, err error) {
	known := map[string]bool{}
	for layer := range m.layers {
		for i, l := range m.layers[layer].maps() {
			module := peftModule(layer, i)
			nameA, nameB := peftPrefix+module+".lora_A.weight", peftPrefix+module+".lora_B.weight"
			a, okA := f.Tensor(nameA)
			b, okB := f.Tensor(nameB)
			known[nameA], known[nameB] = true, true
			if !okA && !okB {
				continue
			}
			if !okA || !okB {
				return nil, fmt.Errorf("of %s one half is missing", module)
			}
			p := peftMap{layer: layer, i: i, a: a, b: b}
			p.rank, p.scale = c.of(module)
			if err := p.check(l); err != nil {
				return nil, err
			}
			found = append(found, p)
		}
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return nil, fmt.Errorf("tensor %.120q: this model of %d layers has no such linear map; allowed are lora_A and lora_B of self_attn.{q,k,v,o}_proj and mlp.{gate,up,down}_proj", t.Name, len(m.layers))
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the file has no tensors")
	}
	return found, c.used()
}

// check compares type and shape of both halves with the map and the rank that the configuration says.
func (p peftMap) check(l *linear) error {
	for _, half := range []struct {
		t          safetensors.Tensor
		rows, cols int
	}{{p.a, p.rank, l.in}, {p.b, l.out, p.rank}} {
		t := half.t
		if _, ok := peftTypes[t.DType]; !ok {
			return fmt.Errorf("tensor %s is %s; want F32, F16 or BF16", t.Name, t.DType)
		}
		if len(t.Shape) != 2 || t.Shape[0] != half.rows || t.Shape[1] != half.cols {
			return fmt.Errorf("tensor %s is %v, want [%d %d]: a rank of %d for a map from %d to %d", t.Name, t.Shape, half.rows, half.cols, p.rank, l.in, l.out)
		}
	}
	if p.rank > min(l.in, l.out) {
		return fmt.Errorf("%s: a rank of %d is more than a map from %d to %d has", peftModule(p.layer, p.i), p.rank, l.in, l.out)
	}
	return nil
}

// peftTypes are the types that are read.
var peftTypes = map[string]gguf.Type{"F32": gguf.F32, "F16": gguf.F16, "BF16": gguf.BF16}

// fillFromPEFT copies one map into the adapter, whose scale is base.
func (m *Model) fillFromPEFT(ad *Adapter, p peftMap, f *safetensors.File, base float64) error {
	pair, l := ad.layers[p.layer][p.i], m.layers[p.layer].maps()[p.i]
	a, err := peftValues(f, p.a)
	if err != nil {
		return err
	}
	copy(pair.a, a) // the first rows; what is left of them stays zero
	b, err := peftValues(f, p.b)
	if err != nil {
		return err
	}
	factor := float32(p.scale / base)
	if !(factor > 0) || math.IsInf(float64(factor), 0) {
		return fmt.Errorf("%s: a scale of %g beside one of %g", peftModule(p.layer, p.i), p.scale, base)
	}
	for row := range l.out {
		from := b[m.peftRow(p.i, row)*p.rank:][:p.rank]
		for k, v := range from {
			if v *= factor; math.IsInf(float64(v), 0) {
				return fmt.Errorf("tensor %s: value %g times a scale of %g is not finite", p.b.Name, from[k], factor)
			}
			pair.b[row*pair.rank+k] = v
		}
	}
	return nil
}

// peftValues decodes a tensor. What is not a number comes of a training that diverged, and is refused.
func peftValues(f *safetensors.File, t safetensors.Tensor) ([]float32, error) {
	b, err := f.Bytes(t)
	if err != nil {
		return nil, err
	}
	values := make([]float32, t.Shape[0]*t.Shape[1])
	if err := gguf.Dequantize(values, peftTypes[t.DType], b); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("tensor %s: value %d is %v", t.Name, i, v)
		}
	}
	return values, nil
}

// peftRow returns where a row of map i stands in Hugging Face's order. Files of some families have the rows of q and k
// so that rotary pairs are neighbours: row h·S+2j+s is theirs h·S+s·S/2+j, for head h, half s, j < S/2. All else is as it is.
func (m *Model) peftRow(i, row int) int {
	if m.config.parts.halves || i > 1 {
		return row
	}
	size := m.config.HeadDim
	head, within := row/size, row%size
	return head*size + within%2*(size/2) + within/2
}

// peftOrder fails where the heads have no halves.
func (m *Model) peftOrder() error {
	if !m.config.parts.halves && m.config.HeadDim%2 != 0 {
		return fmt.Errorf("heads of %d values, an odd number, have no rotary halves", m.config.HeadDim)
	}
	return nil
}

// PEFTTargets returns PEFT's names of linear maps, "q_proj" for "attn_q", as its target_modules has them; of all where none is
// named. A name that is no map's is left out.
func PEFTTargets(targets []string) []string {
	var names []string
	for i, module := range peftModules {
		if len(targets) == 0 || slices.Contains(targets, mapNames[i]) {
			names = append(names, module[strings.IndexByte(module, '.')+1:])
		}
	}
	return names
}
