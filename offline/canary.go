package offline

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// JudgeCanary compares people's thumbs on the canary with those on what is live since it was let loose, and acts: a good one goes live,
// a bad one is taken back, with the run's manifest saying why. It returns gate.Wait where it is too early, or "" without a canary. To be
// called now and then; it looks at all votes each time.
func (r *Runner) JudgeCanary(ctx context.Context, limits gate.CanaryLimits) (verdict, why string, err error) {
	a, err := r.Registry.Alias(ctx, r.Alias)
	if err != nil {
		return "", "", fmt.Errorf("judge canary: %w", err)
	}
	if a.Canary == nil {
		return "", "no canary", nil
	}
	run, err := r.Registry.Run(ctx, a.Canary.Run)
	if err != nil {
		return "", "", fmt.Errorf("judge canary: %w", err)
	}
	canary, live, err := r.canaryVotes(ctx, a, run)
	if err != nil {
		return "", "", fmt.Errorf("judge canary: %w", err)
	}
	verdict, why = gate.JudgeCanary(canary, live, limits)
	switch verdict {
	case gate.Good:
		_, err = r.Promote(ctx, run.ID)
	case gate.Bad:
		err = r.takeBack(ctx, run, why)
	}
	return verdict, why, err
}

// takeBack ends a canary.
func (r *Runner) takeBack(ctx context.Context, run registry.Run, why string) error {
	_, err := r.move(ctx, func(a *registry.Alias) (bool, error) {
		if a.Canary == nil || a.Canary.Run != run.ID {
			return true, nil
		}
		a.Canary, a.Share = nil, 0
		return false, nil
	})
	if err != nil {
		return err
	}
	run.State, run.Decision, run.Reason, run.Updated = registry.Rejected, "rejected", "canary: "+why, r.now()
	return r.put(ctx, run, 0)
}

// canaryVotes counts thumbs, and ratings as thumbs, on replies that the canary gave, and on those that what is live gave meanwhile.
func (r *Runner) canaryVotes(ctx context.Context, a registry.Alias, run registry.Run) (canary, live gate.Votes, err error) {
	liveRun := ""
	if a.Live != nil {
		liveRun = a.Live.Run
	}
	for after := ""; ; {
		events, next, err := r.Log.Events(ctx, feedback.Query{After: after, Limit: 1000})
		if err != nil {
			return canary, live, err
		}
		for _, e := range events {
			down, ok := verdictOf(e)
			if !ok || e.Time.Before(run.Updated) {
				continue
			}
			g, err := r.Log.Generation(ctx, e.Generation)
			if chat.KindOf(err) == chat.NotFound && err != nil {
				continue
			}
			if err != nil {
				return canary, live, err
			}
			votes := &live
			switch {
			case g.Policy.Alias != r.Alias || g.Time.Before(run.Updated):
				continue
			case g.Policy.Run == run.ID:
				votes = &canary
			case g.Policy.Run != liveRun:
				continue
			}
			votes.All++
			if down {
				votes.Down++
			}
		}
		if next == "" {
			return canary, live, nil
		}
		after = next
	}
}

// verdictOf says whether an event is a person's thumb up or down.
func verdictOf(e feedback.Event) (down, ok bool) {
	switch {
	case e.Source != feedback.Human:
	case e.Kind == feedback.Thumb:
		return e.Value < 0, true
	case e.Kind == feedback.Rating && (e.Value <= 2 || e.Value >= 4):
		return e.Value <= 2, true
	}
	return false, false
}
