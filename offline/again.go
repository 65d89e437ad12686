package offline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/loss"
	"plumb/offline/optim"
	"plumb/offline/pairs"
	"plumb/offline/registry"
)

// Again makes a run again from its manifest: the same base, configuration and seed, on the feedback that it had, less what was erased,
// withdrawn or replaced by another word since. Every weight is what it would be had what is gone never been there. Nothing is published;
// [Runner.Promote] of the new run does that. The error is of kind NotFound for an unknown run, Conflict for one of another alias or base,
// or one that never read its feedback.
func (r *Runner) Again(ctx context.Context, id string) (registry.Run, error) {
	old, err := r.Registry.Run(ctx, id)
	if err != nil {
		return registry.Run{}, fmt.Errorf("make run again: %w", err)
	}
	refused := func(format string, args ...any) (registry.Run, error) {
		return registry.Run{}, &chat.Error{Kind: chat.Conflict, Param: "run", Msg: fmt.Sprintf("make %s again: ", id) + fmt.Sprintf(format, args...)}
	}
	switch {
	case old.Alias != r.Alias:
		return refused("it was made for alias %s, not %s", old.Alias, r.Alias)
	case old.Base.Model != r.Base:
		return refused("its base is %s, not %s", old.Base.Model, r.Base)
	case old.DataRoot == "":
		return refused("it never read its feedback; it stands at %s", old.State)
	}
	again := *r
	if err := json.Unmarshal(old.Config, &again.Config); err != nil {
		return registry.Run{}, fmt.Errorf("read configuration of %s: %w", id, err)
	}
	again.Config.keepOld(old)
	again.Config.NoPublish, again.Config.Again, again.Config.Until = true, id, old.Until
	if old.Until.IsZero() { // of a version that did not note it
		again.Config.Until = old.Created
	}
	return again.Run(ctx, Request{})
}

// keepOld gives settings that a run left open what they meant when it was made, where that is no longer what they mean.
func (c *Config) keepOld(old registry.Run) {
	if c.RL.Schedule == "" {
		c.RL.Schedule = optim.Constant
	}
	if _, noted := old.Metrics["train/epsilon"]; !noted && c.Train.Epsilon == 0 && loss.AssumesFlips(old.Method) {
		c.Train.Epsilon = oldFlips
	}
}

// oldFlips is what cdpo and robust assume of the votes where nobody says how many are wrong, and what the votes say is not asked.
const oldFlips = .1

// asBefore notes up to when the feedback goes. For a run that is made again it is what that one had, and the base must be its base.
func (w *work) asBefore(ctx context.Context, all pairs.Records) (pairs.Records, error) {
	if w.config.Again == "" {
		w.run.Until = newest(all, w.now())
		return all, nil
	}
	old, err := w.Registry.Run(ctx, w.config.Again)
	if err != nil {
		return all, fmt.Errorf("make run again: %w", err)
	}
	w.run.Base.Digest, w.run.Until = old.Base.Digest, w.config.Until
	return givenBy(all, w.config.Until), nil
}

// newest returns now, or the time of the newest event where the clock that stamped it is ahead.
func newest(r pairs.Records, now time.Time) time.Time {
	for _, e := range r.Events {
		if e.Time.After(now) {
			now = e.Time
		}
	}
	return now
}

// givenBy returns the events up to a time, and the generations that they are about.
func givenBy(all pairs.Records, until time.Time) pairs.Records {
	some := pairs.Records{Generations: map[string]feedback.Generation{}}
	for _, e := range all.Events {
		if e.Time.After(until) {
			continue
		}
		some.Events = append(some.Events, e)
		if g, ok := all.Generations[e.Generation]; ok {
			some.Generations[g.ID] = g
		}
	}
	return some
}
