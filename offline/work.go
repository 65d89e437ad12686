package offline

import (
	"context"
	"errors"
	"fmt"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
	"plumb/offline/pairs"
	"plumb/offline/registry"
)

// work is a run under way in this process.
type work struct {
	*Runner
	run    registry.Run
	fence  int64
	folder folder
	config Config

	base      *lm.Model // opened when it is first needed
	incumbent *lm.Model // where it is another file
}

// start is what a run begins with; it stays as it was, whatever moves meanwhile.
type start struct {
	Incumbent       registry.Release `json:"incumbent"`
	IncumbentIsBase bool             `json:"incumbent_is_base"`
}

// split is the rows of a run.
type split struct {
	Train     pairs.Set     `json:"train"`
	HeldOut   pairs.Set     `json:"held_out"`
	Divided   pairs.Divided `json:"divided"`
	Preferred float64       `json:"preferred_length"`
	Noise     *pairs.Noise  `json:"noise,omitempty"` // of all votes; nil where too few things were judged twice to tell
}

func (w *work) close() {
	if w.base != nil {
		w.base.Close()
	}
	if w.incumbent != nil {
		w.incumbent.Close()
	}
}

// openBase opens the base model, which must be the one that the run began with.
func (w *work) openBase(ctx context.Context) (*lm.Model, error) {
	if w.base != nil {
		return w.base, nil
	}
	path := w.BaseFile
	if path == "" {
		var err error
		if path, err = w.Upstream.Locate(ctx, w.Base); err != nil {
			return nil, fmt.Errorf("find the file of base model %s: %w", w.Base, err)
		}
	}
	m, err := lm.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open base model: %w", err)
	}
	if w.run.Base.Digest != "" && w.run.Base.Digest != m.Digest() {
		m.Close()
		return nil, &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("open base model: %s has changed since the run began", path)}
	}
	w.run.Base.Digest = m.Digest()
	w.base = m
	return m, nil
}

// policies returns candidate, incumbent and base. An incumbent that was trained from the same base on this machine is that base
// with its adapter; another one is opened as the upstream serves it.
func (w *work) policies(ctx context.Context) (candidate, incumbent, base evaluate.Policy, s start, err error) {
	if err = w.folder.get("start.json", &s); err != nil {
		return
	}
	m, err := w.openBase(ctx)
	if err != nil {
		return
	}
	base.Model, incumbent.Model, candidate.Model = m, m, m
	if candidate.Adapter, err = m.ReadAdapter(w.folder.path("adapter.gguf")); err != nil || s.IncumbentIsBase {
		return
	}
	before, err := w.Registry.Run(ctx, s.Incumbent.Run)
	if err == nil && before.Method == RMOnly && before.Parent != "" {
		before, err = w.Registry.Run(ctx, before.Parent)
	}
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return
	}
	theirs := w.Runner.folder(before)
	if err == nil && before.Result.Model == s.Incumbent.Model && before.Base.Digest == m.Digest() && theirs.has("adapter.gguf") {
		incumbent.Adapter, err = m.ReadAdapter(theirs.path("adapter.gguf"))
		return
	}
	path, err := w.Upstream.Locate(ctx, s.Incumbent.Model)
	if err != nil {
		err = fmt.Errorf("find the file of %s, which answers now: %w", s.Incumbent.Model, err)
		return
	}
	if w.incumbent, err = lm.Open(path); err == nil {
		incumbent.Model = w.incumbent
		if w.incumbent.Config().Vocab != m.Config().Vocab {
			err = errors.New("the model that answers now has another vocabulary than the base")
		}
	}
	return
}
