package rl

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/optim"
)

// Algorithms: how the rewards of replies become advantages of tokens. All else is one loop.
const (
	AlgorithmPPO  = "ppo"
	AlgorithmRLOO = "rloo"
	AlgorithmGRPO = "grpo"
)

// Algorithms returns the names of all algorithms.
func Algorithms() []string { return []string{AlgorithmPPO, AlgorithmRLOO, AlgorithmGRPO} }

// Places where the KL to the reference can stand.
const (
	InReward = "reward" // −β·log π/π_ref is part of each token's reward, as in Ouyang et al. 2022
	// β·KL is a term of the loss, as in Shao et al. 2024. Where advantages are scaled (ppo whitens them, grpo divides by the group's
	// deviation), β then counts in that scale: deviations of what the present policy's replies get, not the reference's.
	InLoss = "loss"
)

// Config is what decides the result of a training, together with model, prompts and reward models. Zero fields mean the defaults in
// their comments; −1 switches off what can be switched off.
//
// The reward is counted in standard deviations of the reference's own replies to a prompt (see scale.go), so that Beta, RewardClip and
// EndPenalty mean the same for every reward model. KL is counted in nats a reply throughout.
type Config struct {
	Algorithm string `json:"algorithm"`            // ppo, rloo or grpo; ppo
	Steps     int    `json:"steps,omitempty"`      // batches of replies that are drawn and learned from; 40
	Batch     int    `json:"batch,omitempty"`      // replies a step; 64
	Group     int    `json:"group,omitempty"`      // of them to one prompt; 8, as TRL's GRPO
	MaxTokens int    `json:"max_tokens,omitempty"` // of a reply; 64
	MaxLength int    `json:"max_length,omitempty"` // tokens of prompt and reply; 1024, never more than the model's context

	Conservatism float64 `json:"conservatism,omitempty"` // standard deviations of the ensemble taken off, and half as much for being far from what it knows; 1, −1 for the mean alone
	RewardClip   float64 `json:"reward_clip,omitempty"`  // the reward is held within ± this; 5: what is further out is no better reply, −1 for none
	EndPenalty   float64 `json:"end_penalty,omitempty"`  // taken off a reply that was cut at MaxTokens; 1, TRL's missing_eos_penalty, −1 for none
	Baseline     int     `json:"baseline,omitempty"`     // replies of the reference that set the reward's unit; 128

	Beta     float64 `json:"beta,omitempty"`      // pull to the reference: what a nat of KL costs, at the start; .05, TRL's kl_coef, −1 for none
	KL       string  `json:"kl,omitempty"`        // reward or loss; reward for ppo and rloo, loss for grpo
	KLTarget float64 `json:"kl_target,omitempty"` // Beta is adapted to hold this KL; 6 (code of Ziegler et al. 2019), −1 leaves Beta as it is
	KLGain   float64 `json:"kl_gain,omitempty"`   // how fast; .1, K_β of Ziegler et al. 2019
	KLBudget float64 `json:"kl_budget,omitempty"` // a policy further from the reference ends the run and is not returned; 12, −1 for none
	StepKL   float64 `json:"step_kl,omitempty"`   // a policy this far from the one that drew the batch learns no more from it; 1, −1 for none

	Epochs      int     `json:"epochs,omitempty"`      // passes over a batch; 2
	Minibatches int     `json:"minibatches,omitempty"` // updates a pass; 4
	ClipRatio   float64 `json:"clip_ratio,omitempty"`  // ε of the clipped policy loss; .2, Schulman et al. 2017
	Unscaled    bool    `json:"unscaled,omitempty"`    // grpo: advantages are not divided by the group's deviation (Dr. GRPO)
	Gamma       float64 `json:"gamma,omitempty"`       // ppo: discount a token; 1
	Lambda      float64 `json:"lambda,omitempty"`      // ppo: of GAE; .95, −1 for none: values alone say what follows
	ValueRange  float64 `json:"value_range,omitempty"` // ppo: clip of the value loss; .2
	ValueLR     float64 `json:"value_lr,omitempty"`    // ppo: rate of the value head; .03

	Rank     int      `json:"rank,omitempty"`     // of a new adapter; 16
	Alpha    float64  `json:"alpha,omitempty"`    // its scale times rank; 16
	Targets  []string `json:"targets,omitempty"`  // its maps; all linear maps of the layers
	LR       float64  `json:"lr,omitempty"`       // 3e-4, for a model of a few million weights; 1e-4 or less for hundreds of millions
	Schedule string   `json:"schedule,omitempty"` // over the steps: constant, linear, cosine; constant
	Warmup   int      `json:"warmup,omitempty"`   // steps; 0
	FinalLR  float64  `json:"final_lr,omitempty"` // share of LR at the end of a falling schedule; 0
	Beta2    float64  `json:"beta2,omitempty"`    // AdamW's; .999
	Clip     float64  `json:"clip,omitempty"`     // largest norm of a gradient; 1, −1 for none

	WatchWindow int     `json:"watch_window,omitempty"` // steps over which the watcher's reward is averaged; 5
	WatchErrors float64 `json:"watch_errors,omitempty"` // standard errors it may fall below its best; 3

	Seed int64 `json:"seed"` // of the adapter's A, of the order of prompts and of the replies

	// PassTokens is how many tokens go into one pass, which bounds memory; 1024. Prompts and their replies are never cut for it. It does
	// not change what is computed, but for the last bits of the sums.
	PassTokens int `json:"pass_tokens,omitempty"`
}

