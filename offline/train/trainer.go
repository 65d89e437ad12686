package train

import (
	"context"
	"fmt"
	"math"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/checkpoint"
	"plumb/offline/loss"
	"plumb/offline/optim"
)

// Trainer trains Model as Config says. It is used once. Model must not be used by others where all weights are trained.
type Trainer struct {
	Model  *lm.Model
	Config Config
	// Start is the adapter to begin with, which is changed; nil makes a new one from the seed.
	Start *lm.Adapter
	// Anchors are replies whose likelihood is held up where Config.Anchor says so; their own weights and labels do not count.
	Anchors []Reply
	// Dir keeps a checkpoint, from which the next Trainer with the same model, configuration and rows goes on; "" for none.
	Dir string
	// Cache is the folder of reference log-probs; "" for none.
	Cache string
	// Each is told of every step, in order. After an interruption those since the last checkpoint come again. An error of it stops
	// the training.
	Each func(Step) error
	// Referenced is told how far the reference is.
	Referenced func(done, all int)
}

// Result is what a training made.
type Result struct {
	Adapter *lm.Adapter // nil where the model's own weights were trained
	Weights string      // SHA-256 over the trained tensors, hex
	Steps   int
	Rows    int
	Passes  float64 // over the rows
	Last    Step    // what the last step measured
}

// objective is what a training minimises.
type objective interface {
	// rows returns how many there are, a hash of all, and the fewest that make a step.
	rows() (n int, hash string, least int)
	// begin prepares for the steps.
	begin(ctx context.Context) error
	// batch adds the gradient of the mean loss of the given rows to grad and returns what it measured.
	batch(ctx context.Context, rows []int, grad *lm.Params) (Step, error)
}

// run is a training under way.
type run struct {
	Trainer
	adapter *lm.Adapter // nil for all weights
	params  *lm.Params
	grad    *lm.Params
	adam    optim.AdamW
	delta   loss.Delta
	last    Step // made
	ref     *Reference
}

func (t Trainer) start(kind string) (*run, error) {
	if err := t.Config.Check(); err != nil {
		return nil, err
	}
	if want := Kind(t.Config.Method); want != kind {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("train: method %s is for %s rows, got %s rows", t.Config.Method, want, kind)}
	}
	t.Config = t.Config.WithDefaults()
	r := &run{Trainer: t, adapter: t.Start}
	r.adam.Beta2 = t.Config.Beta2
	switch {
	case t.Config.Full && t.Start != nil:
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "train: an adapter to begin with, and full weights; want one of them"}
	case t.Config.Full:
		r.params = t.Model.Weights()
		r.grad = r.params.ZeroLike()
		return r, nil
	case r.adapter == nil:
		var err error
		if r.adapter, err = t.Model.NewAdapter(t.Config.lora()); err != nil {
			return nil, err
		}
	}
	r.params = r.adapter.Params
	r.grad = r.params.ZeroLike()
	var err error
	r.ref, err = OpenReference(t.Model, t.Cache)
	return r, err
}

// loop is the training.
func (r *run) loop(ctx context.Context, o objective) (*Result, error) {
	c := r.Config
	n, hash, least := o.rows()
	if n < least {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("train: %d rows, want at least %d", n, least)}
	}
	order, passes := c.order(n), c.Passes(n)
	steps := order.steps(passes)
	schedule, anchor := c.schedule(steps), r.anchored()
	r.Config.Epochs = passes // a checkpoint is of what is done, not of what was left open
	step, fingerprint, err := r.resume(hash + hashReplies(r.Anchors))
	if err != nil {
		return nil, err
	}
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	every := c.SaveEvery
	if every == 0 {
		every = max(1, steps/20)
	}
	for ; step < steps; step++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clear(r.grad.Data)
		s, err := o.batch(ctx, order.at(step), r.grad)
		if err != nil {
			return nil, err
		}
		if err := anchor.add(ctx, step, &s, r.grad); err != nil {
			return nil, err
		}
		s.Step, s.Steps, s.Epoch, s.LR = step+1, steps, float64(step)/float64(order.perEpoch()), schedule.At(step)
		if s.GradNorm = optim.Clip(r.grad.Data, math.Max(0, c.Clip)); !finite(s.GradNorm) || !finite(s.Loss) {
			return nil, fmt.Errorf("train: step %d has loss %v and gradient norm %v; a smaller lr may help", s.Step, s.Loss, s.GradNorm)
		}
		r.decay(s.LR)
		r.adam.Step(r.params.Data, r.grad.Data, s.LR)
		if r.last = s; r.Each != nil {
			if err := r.Each(s); err != nil {
				return nil, err
			}
		}
		if r.Dir != "" && (s.Step%every == 0 || s.Step == steps) {
			if err := r.save(fingerprint); err != nil {
				return nil, err
			}
		}
	}
	return &Result{Adapter: r.adapter, Weights: checkpoint.Hash(r.params), Steps: steps, Rows: n, Passes: passes, Last: r.last}, nil
}

// decay shrinks the matrices.
func (r *run) decay(lr float64) {
	if r.Config.Decay == 0 {
		return
	}
	for _, t := range r.params.Tensors {
		if t.Rows > 1 {
			optim.Decay(r.params.Data[t.Offset:t.Offset+t.Rows*t.Cols], lr, r.Config.Decay)
		}
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
