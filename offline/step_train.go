package offline

import (
	"context"
	"fmt"
	"path/filepath"

	"plumb/lm/gguf"
	"plumb/offline/registry"
	"plumb/offline/train"
)

// trainer returns the trainer of this run. What it computes of the reference is kept for later runs on the same base.
func (w *work) trainer(ctx context.Context, state registry.State) (train.Trainer, train.Encoder, error) {
	m, err := w.openBase(ctx)
	if err != nil {
		return train.Trainer{}, train.Encoder{}, err
	}
	c := w.config.Train
	c.Method = w.run.Method
	t := train.Trainer{Model: m, Config: c, Dir: w.folder.path("train"), Cache: filepath.Join(w.Dir, "reference"),
		Each: func(s train.Step) error {
			w.progress(state, s.Step, s.Steps, fmt.Sprintf("loss %.4f", s.Loss))
			return w.folder.addStep(s)
		},
		Referenced: func(done, all int) { w.progress(state, done, all, "reference") },
	}
	e := train.Encoder{Model: m, MaxLength: c.MaxLength}
	t.Anchors, _ = e.Demonstrations(w.Anchors)
	return t, e, nil
}

// reference computes the log-probs of the untouched base, which training then finds in the cache.
func (w *work) reference(ctx context.Context) error {
	return w.fit(ctx, registry.Reference, func(t train.Trainer, r trainingSet) error {
		switch train.Kind(t.Config.Method) {
		case train.Preference:
			return t.ReferencePairs(ctx, r.pairs)
		case train.Unpaired:
			return t.ReferenceReplies(ctx, r.replies)
		}
		return nil
	})
}

// train fits the adapter.
func (w *work) train(ctx context.Context) error {
	return w.fit(ctx, registry.Train, func(t train.Trainer, r trainingSet) error {
		var result *train.Result
		var err error
		switch train.Kind(t.Config.Method) {
		case train.Preference:
			result, err = t.Preferences(ctx, r.pairs)
		case train.Unpaired:
			result, err = t.Replies(ctx, r.replies)
		default:
			result, err = t.Imitate(ctx, r.replies)
		}
		if err != nil {
			return err
		}
		if err := w.folder.closeCurve(); err != nil {
			return err
		}
		w.run.Weights = result.Weights
		w.note(result)
		return result.Adapter.WriteFile(w.folder.path("adapter.gguf"), t.Model, w.provenance()...)
	})
}

// trainingSet is the rows as tokens: one of the two is set.
type trainingSet struct {
	pairs   []train.Pair
	replies []train.Reply
}

// fit encodes the rows and passes them on with a trainer.
func (w *work) fit(ctx context.Context, state registry.State, do func(train.Trainer, trainingSet) error) error {
	s, err := w.rows()
	if err != nil {
		return err
	}
	t, e, err := w.trainer(ctx, state)
	if err != nil {
		return err
	}
	var r trainingSet
	var dropped map[string]int
	switch train.Kind(t.Config.Method) {
	case train.Preference:
		r.pairs, dropped = e.Pairs(preferenceRows(s.Train))
	case train.Unpaired:
		r.replies, dropped = e.Unpaired(unpairedRows(s.Train))
	default:
		r.replies, dropped = e.Demonstrations(demonstrationRows(s.Train))
	}
	for reason, n := range dropped {
		w.run.Dropped["tokens: "+reason] = n
	}
	return do(t, r)
}

// note keeps what the last step measured.
func (w *work) note(r *train.Result) {
	last := r.Last
	for name, v := range map[string]*float64{
		"train/loss": &last.Loss, "train/grad_norm": &last.GradNorm, "train/rewards/chosen": last.Chosen, "train/rewards/rejected": last.Rejected,
		"train/rewards/margins": last.Margins, "train/rewards/accuracies": last.Accuracies, "train/kl": last.KL,
	} {
		w.metric(name, v)
	}
	steps, rows := float64(r.Steps), float64(r.Rows)
	w.metric("train/steps", &steps)
	w.metric("train/rows", &rows)
}

// provenance is written into the files that a run makes.
func (w *work) provenance() []gguf.Pair {
	return []gguf.Pair{
		{Key: "plumb.run", Value: w.run.ID},
		{Key: "plumb.method", Value: w.run.Method},
		{Key: "plumb.base", Value: w.run.Base.Digest},
		{Key: "plumb.data_root", Value: w.run.DataRoot},
		{Key: "plumb.weights", Value: w.run.Weights},
	}
}
