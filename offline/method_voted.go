package offline

import (
	"context"
	"fmt"
	"path/filepath"

	"plumb/offline/pairs"
	"plumb/offline/registry"
	"plumb/offline/train"
)

// voted learns from votes, or from demonstrations, as they are: a method of package train.
type voted struct{ name string }

func (m voted) rows(s pairs.Set) int {
	switch train.Kind(m.name) {
	case train.Preference:
		return len(s.Preferences)
	case train.Unpaired:
		return len(singleReplies(s))
	}
	return len(demonstrationRows(s))
}

// prepare computes the log-probs of the untouched base, which training then finds in the cache.
func (m voted) prepare(ctx context.Context, w *work) error {
	t, r, err := w.encoded(ctx, m.name, registry.Reference)
	if err != nil {
		return err
	}
	switch train.Kind(m.name) {
	case train.Preference:
		return t.ReferencePairs(ctx, r.pairs)
	case train.Unpaired:
		return t.ReferenceReplies(ctx, r.replies)
	}
	return nil
}

func (m voted) train(ctx context.Context, w *work) (fitted, error) {
	t, r, err := w.encoded(ctx, m.name, registry.Train)
	if err != nil {
		return fitted{}, err
	}
	var result *train.Result
	switch train.Kind(m.name) {
	case train.Preference:
		result, err = t.Preferences(ctx, r.pairs)
	case train.Unpaired:
		result, err = t.Replies(ctx, r.replies)
	default:
		result, err = t.Imitate(ctx, r.replies)
	}
	return w.fitted(result, err)
}

// trainingSet is the rows as tokens: one of the two is set.
type trainingSet struct {
	pairs   []train.Pair
	replies []train.Reply
}

// encoded returns the training rows that a method of package train learns from, and its trainer.
func (w *work) encoded(ctx context.Context, name string, state registry.State) (t train.Trainer, r trainingSet, err error) {
	s, err := w.rows()
	if err != nil {
		return t, r, err
	}
	t, e, err := w.trainer(ctx, name, state)
	if err != nil {
		return t, r, err
	}
	t.Config = assuming(t.Config, s)
	var dropped map[string]int
	switch train.Kind(name) {
	case train.Preference:
		r.pairs, dropped = e.Pairs(preferenceRows(s.Train))
	case train.Unpaired:
		r.replies, dropped = e.Unpaired(unpairedRows(s.Train, t.Config))
	default:
		r.replies, dropped = e.Demonstrations(demonstrationRows(s.Train))
	}
	w.dropped("tokens: ", dropped)
	return t, r, nil
}

// dropped notes in the manifest what was left out.
func (w *work) dropped(prefix string, counts map[string]int) {
	for reason, n := range counts {
		if n > 0 {
			w.run.Dropped[prefix+reason] = n
		}
	}
}

// trainer returns a trainer of this run. What it computes of the reference is kept for later runs on the same base.
func (w *work) trainer(ctx context.Context, name string, state registry.State) (train.Trainer, train.Encoder, error) {
	m, err := w.openBase(ctx)
	if err != nil {
		return train.Trainer{}, train.Encoder{}, err
	}
	c := w.config.Train
	c.Method = name
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

// fitted keeps what the last step measured.
func (w *work) fitted(r *train.Result, err error) (fitted, error) {
	if err != nil {
		return fitted{}, err
	}
	last := r.Last
	for name, v := range map[string]*float64{
		"train/loss": &last.Loss, "train/grad_norm": &last.GradNorm, "train/rewards/chosen": last.Chosen, "train/rewards/rejected": last.Rejected,
		"train/rewards/margins": last.Margins, "train/rewards/accuracies": last.Accuracies, "train/kl": last.KL,
	} {
		w.metric(name, v)
	}
	w.count("train/steps", r.Steps)
	w.count("train/rows", r.Rows)
	w.notePasses("train", r.Passes, r.Rows)
	return fitted{r.Adapter, r.Weights}, nil
}

func (w *work) count(name string, n int) {
	v := float64(n)
	w.metric(name, &v)
}
