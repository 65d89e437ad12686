package offline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/rm"
)

// ShadowWatch looks at what a new release answers unseen beside what is live (the servers draw it, see [registry.Shadow]), and acts once
// there is enough: people get it, or it is taken back, with the run's manifest saying why. As with [CanaryWatch], the zero value with a
// Runner is ready, for concurrent use, and many watches may look at one alias.
type ShadowWatch struct {
	Runner *Runner
	Limits gate.ShadowLimits

	mu      sync.Mutex
	counted string // the run that the rest is about
	after   string // the last generation that was looked at; one that comes late and has an earlier id is not missed much
	asides  []gate.Aside
}

// ShadowNews is how a release in the shadow stands. Run is empty where there is none.
type ShadowNews struct {
	Run     string  `json:"run"`
	Replies int     `json:"replies"` // unseen so far
	Wanted  int     `json:"wanted"`
	Share   float64 `json:"share"` // of users who get it next; 0 is all
	Verdict string  `json:"verdict"`
	Why     string  `json:"why"`
}

// Look says how the release stands and changes nothing.
func (w *ShadowWatch) Look(ctx context.Context) (ShadowNews, error) {
	_, news, err := w.look(ctx)
	return news, err
}

// Judge looks, and acts on the verdict.
func (w *ShadowWatch) Judge(ctx context.Context) (ShadowNews, error) {
	run, news, err := w.look(ctx)
	if err != nil {
		return news, err
	}
	switch {
	case news.Verdict == gate.Bad, news.Verdict == gate.Good && news.Share == 0:
		err = w.Runner.settleAs(ctx, run, news.Verdict, "shadow: "+news.Why)
	case news.Verdict == gate.Good:
		err = w.Runner.show(ctx, run, news.Share)
	}
	if err != nil {
		return news, fmt.Errorf("judge shadow: %w", err)
	}
	return news, nil
}

// show gives a release that was in the shadow to a share of users. Votes count from then on.
func (r *Runner) show(ctx context.Context, run registry.Run, share float64) error {
	run.Updated = r.now()
	if err := r.put(ctx, run, 0); err != nil {
		return err
	}
	_, err := r.move(ctx, func(a *registry.Alias) (done bool, err error) {
		if a.Canary == nil || a.Canary.Run != run.ID || a.Shadow == nil {
			return true, nil // somebody was quicker
		}
		a.Share, a.Shadow = share, nil
		return false, nil
	}, 0)
	return err
}

func (w *ShadowWatch) look(ctx context.Context) (run registry.Run, news ShadowNews, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.Runner.Registry.Alias(ctx, w.Runner.Alias)
	if err != nil {
		return run, news, fmt.Errorf("judge shadow: %w", err)
	}
	if a.Canary == nil || a.Shadow == nil {
		return run, ShadowNews{Why: "nothing answers unseen"}, nil
	}
	if run, err = w.Runner.Registry.Run(ctx, a.Canary.Run); err != nil {
		return run, news, fmt.Errorf("judge shadow: %w", err)
	}
	news.Run, news.Wanted, news.Share = run.ID, a.Shadow.Replies, a.Shadow.Share
	switch run.State {
	case registry.Live:
		news.Verdict, news.Share, news.Why = gate.Good, 0, "decided before, and not done yet"
		return run, news, nil
	case registry.Rejected:
		news.Verdict, news.Why = gate.Bad, "decided before, and not done yet"
		return run, news, nil
	}
	if err = w.gather(ctx, a, run); err != nil {
		return run, news, fmt.Errorf("judge shadow: %w", err)
	}
	news.Replies = len(w.asides)
	news.Verdict, news.Why = gate.JudgeShadow(w.asides, news.Wanted, w.Limits)
	return run, news, nil
}

// gather reads the unseen replies that have come since the last look.
func (w *ShadowWatch) gather(ctx context.Context, a registry.Alias, run registry.Run) error {
	if w.counted != run.ID {
		w.counted, w.asides = run.ID, nil
		w.after = feedback.NewGenerationID(run.Created.Add(-time.Second)) // ids begin with their time
	}
	judge, err := w.judge(ctx, a)
	if err != nil {
		return err
	}
	for {
		page, next, err := w.Runner.Log.Generations(ctx, feedback.Query{After: w.after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, g := range page {
			if g.Shadow != "" && g.Policy.Run == run.ID {
				one, err := w.aside(ctx, judge, g)
				switch {
				case chat.KindOf(err) == chat.NotFound: // erased meanwhile
				case err != nil:
					return err
				default:
					w.asides = append(w.asides, one)
				}
			}
			w.after = g.ID
		}
		if next == "" {
			return nil
		}
	}
}

// judge returns the reward model that both replies are read by: that of what is live, which no reply of the new one was chosen or
// trained by, or else its own; nil if there is none.
func (w *ShadowWatch) judge(ctx context.Context, a registry.Alias) (*rm.Model, error) {
	hash := a.Canary.RM
	if a.Live != nil && a.Live.RM != "" {
		hash = a.Live.RM
	}
	if hash == "" {
		return nil, nil
	}
	b, err := w.Runner.Registry.Blob(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("read reward model %s: %w", hash, err)
	}
	return rm.Decode(b, nil)
}

func (w *ShadowWatch) aside(ctx context.Context, judge *rm.Model, g feedback.Generation) (gate.Aside, error) {
	seen, err := w.Runner.Log.Generation(ctx, g.Shadow)
	if err != nil {
		return gate.Aside{}, err
	}
	one := gate.Aside{Failed: len(g.Candidates) == 0}
	for _, c := range seen.Candidates {
		if !c.Shown || one.Failed {
			continue
		}
		one.Live, one.Shadow = gate.SaidOf(c.Text), gate.SaidOf(g.Candidates[0].Text)
		if judge != nil {
			rewards, err := judge.Score(ctx, g.Messages, []string{c.Text, g.Candidates[0].Text})
			if err != nil {
				return one, err
			}
			gain := rewards[1].Reward - rewards[0].Reward
			one.Gain = &gain
		}
		break
	}
	return one, nil
}
