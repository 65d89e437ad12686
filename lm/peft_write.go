package lm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plumb/lm/safetensors"
)

// peftOut is the adapter_config.json that is written: all that PEFT needs to load the adapter.
type peftOut struct {
	Type    string   `json:"peft_type"`
	Task    string   `json:"task_type"`
	Base    *string  `json:"base_model_name_or_path"`
	Rank    int      `json:"r"`
	Alpha   float64  `json:"lora_alpha"`
	Dropout float64  `json:"lora_dropout"`
	Targets []string `json:"target_modules"`
	Bias    string   `json:"bias"`
	FanIn   bool     `json:"fan_in_fan_out"`
	RSLoRA  bool     `json:"use_rslora"`
	DoRA    bool     `json:"use_dora"`
	Init    bool     `json:"init_lora_weights"`
	Infer   bool     `json:"inference_mode"`
	Modules []string `json:"modules_to_save"`
}

// WritePEFT writes the adapter, which is for m, as a folder that Hugging Face's PEFT reads, in float32: what ReadPEFT makes of
// it is the same adapter. Base is the name or path of the base model in the configuration; "" leaves it out, and whoever loads
// the adapter names it. The folder appears whole or not at all; one that is there already, and not empty, is an error.
func (ad *Adapter) WritePEFT(dir string, m *Model, base string) (err error) {
	if err := m.peftOrder(); err != nil {
		return fmt.Errorf("write adapter: %w", err)
	}
	dir = filepath.Clean(dir)
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*")
	if err != nil {
		return fmt.Errorf("write adapter: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temp)
		}
	}()
	config, err := json.MarshalIndent(ad.peftConfig(base), "", "  ")
	if err != nil {
		return fmt.Errorf("write adapter: %w", err)
	}
	err = errors.Join(
		os.Chmod(temp, 0o755),
		writeSynced(filepath.Join(temp, peftConfigFile), func(w io.Writer) error {
			_, err := w.Write(append(config, '\n'))
			return err
		}),
		writeSynced(filepath.Join(temp, peftTensorsFile), func(w io.Writer) error {
			return safetensors.Write(w, map[string]string{"format": "pt"}, ad.peftTensors(m))
		}),
	)
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	return nil
}

func writeSynced(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Sync(), file.Close())
}

func (ad *Adapter) peftConfig(base string) peftOut {
	out := peftOut{Type: "LORA", Task: "CAUSAL_LM", Rank: ad.Rank, Alpha: ad.Alpha, Targets: ad.peftTargets(), Bias: "none", Init: true, Infer: true}
	if base != "" {
		out.Base = &base
	}
	return out
}

// peftTargets names the maps that the adapter adds to: once for all layers where all have the same, else each by its full name.
func (ad *Adapter) peftTargets() []string {
	var short, full []string
	for i, module := range peftModules {
		in := 0
		for layer := range ad.layers {
			if ad.layers[layer][i] != nil {
				in++
				full = append(full, peftModule(layer, i))
			}
		}
		if in == len(ad.layers) {
			short = append(short, module[strings.IndexByte(module, '.')+1:])
		}
	}
	if len(short)*len(ad.layers) == len(full) {
		slices.Sort(short)
		return short
	}
	slices.Sort(full)
	return full
}

// peftTensors returns the adapter's matrices under PEFT's names and in its order of rows.
func (ad *Adapter) peftTensors(m *Model) (out []safetensors.Source) {
	for layer := range ad.layers {
		for i, p := range ad.layers[layer] {
			if p == nil {
				continue
			}
			l, name := m.layers[layer].maps()[i], peftPrefix+peftModule(layer, i)
			b := make([]float32, l.out*p.rank)
			for row := range l.out {
				copy(b[m.peftRow(i, row)*p.rank:], p.b[row*p.rank:(row+1)*p.rank])
			}
			out = append(out,
				safetensors.Source{Name: name + ".lora_A.weight", Shape: []int{p.rank, l.in}, Values: p.a},
				safetensors.Source{Name: name + ".lora_B.weight", Shape: []int{l.out, p.rank}, Values: b})
		}
	}
	return out
}
