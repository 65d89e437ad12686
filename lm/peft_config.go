package lm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// peftConfig is what adapter_config.json says of how a LoRA is added, in PEFT's words.
type peftConfig struct {
	Type           string      `json:"peft_type"`
	Rank           int         `json:"r"`
	Alpha          float64     `json:"lora_alpha"`
	RankStabilized bool        `json:"use_rslora"` // α/√r, not α/r (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732)
	RankPattern    peftPattern `json:"rank_pattern"`
	AlphaPattern   peftPattern `json:"alpha_pattern"`
	Bias           string      `json:"bias"`
	Init           any         `json:"init_lora_weights"`
}

// peftRefused are settings that add something else than a low-rank matrix to a linear map, and what.
var peftRefused = map[string]string{
	"use_dora":                "DoRA scales the rows of the weights themselves",
	"use_qalora":              "QA-LoRA pools the inputs",
	"lora_bias":               "B has a bias",
	"modules_to_save":         "whole modules were trained beside the adapter",
	"trainable_token_indices": "rows of the embedding were trained beside the adapter",
	"target_parameters":       "parameters that are no linear map were trained",
	"layer_replication":       "layers are repeated",
	"fan_in_fan_out":          "the weights are stored transposed",
	"arrow_config":            "several adapters are routed between",
	"alora_invocation_tokens": "the adapter begins in the middle of the text",
	"use_bdlora":              "A or B is block-diagonal",
	"kasa_config":             "the base's own weights are cut",
	"monteclora_config":       "the matrices are drawn at random",
}

// peftInits are the ways to begin that leave the base's own weights alone; the others (pissa, olora, loftq, corda, …) take a
// part out of them, which the adapter alone cannot tell.
var peftInits = []string{"gaussian", "eva", "orthogonal"}

// parsePEFTConfig reads adapter_config.json. What cannot be honoured is refused by its name.
func parsePEFTConfig(b []byte) (*peftConfig, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("adapter_config.json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(peftRefused)) {
		if value := all[name]; !inert(value) {
			return nil, fmt.Errorf("adapter_config.json: %s is %.40s: %s, which a low-rank addition cannot say", name, value, peftRefused[name])
		}
	}
	c := &peftConfig{Rank: 8, Alpha: 8, Bias: "none"} // PEFT's defaults
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("adapter_config.json: %w", err)
	}
	return c, c.check()
}

func (c *peftConfig) check() error {
	switch init, named := c.Init.(string); {
	case c.Type != "LORA":
		return fmt.Errorf("adapter_config.json: peft_type is %.40q, want LORA", c.Type)
	case c.Bias != "none" && c.Bias != "":
		return fmt.Errorf("adapter_config.json: bias is %.40q: biases were trained beside the adapter; want none", c.Bias)
	case named && !slices.Contains(peftInits, init):
		return fmt.Errorf("adapter_config.json: init_lora_weights is %.40q, which changes the base's own weights; want true, false or %s", init, strings.Join(peftInits, ", "))
	case c.Rank < 1:
		return fmt.Errorf("adapter_config.json: r is %d, want at least 1", c.Rank)
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return fmt.Errorf("adapter_config.json: lora_alpha is %g, want more than 0", c.Alpha)
	}
	for _, p := range c.RankPattern {
		if p.value != math.Trunc(p.value) || p.value < 1 || p.value > math.MaxInt32 {
			return fmt.Errorf("adapter_config.json: rank_pattern %.80q is %g, want a whole number from 1", p.key, p.value)
		}
	}
	for _, p := range c.AlphaPattern {
		if !(p.value > 0) || math.IsInf(p.value, 0) {
			return fmt.Errorf("adapter_config.json: alpha_pattern %.80q is %g, want more than 0", p.key, p.value)
		}
	}
	return nil
}

// inert says whether a setting's value means that it is not used.
func inert(value json.RawMessage) bool {
	return slices.Contains([]string{"", "null", "false", `""`, "[]", "{}"}, string(bytes.TrimSpace(value)))
}

// of returns rank and scale of the map of a module, "model.layers.0.self_attn.q_proj".
func (c *peftConfig) of(module string) (rank int, scale float64) {
	rank = int(c.RankPattern.at(module, float64(c.Rank)))
	return rank, c.scale(c.AlphaPattern.at(module, c.Alpha), rank)
}

func (c *peftConfig) scale(alpha float64, rank int) float64 {
	if c.RankStabilized {
		return alpha / math.Sqrt(float64(rank))
	}
	return alpha / float64(rank)
}

// used fails where a pattern decided nothing: it was meant for a part that this file does not have.
func (c *peftConfig) used() error {
	for _, pattern := range []struct {
		name   string
		values peftPattern
	}{{"rank_pattern", c.RankPattern}, {"alpha_pattern", c.AlphaPattern}} {
		for _, p := range pattern.values {
			if !p.used {
				return fmt.Errorf("adapter_config.json: %s %.80q decides no linear map that the file adds to", pattern.name, p.key)
			}
		}
	}
	return nil
}

// peftPattern gives modules values of their own. As in PEFT the first entry that matches decides, so their order counts.
type peftPattern []*peftValue

type peftValue struct {
	key   string
	match *regexp.Regexp
	value float64
	used  bool
}

// maxPatterns bounds the work that a configuration can ask for.
const maxPatterns = 4096

// UnmarshalJSON implements [json.Unmarshaler].
func (p *peftPattern) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	switch open, err := d.Token(); {
	case err != nil:
		return err
	case open == nil: // null
		return nil
	case open != json.Delim('{'):
		return fmt.Errorf("got %.40s, want an object of names and numbers", b)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		v := &peftValue{key: key.(string)} // keys are strings
		if err := d.Decode(&v.value); err != nil {
			return fmt.Errorf("%.80q: %w", v.key, err)
		}
		if len(v.key) > 1000 || len(*p) >= maxPatterns {
			return fmt.Errorf("more than %d entries, or one of more than 1000 characters", maxPatterns)
		}
		if v.match, err = regexp.Compile(`^(?:.*\.)?(?:` + v.key + `)$`); err != nil {
			return fmt.Errorf("%.80q is an expression that is not understood here: %w", v.key, err)
		}
		*p = append(*p, v)
	}
	return nil
}

// at returns the value of a module.
func (p peftPattern) at(module string, fallback float64) float64 {
	for _, v := range p {
		if v.match.MatchString(module) {
			v.used = true
			return v.value
		}
	}
	return fallback
}
