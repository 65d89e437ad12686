package lm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumb/lm/gguf"
	"plumb/lm/safetensors"
)

// peftFolder is a folder that PEFT might have saved.
type peftFolder struct {
	config  map[string]any
	tensors []safetensors.Source
}

func (p peftFolder) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(p.config)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, p.tensors); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"adapter_config.json": config, "adapter_model.safetensors": b.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// goldenPEFT is tiny-lora.gguf as PEFT would have saved it, by the definition of the order of rows: row
// h·d + s·(d/2) + i of Hugging Face's q (4 heads) and k (2) is row h·d + 2i + s of the GGUF file, d = 16; A has no order.
func goldenPEFT(t testing.TB, m *Model) peftFolder {
	t.Helper()
	ad, err := m.ReadAdapter("testdata/tiny-lora.gguf")
	if err != nil {
		t.Fatal(err)
	}
	p := peftFolder{config: map[string]any{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none"}}
	theirs := map[string]string{"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
		"attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
	for layer := range 3 {
		for ours, module := range theirs {
			name := fmt.Sprintf("blk.%d.%s.weight", layer, ours)
			a, b := ad.Tensor(name+".lora_a"), slices.Clone(ad.Tensor(name+".lora_b"))
			if heads := map[string]int{"attn_q": 4, "attn_k": 2}[ours]; heads > 0 {
				const d = 16
				for h := range heads {
					for s := range 2 {
						for i := range d / 2 {
							copy(b[4*(h*d+s*(d/2)+i):][:4], ad.Tensor(name + ".lora_b")[4*(h*d+2*i+s):][:4])
						}
					}
				}
			}
			name = fmt.Sprintf("base_model.model.model.layers.%d.%s", layer, module)
			p.tensors = append(p.tensors, safetensors.Source{Name: name + ".lora_A.weight", Shape: []int{4, len(a) / 4}, Values: a},
				safetensors.Source{Name: name + ".lora_B.weight", Shape: []int{len(b) / 4, 4}, Values: b})
		}
	}
	return p
}

func TestPEFTEqualsGGUFAdapter(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	want, err := m.ReadAdapter("testdata/tiny-lora.gguf")
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ReadAdapter(goldenPEFT(t, m).write(t))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Data, want.Data) || got.Rank != 4 || got.Alpha != 8 || !slices.Equal(got.Tensors, want.Tensors) {
		t.Errorf("rank %d, alpha %v, %d tensors; the values are another's", got.Rank, got.Alpha, len(got.Tensors))
	}
}

// What is written is read back as it was, for a model whose rows are in another order and for one where they are not; and it is
// the folder that PEFT would have written.
func TestPEFTRoundTrip(t *testing.T) {
	for _, c := range []struct {
		model   string
		targets []string
		want    string // target_modules
	}{
		{"tiny-llama.gguf", nil, "[down_proj gate_proj k_proj o_proj q_proj up_proj v_proj]"},
		{"tiny-llama.gguf", []string{"attn_k", "ffn_down"}, "[down_proj k_proj]"},
		{"tiny-qwen2.gguf", []string{"attn_q", "attn_k"}, "[k_proj q_proj]"},
	} {
		m := open(t, c.model)
		ad, err := m.NewAdapter(LoRA{Rank: 3, Alpha: 7, Seed: 2, Targets: c.targets})
		if err != nil {
			t.Fatal(err)
		}
		for i := range ad.Data {
			ad.Data[i] += float32(i) / 1024
		}
		dir := filepath.Join(t.TempDir(), "out")
		if err := ad.WritePEFT(dir, m, "org/base"); err != nil {
			t.Fatal(err)
		}
		back, err := m.ReadPEFT(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(back.Data, ad.Data) || back.Rank != 3 || back.Alpha != 7 || !slices.Equal(back.Tensors, ad.Tensors) {
			t.Errorf("%s %v: another adapter came back", c.model, c.targets)
		}
		config, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Base    string   `json:"base_model_name_or_path"`
			Targets []string `json:"target_modules"`
		}
		if err := json.Unmarshal(config, &said); err != nil || said.Base != "org/base" || fmt.Sprint(said.Targets) != c.want {
			t.Errorf("%s, %v", config, err)
		}
		if err := ad.WritePEFT(dir, m, ""); err == nil {
			t.Error("a folder that is there was written over")
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if _, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors")); err != nil {
			t.Error(err)
		}
	}
	// A map in one layer alone has its full name.
	m := open(t, "tiny-llama.gguf")
	p := goldenPEFT(t, m)
	p.tensors = slices.DeleteFunc(p.tensors, func(s safetensors.Source) bool { return !strings.Contains(s.Name, "layers.1.self_attn.v_proj") })
	ad, err := m.ReadPEFT(p.write(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := ad.peftTargets(); !slices.Equal(got, []string{"model.layers.1.self_attn.v_proj"}) {
		t.Errorf("targets %v", got)
	}
}

// logprobOfSome is what an adapter makes of a fixed text.
func logprobOfSome(t testing.TB, m *Model, ad *Adapter) []float64 {
	p := forward(t, m, ad, false, Tree{[]int32{1, 5, 9, 30}, [][]int32{{40, 41, 42, 2, 99, 100}}})
	defer p.Release()
	return slices.Clone(p.Logprobs[0][0])
}

// Patterns and rank stabilization change scales and ranks as the configuration says: each case must do what the plain adapter
// with B multiplied by hand does.
func TestPEFTScales(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	for name, c := range map[string]struct {
		config map[string]any
		scale  func(module string) float64 // of B, relative to the golden adapter's
		cut    func(name string) int       // rows of A that are left, where not 4
	}{
		"rslora":        {config: map[string]any{"use_rslora": true, "lora_alpha": 4}, scale: func(string) float64 { return 1 }},
		"alpha pattern": {config: map[string]any{"alpha_pattern": map[string]any{"q_proj": 2, `layers\.1\.mlp\.(up|gate)_proj`: 24}}, scale: alphaPattern},
		"the first counts": {config: map[string]any{"alpha_pattern": json.RawMessage(`{"layers.0.self_attn.q_proj": 2, "q_proj": 32, "v_proj": 8}`)},
			scale: func(module string) float64 {
				switch {
				case module == "model.layers.0.self_attn.q_proj":
					return .25
				case strings.HasSuffix(module, "q_proj"):
					return 4
				}
				return 1
			}},
		"rank pattern": {config: map[string]any{"rank_pattern": map[string]any{"o_proj": 2}},
			scale: func(module string) float64 {
				if strings.HasSuffix(module, "o_proj") {
					return 2 // α/2, not α/4
				}
				return 1
			},
			cut: func(name string) int {
				if strings.Contains(name, "o_proj") {
					return 2
				}
				return 4
			}},
	} {
		p := goldenPEFT(t, m)
		for k, v := range c.config {
			p.config[k] = v
		}
		byHand := goldenPEFT(t, m)
		for i := range byHand.tensors {
			cutRank(&p.tensors[i], c.cut, false)
			cutRank(&byHand.tensors[i], c.cut, true)
			if module, ok := strings.CutSuffix(strings.TrimPrefix(byHand.tensors[i].Name, peftPrefix), ".lora_B.weight"); ok {
				values := slices.Clone(byHand.tensors[i].Values)
				for k := range values {
					values[k] *= float32(c.scale(module))
				}
				byHand.tensors[i].Values = values
			}
		}
		got, err := m.ReadPEFT(p.write(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := m.ReadPEFT(byHand.write(t))
		if err != nil {
			t.Fatal(name, err)
		}
		a, b := logprobOfSome(t, m, got), logprobOfSome(t, m, want)
		for i := range a {
			if math.Abs(a[i]-b[i]) > 1e-5 {
				t.Errorf("%s: log-prob %d is %v, by hand %v", name, i, a[i], b[i])
			}
		}
	}
}

func alphaPattern(module string) float64 {
	switch {
	case strings.HasSuffix(module, "q_proj"):
		return .25
	case module == "model.layers.1.mlp.up_proj" || module == "model.layers.1.mlp.gate_proj":
		return 3
	}
	return 1
}

// cutRank keeps the first n ranks of a tensor of rank 4, in a smaller tensor or with the others zero.
func cutRank(s *safetensors.Source, ranks func(string) int, zero bool) {
	if ranks == nil || ranks(s.Name) == 4 {
		return
	}
	n, isA := ranks(s.Name), strings.Contains(s.Name, "lora_A")
	rows, cols := s.Shape[0], s.Shape[1]
	var kept []float32
	for r := range rows {
		for k := range cols {
			inside := isA && r < n || !isA && k < n
			switch {
			case inside:
				kept = append(kept, s.Values[r*cols+k])
			case zero:
				kept = append(kept, 0)
			}
		}
	}
	s.Values = kept
	if !zero && isA {
		s.Shape = []int{n, cols}
	} else if !zero {
		s.Shape = []int{rows, n}
	}
}

// Half precision is read exactly: values that both types hold come back as they are.
func TestPEFTHalfPrecision(t *testing.T) {
	m := sketch{layers: 1}.open(t, 1)
	q := m.layers[0].q
	for dtype, bits := range map[string]uint16{"F16": 0x3e00, "BF16": 0x3fc0} { // 1.5
		header := fmt.Sprintf(`{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight":{"dtype":%q,"shape":[1,%d],"data_offsets":[0,%d]},`+
			`"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight":{"dtype":%q,"shape":[%d,1],"data_offsets":[%d,%d]}}`,
			dtype, q.in, 2*q.in, dtype, q.out, 2*q.in, 2*(q.in+q.out))
		b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		for range q.in + q.out {
			b = binary.LittleEndian.AppendUint16(b, bits)
		}
		f, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		ad, err := m.adapterFromPEFT(&peftConfig{Rank: 1, Alpha: 1}, f)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range ad.Data {
			if v != 1.5 {
				t.Fatalf("%s: value %d is %v", dtype, i, v)
			}
		}
	}
}

// What is not a plain LoRA of this model is refused, by name.
func TestPEFTRefuses(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	set := func(key string, value any) func(*peftFolder) {
		return func(p *peftFolder) { p.config[key] = value }
	}
	tensor := func(part string, change func(*safetensors.Source)) func(*peftFolder) {
		return func(p *peftFolder) {
			i := slices.IndexFunc(p.tensors, func(s safetensors.Source) bool { return strings.Contains(s.Name, part) })
			p.tensors[i].Values = slices.Clone(p.tensors[i].Values)
			change(&p.tensors[i])
		}
	}
	for name, c := range map[string]struct {
		change func(*peftFolder)
		want   string
	}{
		"other method":    {set("peft_type", "IA3"), "peft_type"},
		"DoRA":            {set("use_dora", true), "use_dora"},
		"modules":         {set("modules_to_save", []string{"lm_head"}), "modules_to_save"},
		"tokens":          {set("trainable_token_indices", []int{3}), "trainable_token_indices"},
		"bias":            {set("bias", "lora_only"), "bias"},
		"bias of B":       {set("lora_bias", true), "lora_bias"},
		"replication":     {set("layer_replication", [][]int{{0, 2}}), "layer_replication"},
		"transposed":      {set("fan_in_fan_out", true), "fan_in_fan_out"},
		"KaSA":            {set("kasa_config", map[string]any{"beta": 1}), "kasa_config"},
		"PiSSA":           {set("init_lora_weights", "pissa_niter_4"), "init_lora_weights"},
		"rank":            {set("r", 8), "rank of 8"},
		"no rank":         {set("r", 0), "r is 0"},
		"alpha":           {set("lora_alpha", 0), "lora_alpha"},
		"tiny alpha":      {set("lora_alpha", 1e-300), "scale"},
		"text":            {set("lora_alpha", "8"), "adapter_config.json"},
		"pattern":         {set("alpha_pattern", map[string]any{"lm_head": 8}), `alpha_pattern "lm_head"`},
		"rank of nothing": {set("rank_pattern", map[string]any{"layers.7.self_attn.q_proj": 8}), "rank_pattern"},
		"half a rank":     {set("rank_pattern", map[string]any{"q_proj": 2.5}), "rank_pattern"},
		"expression":      {set("alpha_pattern", map[string]any{"(?=q_proj)": 8}), "not understood"},
		"no expression":   {set("alpha_pattern", map[string]any{"q_proj": "8"}), "q_proj"},
		"not finite":      {tensor("q_proj.lora_A", func(s *safetensors.Source) { s.Values[3] = float32(math.NaN()) }), "value 3 is NaN"},
		"infinite":        {tensor("q_proj.lora_B", func(s *safetensors.Source) { s.Values[0] = float32(math.Inf(1)) }), "+Inf"},
		"other shape":     {tensor("v_proj.lora_B", func(s *safetensors.Source) { s.Shape = []int{4, 32} }), "want [32 4]"},
		"output layer":    {tensor("v_proj.lora_B", func(s *safetensors.Source) { s.Name = "base_model.model.lm_head.lora_A.weight" }), "half is missing"},
		"another layer": {func(p *peftFolder) {
			for i := range p.tensors {
				p.tensors[i].Name = strings.Replace(p.tensors[i].Name, "layers.2.", "layers.3.", 1)
			}
		}, "layers.3."},
		"nothing": {func(p *peftFolder) { p.tensors = nil }, "no tensors"},
	} {
		p := goldenPEFT(t, m)
		c.change(&p)
		if _, err := m.ReadPEFT(p.write(t)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := m.ReadPEFT(t.TempDir()); err == nil || !strings.Contains(err.Error(), "adapter_config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := open(t, "tiny-qwen2.gguf").ReadPEFT(goldenPEFT(t, m).write(t)); err != nil {
		t.Errorf("equal shapes, another architecture: %v; PEFT's names do not tell", err)
	}
}

// One map of a large rank beside small ones would be filled up to many times the file.
func TestPEFTRanksTooFarApart(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	p := goldenPEFT(t, m)
	p.config["r"] = 1
	p.config["rank_pattern"] = map[string]any{"layers.0.self_attn.q_proj": 64}
	for i := range p.tensors {
		s, rank := &p.tensors[i], 1
		if strings.Contains(s.Name, "layers.0.self_attn.q_proj") {
			rank = 64
		}
		axis := 0
		if strings.Contains(s.Name, "lora_B") {
			axis = 1
		}
		s.Shape[axis] = rank
		s.Values = make([]float32, s.Shape[0]*s.Shape[1])
	}
	if _, err := m.ReadPEFT(p.write(t)); err == nil || !strings.Contains(err.Error(), "filled up") {
		t.Errorf("%v", err)
	}
}

// Whatever the two files say, reading ends in an adapter that fits the model or in an error.
func FuzzPEFT(f *testing.F) {
	m := sketch{layers: 1}.open(f, 1)
	ad, err := m.NewAdapter(LoRA{Rank: 2, Targets: []string{"attn_q"}})
	if err != nil {
		f.Fatal(err)
	}
	dir := filepath.Join(f.TempDir(), "a")
	if err := ad.WritePEFT(dir, m, ""); err != nil {
		f.Fatal(err)
	}
	config, _ := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
	tensors, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(config, tensors)
	f.Add([]byte(`{"peft_type":"LORA","r":2,"lora_alpha":1,"alpha_pattern":{"q_proj":3}}`), tensors)
	f.Fuzz(func(t *testing.T, config, tensors []byte) {
		c, err := parsePEFTConfig(config)
		if err != nil {
			return
		}
		file, err := safetensors.Read(bytes.NewReader(tensors), int64(len(tensors)))
		if err != nil {
			return
		}
		if ad, err := m.adapterFromPEFT(c, file); err == nil {
			p := forward(t, m, ad, true, Tree{[]int32{0}, [][]int32{{0}}})
			p.Backward([][][]float64{{{1}}}, ad.ZeroLike())
			p.Release()
		}
	})
}

// An adapter in PEFT's form merges as the same one in a GGUF file does.
func TestMergePEFT(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	dir := goldenPEFT(t, m).write(t)
	var digests []string
	for _, path := range []string{dir, "testdata/tiny-lora.gguf"} {
		ad, err := m.ReadAdapter(path)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := (Merge{Adapter: ad, Type: gguf.F16}).Write(m, filepath.Join(t.TempDir(), "m.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("merged to %s, the GGUF adapter to %s", digests[0], digests[1])
	}
}
