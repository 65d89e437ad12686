package offline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"plumb/offline/checkpoint"
	"plumb/offline/pairs"
	"plumb/offline/registry"
	"plumb/offline/trl"
)

// TRL is the trainer that is a program of its own: see package trl.
const TRL = "trl"

// checkTrainer reports what is wrong with who trains.
func (c Config) checkTrainer() error {
	switch {
	case c.Trainer == "" && c.TRL != (trl.Config{}):
		return fmt.Errorf("trl: got %+v, but trainer is not %s", c.TRL, TRL)
	case c.Trainer == "":
		return nil
	case c.Trainer != TRL:
		return fmt.Errorf("trainer: got %q, want nothing for this program itself, or %s", c.Trainer, TRL)
	}
	if err := c.TRL.Check(c.Train); err != nil || c.Method == Auto || c.Method == RMOnly {
		return err
	}
	return trl.CheckMethod(c.Method)
}

// elsewhere has another program fit the adapter to the rows that a method of package train learns from.
type elsewhere struct{ name string }

func (e elsewhere) rows(s pairs.Set) int { return voted(e).rows(s) }

// prepare has nothing to do: the other program has a reference of its own.
func (elsewhere) prepare(context.Context, *work) error { return nil }

func (e elsewhere) train(ctx context.Context, w *work) (fitted, error) {
	s, err := w.rows()
	if err != nil {
		return fitted{}, err
	}
	m, err := w.openBase(ctx)
	if err != nil {
		return fitted{}, err
	}
	c := w.config.Train
	c.Method = e.name
	c = assuming(c, s)
	t := trl.Training{Model: m, Config: w.config.TRL, Train: c, Launch: w.Launch, Run: w.run.ID,
		Folder: w.Launch.Folder(w.folder.path("train"), w.run.ID),
		Each: func(s trl.Step) {
			w.progress(registry.Train, s.Step, s.Steps, fmt.Sprintf("loss %.4f", s.Metrics["loss"]))
		}}
	result, err := t.Fit(ctx, trl.Rows{Preferences: preferenceRows(s.Train), Unpaired: unpairedRows(s.Train, c), Demonstrations: demonstrationRows(s.Train)})
	if err != nil {
		return fitted{}, err
	}
	w.noteElsewhere(result)
	return fitted{result.Adapter, checkpoint.Hash(result.Adapter.Params)}, nil
}

// trlMetrics are those that runs keep under the names of our own trainer.
var trlMetrics = []string{"loss", "grad_norm", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "kl"}

// noteElsewhere keeps what the trainer reported, and how far its log-probs were from ours.
func (w *work) noteElsewhere(r *trl.Result) {
	for _, name := range trlMetrics {
		if v, ok := r.Last.Metrics[name]; ok {
			w.metric("train/"+name, &v)
		}
	}
	for name, v := range map[string]float64{"train/steps": float64(r.Last.Steps), "train/rows": float64(r.Rows),
		"train/rows_weighted": float64(r.Weighted), "train/logprob_difference": r.Worst} {
		w.metric(name, &v)
	}
	w.notePasses("train", r.Passes, r.Rows)
	for _, reason := range slices.Sorted(maps.Keys(r.Dropped)) {
		w.run.Dropped["tokens: "+reason] = r.Dropped[reason]
	}
}

// clean removes what people wrote from a run's folders once it has ended.
func (r *Runner) clean(run registry.Run) error {
	if err := r.folder(run).clean(); err != nil {
		return err
	}
	return r.Launch.Clean(run.ID)
}
