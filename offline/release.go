package offline

import (
	"context"
	"encoding/json"
	"fmt"

	"plumb/chat"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// change moves an alias, or says with done that nothing is to be done.
type change func(a *registry.Alias) (done bool, err error)

// move changes the alias by compare-and-set, again if somebody else moved it meanwhile. With a fence above 0 it does so only while
// the lease is held under it.
func (r *Runner) move(ctx context.Context, to change, fence int64) (registry.Alias, error) {
	var refused error
	version := int64(-1) // that was refused
	for range 10 {
		a, err := r.Registry.Alias(ctx, r.Alias)
		if err != nil {
			return a, fmt.Errorf("read alias %s: %w", r.Alias, err)
		}
		if a.Version == version { // nobody has moved it: it was the fence
			return a, fmt.Errorf("move alias %s: %w", r.Alias, refused)
		}
		a.Name = r.Alias
		if done, err := to(&a); done || err != nil {
			return a, err
		}
		a.Updated = r.now()
		moved, err := r.Registry.SetAlias(ctx, a, fence)
		if err == nil {
			return moved, nil
		}
		if chat.KindOf(err) != chat.Conflict {
			return a, fmt.Errorf("move alias %s: %w", r.Alias, err)
		}
		version, refused = a.Version, err
	}
	return registry.Alias{}, &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("move alias %s: others move it all the time", r.Alias)}
}

// makeLive has a release answer; what answered before is kept as the previous one, the untouched base if nothing did.
func (r *Runner) makeLive(release registry.Release) change {
	return func(a *registry.Alias) (bool, error) {
		if a.Live != nil && *a.Live == release {
			return true, nil
		}
		a.Previous = a.Live
		if a.Previous == nil {
			a.Previous = &registry.Release{Model: r.Base}
		}
		if a.Canary != nil && a.Canary.Run == release.Run {
			a.EndCanary()
		}
		a.Live = &release
		return false, nil
	}
}

// makeCanary has a release answer a share of users.
func (r *Runner) makeCanary(share float64) func(registry.Release) change {
	return func(release registry.Release) change {
		return func(a *registry.Alias) (bool, error) {
			if a.Canary != nil && *a.Canary == release && a.Share == share && a.Shadow == nil {
				return true, nil
			}
			a.Canary, a.Share, a.Shadow = &release, share, nil
			return false, nil
		}
	}
}

// makeShadow has a release answer requests unseen, before a share of users gets it.
func (r *Runner) makeShadow(replies int, share float64) func(registry.Release) change {
	return func(release registry.Release) change {
		return func(a *registry.Alias) (bool, error) {
			if a.Canary != nil && *a.Canary == release { // also one that is past its shadow
				return true, nil
			}
			a.Canary, a.Share, a.Shadow = &release, 0, &registry.Shadow{Replies: replies, Share: share}
			return false, nil
		}
	}
}

// Status returns what answers now and before, and the newest runs.
func (r *Runner) Status(ctx context.Context, limit int) (registry.Alias, []registry.Run, error) {
	a, err := r.Registry.Alias(ctx, r.Alias)
	if err != nil {
		return a, nil, fmt.Errorf("read alias %s: %w", r.Alias, err)
	}
	runs, err := r.Registry.Runs(ctx, limit)
	if err != nil {
		return a, nil, fmt.Errorf("read runs: %w", err)
	}
	return a, runs, nil
}

// Promote makes the result of a run live, with its reward model; run "" means the newest that was published. One that passed the gate
// and was not to be published is published first, if it is named (see publishPassed). The error is of kind NotFound for a run that is
// unknown or where none was published, Conflict for one that has no result or that the gate rejected.
func (r *Runner) Promote(ctx context.Context, run string) (registry.Alias, error) {
	m, err := r.promotable(ctx, run)
	if err != nil {
		return registry.Alias{}, err
	}
	if m.Decision == decisionPassed {
		return r.publishPassed(ctx, m.ID)
	}
	a, err := r.move(ctx, r.makeLive(m.Result), 0)
	if err != nil {
		return a, err
	}
	if m.State == registry.Canary {
		m.State, m.Decision, m.Updated = registry.Live, "live", r.now()
		return a, r.put(ctx, m, 0)
	}
	return a, nil
}

func (r *Runner) promotable(ctx context.Context, id string) (registry.Run, error) {
	if id != "" {
		m, err := r.Registry.Run(ctx, id)
		if err != nil {
			return m, fmt.Errorf("promote: %w", err)
		}
		switch {
		case m.Alias != r.Alias:
			return m, &chat.Error{Kind: chat.Conflict, Param: "run", Msg: fmt.Sprintf("promote %s: it was made for alias %s, not %s", id, m.Alias, r.Alias)}
		case m.Decision == "rejected":
			return m, &chat.Error{Kind: chat.Conflict, Param: "run", Msg: fmt.Sprintf("promote %s: it was rejected: %s", id, why(m))}
		case m.Decision == decisionPassed:
			return m, nil
		case !passed(m):
			return m, &chat.Error{Kind: chat.Conflict, Param: "run", Msg: fmt.Sprintf("promote %s: it has no result; it stands at %s", id, m.State)}
		}
		return m, nil
	}
	runs, err := r.Registry.Runs(ctx, 1000)
	if err != nil {
		return registry.Run{}, fmt.Errorf("promote: %w", err)
	}
	msg := "promote: no run has passed the gate yet"
	for _, m := range runs {
		switch {
		case m.Alias != r.Alias:
		case passed(m):
			return m, nil
		case m.Decision == decisionPassed:
			msg = fmt.Sprintf("promote: %s passed the gate and was not to be published: name it to publish it", m.ID)
		}
	}
	return registry.Run{}, &chat.Error{Kind: chat.NotFound, Param: "run", Msg: msg}
}

func passed(m registry.Run) bool {
	return (m.Decision == "live" || m.Decision == "canary") && m.Result.Model != ""
}

// why returns in a line why a run was rejected.
func why(m registry.Run) string {
	var report gate.Report
	if json.Unmarshal(m.Gate, &report) == nil && !report.Pass && report.Why != "" {
		return report.Why
	}
	return m.Reason
}

// Why returns in a line why a run was rejected, "" if it was not.
func Why(m registry.Run) string {
	if m.Decision != "rejected" {
		return ""
	}
	return why(m)
}

// Rollback has the previous release answer again, model and reward model together; what answered becomes the previous one, so that a
// second call takes the first back. The error is of kind Conflict where there is no previous release.
func (r *Runner) Rollback(ctx context.Context) (registry.Alias, error) {
	return r.move(ctx, func(a *registry.Alias) (bool, error) {
		if a.Previous == nil {
			return false, &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("roll back: nothing answered as %s before", r.Alias)}
		}
		a.Live, a.Previous = a.Previous, a.Live
		a.EndCanary()
		return false, nil
	}, 0)
}
