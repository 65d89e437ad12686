package offline

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"plumb/chat"
	"plumb/lm/gguf"
	"plumb/offline/gate"
	"plumb/offline/optim"
	"plumb/offline/pairs"
	"plumb/offline/rl"
	"plumb/offline/train"
	"plumb/offline/trl"
)

// Methods that are no trainer's.
const (
	Auto   = "auto" // what the votes call for, see package advise
	RMOnly = "rm"   // refit the reward model, and release it with the model that answers now
)

// Config is what decides a run, together with base and feedback. It is kept in the manifest. The zero value is the default.
type Config struct {
	Method string        `json:"method"`          // one of [Methods], or a sum of losses of pairs; "" means auto
	Train  train.Config  `json:"train"`           // its Method is set from the above
	Pairs  pairs.Options `json:"pairs,omitzero"`  // how votes become rows
	Split  pairs.Split   `json:"split,omitzero"`  // what is held out
	Limits gate.Limits   `json:"limits,omitzero"` // what passes the gate
	Type   string        `json:"type,omitempty"`  // of the published matrices: f16, f32, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, or keep; f16

	LeastRows int     `json:"least_rows,omitempty"` // fewer training rows make no model; 20
	Canary    float64 `json:"canary,omitempty"`     // share of users who get the new model first, [0, 1); 0 makes it live at once

	Shadow int `json:"shadow,omitempty"` // requests that the new model answers unseen before anybody gets it; 0 for none

	Prompts   int `json:"prompts,omitempty"`    // held-out prompts that replies are drawn to for the gate; 24
	Draws     int `json:"draws,omitempty"`      // replies to each; 2
	MaxTokens int `json:"max_tokens,omitempty"` // of each; 64

	NoPublish bool `json:"no_publish,omitempty"` // end after the gate, the upstream untouched; Promote publishes

	// Again names the run that this one makes again, on what is left of the feedback given until Until (see [Runner.Again]).
	Again string    `json:"again,omitempty"`
	Until time.Time `json:"until,omitzero"`

	RL        rl.Config `json:"rl,omitzero"`          // of methods that raise a reward; what they share with the others is in Train
	IRLRounds int       `json:"irl_rounds,omitempty"` // irl: rounds of reward and policy; 2

	Seed int64 `json:"seed"`

	Trainer string     `json:"trainer,omitempty"` // who trains: "" is this program, "trl" another one, see [trl.Training]
	TRL     trl.Config `json:"trl,omitzero"`      // what the other one is asked for
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *int
		value int
	}{{&c.LeastRows, 20}, {&c.Prompts, 24}, {&c.Draws, 2}, {&c.MaxTokens, 64}, {&c.IRLRounds, 2}} {
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
	if c.RL.Schedule == "" {
		// What a constant rate does in its last steps is noise that no reward asks for: the taste is as good without, and text that no
		// vote is about stays as likely as it was (docs/methods.md).
		c.RL.Schedule = optim.Linear
	}
	c.Train.Seed = c.Seed
	c.Train = c.Train.WithDefaults()
	if c.Trainer == TRL {
		c.TRL = c.TRL.WithDefaults()
	}
	return c
}

// Check reports everything that is wrong, as an error of kind Invalid.
func (c Config) Check() error {
	c = c.withDefaults()
	var problems []error
	trained := c.Train
	trained.Method = trainerOf(c.Method)
	problems = append(problems, trained.Check(), c.checkTrainer())
	if reinforces(c.Method) {
		problems = append(problems, c.reinforcement(PPO).Check())
	}
	if trained.Full {
		problems = append(problems, errors.New("full: a run trains an adapter, so that the base stays the reference"))
	}
	if t, err := gguf.ParseType(c.Type); (err != nil || !t.Writable()) && c.Type != "keep" {
		problems = append(problems, fmt.Errorf("type: got %q, want f16, f32, bf16, q8_0, q5_1, q5_0, q4_1, q4_0 or keep", c.Type))
	}
	if !(c.Canary >= 0 && c.Canary < 1) {
		problems = append(problems, fmt.Errorf("canary: got %v, want a share in [0, 1)", c.Canary))
	}
	if i := slices.IndexFunc([]int{c.LeastRows, c.Prompts, c.Draws, c.MaxTokens, c.IRLRounds, c.Shadow}, func(n int) bool { return n < 0 }); i >= 0 {
		problems = append(problems, fmt.Errorf("%s: got a negative number", []string{"least_rows", "prompts", "draws", "max_tokens", "irl_rounds", "shadow"}[i]))
	}
	if err := errors.Join(problems...); err != nil {
		return &chat.Error{Kind: chat.Invalid, Param: "method", Msg: "configure run: " + err.Error()}
	}
	return nil
}
