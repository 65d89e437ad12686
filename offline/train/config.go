package train

import (
	"fmt"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/loss"
	"plumb/offline/optim"
)

// Config is what decides the result of a training, together with model and rows. Zero fields mean the defaults in their
// comments, which suit a model of a few hundred million weights and some hundred pairs.
type Config struct {
	// Method is a loss: dpo, a name of [loss.Names] or a sum of them for pairs; kto, bco or apo_zero_unpaired for thumbs; sft.
	Method      string   `json:"method"`
	Beta        float64  `json:"beta,omitempty"`        // pull towards the reference; .1
	Epsilon     float64  `json:"epsilon,omitempty"`     // share of flipped votes that cdpo, robust, exo_pair assume; the loss's own
	Gamma       float64  `json:"gamma,omitempty"`       // simpo's margin; .5
	Desirable   float64  `json:"desirable,omitempty"`   // kto: weight of liked replies; 1
	Undesirable float64  `json:"undesirable,omitempty"` // kto: weight of disliked replies; 1
	Anchor      float64  `json:"anchor,omitempty"`      // weight of the anchors' likelihood, where a trainer has anchors; 0 for none
	Full        bool     `json:"full,omitempty"`        // train all weights, not an adapter; sft only
	Rank        int      `json:"rank,omitempty"`        // of the adapter; 16
	Alpha       float64  `json:"alpha,omitempty"`       // its scale times rank; 16
	Targets     []string `json:"targets,omitempty"`     // its maps; all linear maps of the layers
	LR          float64  `json:"lr,omitempty"`          // 1e-4
	Schedule    string   `json:"schedule,omitempty"`    // constant, linear, cosine; constant
	Warmup      int      `json:"warmup,omitempty"`      // steps; 0
	FinalLR     float64  `json:"final_lr,omitempty"`    // share of LR at the end of a falling schedule; 0
	Decay       float64  `json:"decay,omitempty"`       // weight decay of matrices; 0
	Beta2       float64  `json:"beta2,omitempty"`       // AdamW's; .999
	Clip        float64  `json:"clip,omitempty"`        // largest norm of a gradient; 1, −1 for none
	Epochs      float64  `json:"epochs,omitempty"`      // passes over the rows; what [Config.Passes] makes of their number
	Batch       int      `json:"batch,omitempty"`       // rows a step; 4
	MaxLength   int      `json:"max_length,omitempty"`  // tokens of prompt and reply; 1024, never more than the model's context
	Ordered     bool     `json:"ordered,omitempty"`     // rows as they come, not shuffled
	Seed        int64    `json:"seed"`                  // of the adapter's A and of the order of rows

	// These do not change what is computed, but for the last bits of the sums.
	PassTokens int `json:"pass_tokens,omitempty"` // tokens in one pass, which bounds memory; 1024. A row is never cut for it.
	// SaveEvery is the steps between checkpoints; 0 means about twenty in all.
	SaveEvery int `json:"-"`
}

// WithDefaults returns c with what is zero filled in, but for Epochs, which depends on how many rows there are.
func (c Config) WithDefaults() Config {
	def := func(x *float64, v float64) {
		if *x == 0 {
			*x = v
		}
	}
	whole := func(x *int, v int) {
		if *x == 0 {
			*x = v
		}
	}
	def(&c.Beta, loss.DefaultBeta)
	def(&c.LR, 1e-4)
	def(&c.Clip, 1)
	def(&c.Alpha, 16)
	whole(&c.Rank, 16)
	whole(&c.Batch, 4)
	whole(&c.MaxLength, 1024)
	whole(&c.PassTokens, 1024)
	if c.Schedule == "" {
		c.Schedule = optim.Constant
	}
	return c
}

// Kinds of rows that methods want.
const (
	Preference    = "preference"
	Unpaired      = "unpaired"
	Demonstration = "demonstration"
)

// Kind returns which rows a method trains on.
func Kind(method string) string {
	switch {
	case method == "sft":
		return Demonstration
	case slices.Contains(loss.UnpairedNames(), method):
		return Unpaired
	}
	return Preference
}

// Methods returns the names of all methods.
func Methods() []string {
	return slices.Concat([]string{"dpo", "sft"}, loss.UnpairedNames(), slices.DeleteFunc(loss.Names(), func(n string) bool { return n == "sft" }))
}

// Check reports all fields that are out of their range or contradict each other, as one error of kind Invalid.
func (c Config) Check() error {
	c = c.WithDefaults()
	var wrong []string
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	var err error
	switch Kind(c.Method) {
	case Preference:
		_, err = loss.Parse(c.Method, c.options())
	case Unpaired:
		_, err = loss.ParseUnpaired(c.Method, c.options())
	}
	want(err == nil, "method: %v", err)
	want(!c.Full || c.Method == "sft", "full: got method %s; all weights are trained by sft alone, since the others need the model as it was", c.Method)
	want(c.Epochs >= 0 && c.Epochs <= 1e4, "epochs: got %v, want [0, 10000]", c.Epochs)
	want(c.Batch >= 1 && c.Batch <= 1<<16, "batch: got %d, want 1 … 65536", c.Batch)
	want(Kind(c.Method) != Unpaired || c.Batch >= 2, "batch: got 1; %s compares the rows of a batch, so it needs at least 2", c.Method)
	want(c.MaxLength >= 2, "max_length: got %d, want 2 or more", c.MaxLength)
	want(c.PassTokens >= 1, "pass_tokens: got %d, want 1 or more", c.PassTokens)
	want(c.Anchor >= 0 && c.Anchor <= 1e3, "anchor: got %v, want 0 … 1000", c.Anchor)
	want(c.Clip == -1 || c.Clip > 0, "clip: got %v, want more than 0, or -1 for none", c.Clip)
	want(c.Decay >= 0 && c.Decay <= 10, "decay: got %v, want 0 … 10", c.Decay)
	want(c.Beta2 >= 0 && c.Beta2 < 1, "beta2: got %v, want [0, 1)", c.Beta2)
	err = c.schedule(1).Check()
	want(err == nil, "%v", err)
	if len(wrong) == 0 {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Msg: "configure training: " + strings.Join(wrong, "; ")}
}

func (c Config) options() loss.Options {
	return loss.Options{Beta: c.Beta, Epsilon: c.Epsilon, Gamma: c.Gamma, Desirable: c.Desirable, Undesirable: c.Undesirable}
}

func (c Config) schedule(steps int) optim.Schedule {
	return optim.Schedule{Kind: c.Schedule, LR: c.LR, Warmup: c.Warmup, Total: steps, Final: c.FinalLR}
}

func (c Config) lora() lm.LoRA {
	return lm.LoRA{Rank: c.Rank, Alpha: c.Alpha, Seed: c.Seed, Targets: c.Targets}
}
