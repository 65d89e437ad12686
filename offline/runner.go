package offline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/advise"
	"plumb/offline/evaluate"
	"plumb/offline/pairs"
	"plumb/offline/registry"
	"plumb/offline/rows"
	"plumb/offline/trl"
)

// Log is what runs learn from, and canaries and shadows are judged by; a [feedback.Log] is one.
type Log interface {
	pairs.Source
	Generations(ctx context.Context, q feedback.Query) (generations []feedback.Generation, next string, err error)
}

// Runner makes runs. Its fields are set once, before use; several runners on one store take turns by the lease.
type Runner struct {
	Log      Log
	Registry registry.Registry
	Lease    registry.Lease
	Upstream Upstream

	Alias    string // name under which the result is to answer: "plumb"
	Base     string // the upstream's name of the model that is trained
	BaseFile string // its GGUF file, where the upstream cannot tell; "" asks [Upstream.Locate]
	Dir      string // data folder: runs/ID and reference/ are made in it
	Config   Config // of new runs; a run that goes on keeps its own
	Code     string // version of the program, kept in the manifest
	Holder   string // of the lease: host and process

	// Neutral is text that nobody votes on, whose likelihood must not fall; nil means English sentences of all sorts.
	Neutral []rows.Demonstration
	// Harmless is prompts that a model must not begin to refuse, and Claims false claims that it must not begin to agree with; nil means
	// those of package evaluate, in English.
	Harmless [][]chat.Message
	Claims   []evaluate.Claim
	// Anchors is text of the base's own kind, away from the votes, whose likelihood training holds up where Config.Train.Anchor says so.
	// It must not be what Neutral measures.
	Anchors []rows.Demonstration
	// BaseNLL, if not nil, tells method auto whether the base has learned the task.
	BaseNLL *advise.BaseNLL
	// Progress, if not nil, is told how far a state is; all is 0 where that is not known.
	Progress func(state registry.State, done, all int, note string)

	// Launch is how a trainer that is another program is started, where Config.Trainer names one.
	Launch trl.Launch

	LeaseTime time.Duration    // 0 means a minute
	Now       func() time.Time // nil means time.Now
}

// Request asks for a run.
type Request struct {
	Method string // "" means the Config's
	Seed   *int64 // nil means the Config's
}

// Run makes a run, or goes on with the newest one if that was interrupted and had the same configuration. It returns the manifest as
// it stands, also with an error: then the run can be gone on with by calling Run again. While another run is under way the error
// is of kind Conflict.
func (r *Runner) Run(ctx context.Context, q Request) (registry.Run, error) {
	if err := r.config(q).Check(); err != nil {
		return registry.Run{}, err
	}
	held, fence, release, err := r.hold(ctx)
	if err != nil {
		return registry.Run{}, err
	}
	defer release()
	run, err := r.pick(held, q, fence)
	if err != nil {
		return registry.Run{}, err
	}
	return r.walk(held, run, fence)
}

// Begin stores the manifest of a new run, which the next Run then makes, by its own request: for those who answer before the work is
// done. An interrupted run that Run would go on with is returned instead. Conflict while a run is under way.
func (r *Runner) Begin(ctx context.Context, q Request) (registry.Run, error) {
	if err := r.config(q).Check(); err != nil {
		return registry.Run{}, err
	}
	held, fence, release, err := r.hold(ctx)
	if err != nil {
		return registry.Run{}, err
	}
	defer release()
	return r.pick(held, q, fence)
}

func (r *Runner) config(q Request) Config {
	c := r.Config
	if q.Method != "" {
		c.Method = q.Method
	}
	if q.Seed != nil {
		c.Seed = *q.Seed
	}
	return c.withDefaults()
}

// patience is how long a run that fails again and again is gone on with.
const patience = 24 * time.Hour

// pick returns the run to work on: the newest one if it is unfinished and was meant like this, or has done nothing yet, else a new
// one. Unfinished runs that are not gone on with have failed.
func (r *Runner) pick(ctx context.Context, q Request, fence int64) (registry.Run, error) {
	runs, err := r.Registry.Runs(ctx, 20)
	if err != nil {
		return registry.Run{}, fmt.Errorf("begin run: %w", err)
	}
	c := r.config(q)
	config, err := json.Marshal(c)
	if err != nil {
		return registry.Run{}, fmt.Errorf("begin run: %w", err)
	}
	for i, old := range runs {
		if old.Alias != r.Alias || finished(old) {
			continue
		}
		if i == 0 && old.State == registry.Collect {
			old.Config, old.Seed, old.Method, old.Updated = config, c.Seed, c.Method, r.now()
			return old, r.put(ctx, old, fence)
		}
		if i == 0 && string(old.Config) == string(config) && r.folder(old).has("start.json") && (old.Error == "" || r.now().Sub(old.Created) < patience) {
			return old, nil
		}
		if err := r.abandon(ctx, old, fence); err != nil {
			return registry.Run{}, err
		}
	}
	now := r.now()
	run := registry.Run{ID: "run-" + ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String(), Alias: r.Alias, State: registry.Collect,
		Created: now, Updated: now, Base: registry.Release{Model: r.Base}, Config: config, Seed: c.Seed, Code: r.Code, Method: c.Method}
	return run, r.put(ctx, run, fence)
}

