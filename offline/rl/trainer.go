package rl

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/checkpoint"
)

// Rewarder scores replies to one prompt: rewards[i] belongs to replies[i]. A reward model ([plumb/rm.Model]) is one.
type Rewarder interface {
	Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error)
}

// Trainer trains an adapter of Model so that its replies get a higher reward, and stays near the policy it began with.
type Trainer struct {
	Model  *lm.Model
	Config Config
	// Start is the policy to begin with, such as an adapter from SFT; it is copied, not changed. nil makes a new one from the seed,
	// which begins as the model itself. The policy at the start is the reference.
	Start *lm.Adapter
	// Reward is what is maximised.
	Reward Rewarder
	// Watch is a second reward model, best one made of other users' votes, that nothing is learned from: it tells when the reward is
	// being hacked, see guard.go. nil for none.
	Watch Rewarder
	// Dir keeps a checkpoint, from which the next Trainer with the same model, configuration, prompts and reward models goes on; ""
	// for none.
	Dir string
	// Each is told of every step, in order. After an interruption the step that had not been kept yet comes again. An error of it stops
	// the training.
	Each func(Step) error
}

// Result is what a training made.
type Result struct {
	// Adapter is the last policy that was measured within the KL budget; with a watcher, the one whose watched reward was best.
	Adapter *lm.Adapter
	Weights string // SHA-256 over the adapter's tensors, hex
	Steps   int    // steps learned from
	Stopped string // why the run ended before Config.Steps, for people to read; "" if it did not
	Last    Step   // what the last step measured
	Best    Step   // what was measured of Adapter; Best.Step is its age

	RewardMean, RewardSD float64 // of the reference's replies, the latter within a prompt: one unit of Step.Score is RewardSD without conservatism
	Prompts              int     // trained on
	Dropped              int     // prompts that leave no room for a reply of MaxTokens
}

// Train draws replies to the prompts and learns from their rewards. It fails if the configuration is out of range (kind Invalid), if no
// prompt leaves room for a reply, if a reward is not a number, with a Rewarder's own errors, and with ctx's error when ctx ends.
//
// Cost of a step: drawing Batch replies, three passes forward over them, and Epochs passes forward and backward.
func (t Trainer) Train(ctx context.Context, prompts [][]chat.Message) (*Result, error) {
	if err := t.Config.Check(); err != nil {
		return nil, err
	}
	if t.Reward == nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "train by reward: no reward model"}
	}
	c := t.Config.WithDefaults()
	p, err := newPolicy(t.Model, t.Start, c)
	if err != nil {
		return nil, err
	}
	asked, dropped, err := p.take(prompts, c)
	if err != nil {
		return nil, err
	}
	fingerprint, err := checkpoint.Fingerprint(c, p.adapter.Data, t.Model.Digest(), p.promptsHash(), version(t.Reward), version(t.Watch))
	if err != nil {
		return nil, fmt.Errorf("train by reward: %w", err)
	}
	r := newRun(c, p, asked)
	r.reward, r.watch, r.each, r.dir, r.Fingerprint = t.Reward, t.Watch, t.Each, t.Dir, fingerprint
	if err := r.train(ctx); err != nil {
		return nil, err
	}
	copy(p.adapter.Data, r.kept)
	return &Result{Adapter: p.adapter, Weights: checkpoint.Hash(p.adapter.Params), Steps: r.Step, Stopped: r.Stopped, Last: r.Last, Best: r.Best,
		RewardMean: r.Scale.RawMean, RewardSD: r.Scale.RawSD, Prompts: len(asked), Dropped: dropped}, nil
}

// version identifies a reward model where it can.
func version(r Rewarder) string {
	switch v := r.(type) {
	case nil:
		return "none"
	case interface{ Version() string }:
		return v.Version()
	}
	return "unknown"
}
