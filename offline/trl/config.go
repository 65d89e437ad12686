package trl

import (
	"fmt"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/offline/train"
)

// Config is what decides the result, beside the run's own configuration of training.
type Config struct {
	Model     string  `json:"model,omitempty"`      // Hugging Face id, or folder, of the base model
	Precision string  `json:"precision,omitempty"`  // of its weights: float32 or bfloat16; float32
	PerDevice int     `json:"per_device,omitempty"` // rows on one device at once; 0 spreads the batch over the devices
	Tolerance float64 `json:"tolerance,omitempty"`  // largest difference between their log-probs and ours, in nats a token; .05
}

// defaultTolerance lies above what a base of 8 bits or of another 16 bit type differs by, and far below what another model does.
const defaultTolerance = .05

// WithDefaults returns c with what is zero filled in.
func (c Config) WithDefaults() Config {
	if c.Precision == "" {
		c.Precision = "float32"
	}
	if c.Tolerance == 0 {
		c.Tolerance = defaultTolerance
	}
	return c
}

// losses are TRL's names of the losses that its trainers have in the same form as this program, by method.
var losses = map[string]string{
	"dpo": "sigmoid", "sigmoid": "sigmoid", "hinge": "hinge", "ipo": "ipo", "robust": "robust", "exo_pair": "exo_pair", "nca_pair": "nca_pair",
	"sppo_hard": "sppo_hard", "apo_zero": "apo_zero", "apo_down": "apo_down", "kto": "kto", "apo_zero_unpaired": "apo_zero_unpaired", "sft": "nll",
}

// Methods returns the methods that TRL can be asked for, sorted.
func Methods() []string {
	var all []string
	for name := range losses {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// CheckMethod fails where TRL's trainers do not have a method.
func CheckMethod(method string) error {
	if _, ok := losses[method]; !ok {
		return &chat.Error{Kind: chat.Invalid, Param: "method", Msg: fmt.Sprintf("configure trainer: method: got %q; TRL is asked for %s", method, strings.Join(Methods(), ", "))}
	}
	return nil
}

// Check reports everything that is wrong with c, or that t asks for and TRL's trainers cannot do, as an error of kind Invalid.
func (c Config) Check(t train.Config) error {
	c, t = c.WithDefaults(), t.WithDefaults()
	var wrong []string
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	want(c.Model != "", "model: must name the base model in Hugging Face's form, by its id or its folder")
	want(c.Precision == "float32" || c.Precision == "bfloat16", "precision: got %q, want float32 or bfloat16", c.Precision)
	want(c.PerDevice >= 0 && c.PerDevice <= t.Batch, "per_device: got %d, want 0 … %d, the batch", c.PerDevice, t.Batch)
	want(c.Tolerance > 0 && c.Tolerance <= 10, "tolerance: got %v, want more than 0, at most 10 nats a token", c.Tolerance)
	want(t.Anchor == 0, "anchor: got %v; TRL's trainers hold up no other text", t.Anchor)
	want(t.FinalLR == 0, "final_lr: got %v; TRL's schedules end at 0", t.FinalLR)
	want(!t.Ordered, "ordered: TRL shuffles the rows")
	if len(wrong) == 0 {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Param: "trainer", Msg: "configure trainer: " + strings.Join(wrong, "; ")}
}

// Launch is how a training is started and where its folder lies. It changes nothing about the result, so that a run goes on after
// it was corrected.
type Launch struct {
	Command []string // the script and the job are added to it; nil means accelerate launch
	Dir     string   // folder in which each run has one of its own, for trainers on other machines; "" means the run's own folder
}

func (l Launch) command() []string {
	if len(l.Command) == 0 {
		return []string{"accelerate", "launch"}
	}
	return l.Command
}
