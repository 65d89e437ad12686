package offline

import (
	"context"

	"plumb/lm/gguf"
)

// reference has the method compute what its training looks up, such as the log-probs of the untouched base.
func (w *work) reference(ctx context.Context) error { return w.method().prepare(ctx, w) }

// train fits the adapter.
func (w *work) train(ctx context.Context) error {
	made, err := w.method().train(ctx, w)
	if err != nil {
		return err
	}
	if err := w.folder.closeCurve(); err != nil {
		return err
	}
	w.run.Weights = made.weights
	return made.adapter.WriteFile(w.folder.path("adapter.gguf"), w.base, w.provenance()...)
}

// method is how this run learns.
func (w *work) method() method {
	if w.config.Trainer != "" {
		return elsewhere{w.run.Method}
	}
	return methodOf(w.run.Method)
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