// abandon ends a run that nobody goes on with.
func (r *Runner) abandon(ctx context.Context, old registry.Run, fence int64) error {
	old.State, old.Updated = registry.Failed, r.now()
	if old.Error == "" {
		old.Error = "abandoned for another run"
	}
	return errors.Join(r.clean(old), r.put(ctx, old, fence))
}

// finished says whether nothing is left to be done of a run; one that waits as a canary is for people to decide on.
func finished(m registry.Run) bool {
	return m.Decision != "" || slices.Contains([]registry.State{registry.Live, registry.Rejected, registry.Failed}, m.State)
}

// steps are the states in their order with what is done in each.
var steps = []struct {
	state registry.State
	do    func(*work, context.Context) error
	model bool // of runs that make a model alone
}{
	{registry.Collect, (*work).collect, false},
	{registry.Build, (*work).build, false},
	{registry.RefitRM, (*work).refit, false},
	{registry.Choose, (*work).choose, false},
	{registry.Reference, (*work).reference, true},
	{registry.Train, (*work).train, true},
	{registry.Evaluate, (*work).evaluate, true},
	{registry.GateState, (*work).gate, false},
	{registry.Write, (*work).write, true},
	{registry.Publish, (*work).publish, true},
	{registry.Canary, (*work).release, false},
}

// walk does what is left of a run.
func (r *Runner) walk(ctx context.Context, run registry.Run, fence int64) (registry.Run, error) {
	w := &work{Runner: r, run: run, fence: fence, folder: r.folder(run)}
	defer w.close()
	if err := json.Unmarshal(run.Config, &w.config); err != nil {
		return run, fmt.Errorf("read configuration of %s: %w", run.ID, err)
	}
	w.run.Error = ""
	for _, s := range steps {
		if s.state != w.run.State {
			continue
		}
		if !s.model || w.run.Method != RMOnly {
			r.progress(s.state, 0, 0, "")
			if err := s.do(w, ctx); err != nil {
				return w.failed(ctx, s.state, err)
			}
		}
		if s.state == registry.GateState && w.config.NoPublish && w.run.Decision == "" {
			w.run.Decision = decisionPassed
		}
		next := after(s.state)
		if w.run.Decision != "" {
			next = registry.State(w.run.Decision)
		}
		if next == registry.Rejected || next == registry.Live || next == registry.Passed {
			if err := w.clean(w.run); err != nil {
				return w.run, err
			}
		}
		w.run.State, w.run.Updated = next, r.now()
		if err := r.put(ctx, w.run, fence); err != nil {
			return w.run, err
		}
		if w.run.Decision != "" {
			break
		}
	}
	return w.run, nil
}

// after returns the state that follows.
func after(s registry.State) registry.State {
	for i := range steps[:len(steps)-1] {
		if steps[i].state == s {
			return steps[i+1].state
		}
	}
	return registry.Live
}

// failed notes in the manifest why the run stopped. The state stays, so that it can be gone on with.
func (w *work) failed(ctx context.Context, s registry.State, err error) (registry.Run, error) {
	err = fmt.Errorf("%s: %w", s, err)
	if cause := context.Cause(ctx); cause != nil { // killed, or the lease is lost: somebody else may be at it
		return w.run, errors.Join(cause, err)
	}
	w.run.Error, w.run.Updated = err.Error(), w.now()
	return w.run, errors.Join(err, w.put(ctx, w.run, w.fence))
}

// put stores a run. A mark that somebody was erased, set while the run went on, is kept.
func (r *Runner) put(ctx context.Context, run registry.Run, fence int64) error {
	stored, err := r.Registry.Run(ctx, run.ID)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return fmt.Errorf("store run %s: %w", run.ID, err)
	}
	run.Tainted = marks(run, stored.Tainted)
	if err := r.Registry.PutRun(ctx, run, fence); err != nil {
		return fmt.Errorf("store run %s: %w", run.ID, err)
	}
	return nil
}

func (r *Runner) folder(run registry.Run) folder {
	return folder(filepath.Join(r.Dir, "runs", filepath.Base(run.ID)))
}

func (r *Runner) now() time.Time {
	if r.Now != nil {
		return r.Now().UTC()
	}
	return time.Now().UTC()
}

func (r *Runner) progress(s registry.State, done, all int, note string) {
	if r.Progress != nil {
		r.Progress(s, done, all, note)
	}
}

// reject ends a run without a result.
func (w *work) reject(format string, args ...any) {
	w.run.Decision, w.run.Reason = "rejected", fmt.Sprintf(format, args...)
}
