package trl

import (
	"context"
	"fmt"
	"path/filepath"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/train"
)

// Training trains one adapter for Model.
type Training struct {
	Model  *lm.Model
	Config Config
	Train  train.Config // its Method must be one of [Methods]
	Launch Launch
	Run    string // its name
	Folder string // of this training
	// Each is told of every step that the trainer reports.
	Each func(Step)
}

// Step is what the trainer reports of a step.
type Step struct {
	Step    int                `json:"step"`
	Steps   int                `json:"steps"`
	Metrics map[string]float64 `json:"metrics"` // TRL's: loss, grad_norm, rewards/margins, …
}

// Result is what a training made.
type Result struct {
	Adapter  *lm.Adapter
	Rows     int
	Passes   float64        // over the rows
	Weighted int            // rows of a weight that is not 1: TRL's trainers count each row once
	Dropped  map[string]int // rows left out, by reason
	Last     Step           // zero where the adapter was there already
	Worst    float64        // largest difference of log-probs, in nats a token
}

// Fit writes the rows and the job, has the command train, and reads the adapter. A folder whose training was broken off is gone on
// with, and one that has its adapter is only read: its log-probs are compared all the same. A folder of another job is begun anew.
// When ctx ends the command is told to end too (SIGTERM, and SIGKILL half a minute later).
//
// A command that fails is an error that ends with what it said last; the rest is in train.log. A trainer whose model is not Model is
// an error of kind Conflict that says what differs.
func (t Training) Fit(ctx context.Context, r Rows) (*Result, error) {
	if err := t.Config.Check(t.Train); err != nil {
		return nil, err
	}
	if err := CheckMethod(t.Train.Method); err != nil {
		return nil, err
	}
	d, err := t.gather(r)
	if err != nil {
		return nil, fmt.Errorf("write rows for the trainer: %w", err)
	}
	j := t.job(d)
	if len(j.Check) == 0 {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("write rows for the trainer: no row is shorter than max_length, %d, so that no log-probs can be compared", t.maxLength())}
	}
	f, err := t.prepare(d, j)
	if err != nil {
		return nil, err
	}
	result := &Result{Rows: d.n, Passes: j.Epochs, Weighted: d.weighted, Dropped: d.dropped}
	if !f.has(adapterFolder) {
		if result.Last, err = t.start(ctx, f, j); err != nil {
			return nil, err
		}
	}
	if !f.has(adapterFolder) {
		return nil, fmt.Errorf("train with %s: it ended without an adapter in %s", t.Launch.command()[0], f)
	}
	result.Adapter, result.Worst, err = t.verify(f, j)
	return result, err
}

// verify reads the adapter and compares log-probs.
func (t Training) verify(f folder, j job) (*lm.Adapter, float64, error) {
	ad, err := t.Model.ReadPEFT(f.path(adapterFolder))
	if err != nil {
		return nil, 0, fmt.Errorf("take the adapter of the trainer: %w; remove %s to train again", err, f.path(adapterFolder))
	}
	worst, err := t.compare(f, j, ad)
	if err != nil {
		return nil, worst, fmt.Errorf("take the adapter of the trainer: %w; remove %s to train again", err, filepath.Clean(string(f)))
	}
	return ad, worst, nil
}
