package offline

import (
	"context"
	"encoding/json"
	"fmt"

	"plumb/chat"
	"plumb/offline/evaluate"
	"plumb/offline/registry"
)

// decisionPassed is the decision on a run that passed the gate and was not to be published.
const decisionPassed = "passed"

// publishPassed publishes the result of a run that passed the gate unpublished, has the file checked, and makes it live, under the lease:
// Conflict while a run is under way. Until the alias is to move the manifest says passed, so that it can be tried again after a
// failure; a file that answers otherwise than it should is rejected. The run's adapter must be on this machine.
func (r *Runner) publishPassed(ctx context.Context, id string) (registry.Alias, error) {
	held, fence, release, err := r.hold(ctx)
	if err != nil {
		return registry.Alias{}, fmt.Errorf("publish %s: %w", id, err)
	}
	defer release()
	run, err := r.Registry.Run(held, id)
	if err != nil {
		return registry.Alias{}, fmt.Errorf("promote: %w", err)
	}
	w := &work{Runner: r, run: run, fence: fence, folder: r.folder(run)}
	defer w.close()
	if err := json.Unmarshal(run.Config, &w.config); err != nil {
		return registry.Alias{}, fmt.Errorf("read configuration of %s: %w", id, err)
	}
	if run.Decision == decisionPassed { // nobody else was quicker
		if err := w.publishNow(held); err != nil {
			return registry.Alias{}, fmt.Errorf("promote %s: %w", id, err)
		}
	}
	return r.move(held, r.makeLive(w.run.Result), fence)
}

// publishNow does what is left of a run after the gate, but for the alias.
func (w *work) publishNow(ctx context.Context) error {
	if w.run.Method == RMOnly {
		a, err := w.Registry.Alias(ctx, w.Alias)
		if err != nil {
			return err
		}
		now := registry.Release{Model: w.Base}
		if a.Live != nil {
			now = *a.Live
		}
		w.run.Result.Model, w.run.Result.Digest, w.run.Result.Run = now.Model, now.Digest, w.run.ID
	} else if err := w.publish(ctx); err != nil {
		return err
	}
	w.run.Updated = w.now()
	rejected := w.run.Decision == "rejected" // by the check of the file
	if rejected {
		w.run.State = registry.Rejected
	} else {
		w.run.State, w.run.Decision = registry.Live, "live"
	}
	if err := w.clean(w.run); err != nil {
		return err
	}
	if err := w.put(ctx, w.run, w.fence); err != nil {
		return err
	}
	if rejected {
		return &chat.Error{Kind: chat.Conflict, Param: "run", Msg: "it was rejected: " + why(w.run)}
	}
	return nil
}

// filePrompts returns what the published file is asked: held-out prompts, or neutral ones where what people wrote is gone already.
func (w *work) filePrompts() (prompts [][]chat.Message, err error) {
	if w.run.Decision == decisionPassed {
		neutral := w.Neutral
		if neutral == nil {
			neutral = evaluate.Sentences()
		}
		for _, r := range neutral[:min(fileChecks, len(neutral))] {
			prompts = append(prompts, r.Prompt.Chat(chat.User))
		}
		return prompts, nil
	}
	s, err := w.rows()
	if err != nil {
		return nil, err
	}
	for _, p := range evaluationPrompts(s.HeldOut, fileChecks) {
		prompts = append(prompts, p.Messages)
	}
	return prompts, nil
}