// WithDefaults returns c with what is zero filled in.
func (c Config) WithDefaults() Config {
	if c.Algorithm == "" {
		c.Algorithm = AlgorithmPPO
	}
	if c.KL == "" {
		c.KL = InReward
		if c.Algorithm == AlgorithmGRPO {
			c.KL = InLoss
		}
	}
	if c.Schedule == "" {
		c.Schedule = optim.Constant
	}
	for _, f := range []struct {
		field *int
		value int
	}{
		{&c.Steps, 40}, {&c.Batch, 64}, {&c.Group, 8}, {&c.MaxTokens, 64}, {&c.MaxLength, 1024}, {&c.Baseline, 128},
		{&c.Epochs, 2}, {&c.Minibatches, 4}, {&c.Rank, 16}, {&c.WatchWindow, 5}, {&c.PassTokens, 1024},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	for _, f := range []struct {
		field *float64
		value float64
	}{
		{&c.Conservatism, 1}, {&c.RewardClip, 5}, {&c.EndPenalty, 1}, {&c.Beta, .05}, {&c.KLTarget, 6}, {&c.KLGain, .1}, {&c.KLBudget, 12},
		{&c.StepKL, 1}, {&c.ClipRatio, .2}, {&c.Gamma, 1}, {&c.Lambda, .95}, {&c.ValueRange, .2}, {&c.ValueLR, .03},
		{&c.Alpha, 16}, {&c.LR, 3e-4}, {&c.Clip, 1}, {&c.WatchErrors, 3},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return c
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
	want(slices.Contains(Algorithms(), c.Algorithm), "algorithm: got %q, want one of %s", c.Algorithm, strings.Join(Algorithms(), ", "))
	want(c.KL == InReward || c.KL == InLoss, "kl: got %q, want %s or %s", c.KL, InReward, InLoss)
	for _, f := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"steps", c.Steps, 1, 1e6}, {"batch", c.Batch, 1, 1 << 16}, {"group", c.Group, 1, 1 << 12}, {"max_tokens", c.MaxTokens, 1, 1 << 20},
		{"max_length", c.MaxLength, 2, 1 << 20}, {"baseline", c.Baseline, 1, 1 << 16}, {"epochs", c.Epochs, 1, 1000},
		{"minibatches", c.Minibatches, 1, 1 << 16}, {"watch_window", c.WatchWindow, 1, 100}, {"pass_tokens", c.PassTokens, 1, math.MaxInt32},
	} {
		want(f.value >= f.least && f.value <= f.most, "%s: got %d, want %d … %d", f.name, f.value, f.least, f.most)
	}
	for _, f := range []struct {
		name  string
		value float64
		most  float64
		off   bool // −1 switches it off
	}{
		{"conservatism", c.Conservatism, 100, true}, {"reward_clip", c.RewardClip, 1e6, true}, {"end_penalty", c.EndPenalty, 1e6, true},
		{"beta", c.Beta, 1e3, true}, {"kl_target", c.KLTarget, 1e6, true}, {"kl_gain", c.KLGain, 1, false}, {"kl_budget", c.KLBudget, 1e6, true},
		{"step_kl", c.StepKL, 1e6, true}, {"clip_ratio", c.ClipRatio, 10, false}, {"gamma", c.Gamma, 1, false}, {"lambda", c.Lambda, 1, true},
		{"value_range", c.ValueRange, 1e6, false}, {"value_lr", c.ValueLR, 10, false}, {"clip", c.Clip, math.Inf(1), true},
		{"watch_errors", c.WatchErrors, 1e3, false},
	} {
		none := ""
		if f.off {
			none = ", or -1 for none"
		}
		want(f.value > 0 && f.value <= f.most || f.off && f.value == -1, "%s: got %v, want (0, %v]%s", f.name, f.value, f.most, none)
	}
	if c.Group >= 1 && c.Batch >= 1 && c.Minibatches >= 1 {
		want(c.Batch%c.Group == 0, "batch: got %d, want a multiple of group, which is %d", c.Batch, c.Group)
		want(c.Minibatches <= max(1, c.Batch/c.Group), "minibatches: got %d, want at most the prompts of a step, which are %d", c.Minibatches, c.Batch/c.Group)
	}
	want(c.Algorithm == AlgorithmPPO || c.Group >= 2, "group: got %d; %s compares the replies to a prompt, so it needs at least 2", c.Group, c.Algorithm)
	want(c.Beta2 >= 0 && c.Beta2 < 1, "beta2: got %v, want [0, 1)", c.Beta2)
	err := c.schedule().Check()
	want(err == nil, "%v", err)
	if len(wrong) == 0 {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Msg: "configure reinforcement learning: " + strings.Join(wrong, "; ")}
}

func (c Config) schedule() optim.Schedule {
	return optim.Schedule{Kind: c.Schedule, LR: c.LR, Warmup: c.Warmup, Total: c.Steps, Final: c.FinalLR}
}

func (c Config) lora() lm.LoRA {
	return lm.LoRA{Rank: c.Rank, Alpha: c.Alpha, Seed: c.Seed, Targets: c.Targets}
}

// estimator returns the algorithm.
func (c Config) estimator() estimator {
	switch c.Algorithm {
	case AlgorithmRLOO:
		return RLOO{}
	case AlgorithmGRPO:
		return GRPO{Unscaled: c.Unscaled}
	}
	return PPO{Gamma: c.Gamma, Lambda: c.Lambda}
}

// prompts is how many prompts a step has.
func (c Config) prompts() int { return c.Batch / c.Group }
