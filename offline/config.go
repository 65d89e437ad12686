package offline

import (
	"errors"
	"fmt"
	"slices"

	"plumb/chat"
	"plumb/lm/gguf"
	"plumb/offline/gate"
	"plumb/offline/pairs"
	"plumb/offline/train"
)

// Methods that are no trainer's.
const (
	Auto   = "auto" // what the votes call for, see package advise
	RMOnly = "rm"   // refit the reward model, and release it with the model that answers now
)

// Config is what decides a run, together with base and feedback. It is kept in the manifest. The zero value is the default.
type Config struct {
	Method string        `json:"method"`          // auto, rm, or a trainer's; "" means auto
	Train  train.Config  `json:"train"`           // its Method is set from the above
	Pairs  pairs.Options `json:"pairs,omitzero"`  // how votes become rows
	Split  pairs.Split   `json:"split,omitzero"`  // what is held out
	Limits gate.Limits   `json:"limits,omitzero"` // what passes the gate
	Type   string        `json:"type,omitempty"`  // of the published matrices: f16, f32, bf16, q8_0, or keep; f16

	LeastRows int     `json:"least_rows,omitempty"` // fewer training rows make no model; 20
	Canary    float64 `json:"canary,omitempty"`     // share of users who get the new model first, [0, 1); 0 makes it live at once

	Prompts   int `json:"prompts,omitempty"`    // held-out prompts that replies are drawn to for the gate; 24
	Draws     int `json:"draws,omitempty"`      // replies to each; 2
	MaxTokens int `json:"max_tokens,omitempty"` // of each; 64

	Seed int64 `json:"seed"`
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *int
		value int
	}{{&c.LeastRows, 20}, {&c.Prompts, 24}, {&c.Draws, 2}, {&c.MaxTokens, 64}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if c.Method == "" {
		c.Method = Auto
	}
	if c.Type == "" {
		c.Type = "f16"
	}
	c.Train.Seed = c.Seed
	c.Train = c.Train.WithDefaults()
	return c
}

// Check reports everything that is wrong, as an error of kind Invalid.
func (c Config) Check() error {
	c = c.withDefaults()
	var problems []error
	trained := c.Train
	trained.Method = c.Method
	if c.Method == Auto || c.Method == RMOnly {
		trained.Method = "dpo"
	}
	problems = append(problems, trained.Check())
	if trained.Full {
		problems = append(problems, errors.New("full: a run trains an adapter, so that the base stays the reference"))
	}
	if _, err := gguf.ParseType(c.Type); err != nil && c.Type != "keep" {
		problems = append(problems, fmt.Errorf("type: got %q, want f16, f32, bf16, q8_0 or keep", c.Type))
	}
	if !(c.Canary >= 0 && c.Canary < 1) {
		problems = append(problems, fmt.Errorf("canary: got %v, want a share in [0, 1)", c.Canary))
	}
	if i := slices.IndexFunc([]int{c.LeastRows, c.Prompts, c.Draws, c.MaxTokens}, func(n int) bool { return n < 0 }); i >= 0 {
		problems = append(problems, fmt.Errorf("%s: got a negative number", []string{"least_rows", "prompts", "draws", "max_tokens"}[i]))
	}
	if err := errors.Join(problems...); err != nil {
		return &chat.Error{Kind: chat.Invalid, Param: "method", Msg: "configure run: " + err.Error()}
	}
	return nil
}
