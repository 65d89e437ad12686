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
)

// CanaryWatch compares people's thumbs on the canary of an alias with those on what is live since it was let loose, and acts: a good one
// goes live, a bad one is taken back, with the run's manifest saying why. It is to be asked now and then. The zero value with a Runner is
// ready; it is safe for concurrent use, and so are several watches, in several processes, on one alias: whoever is second finds nothing
// left to do.
type CanaryWatch struct {
	Runner *Runner
	Limits gate.CanaryLimits

	mu      sync.Mutex
	counted string           // the canary and what is live that the rest is about
	after   string           // cursor: all that comes before it was said before the canary
	before  gate.Votes       // on what is live, before the canary
	replies map[string]reply // by generation
}

// CanaryNews is how a canary stands. Run is empty where there is none.
type CanaryNews struct {
	Run     string  `json:"run"`
	Share   float64 `json:"share"`
	Verdict string  `json:"verdict"` // a verdict of package gate
	Why     string  `json:"why"`
	gate.Ballot
}

// Look says how the canary stands and changes nothing. Its first look at a canary reads all votes, later ones those since.
func (w *CanaryWatch) Look(ctx context.Context) (CanaryNews, error) {
	_, news, err := w.look(ctx)
	return news, err
}

// Judge looks, and acts on the verdict. The verdict is written into the manifest before the alias moves, so that after a crash in
// between the next call finishes what was decided.
func (w *CanaryWatch) Judge(ctx context.Context) (CanaryNews, error) {
	run, news, err := w.look(ctx)
	if err != nil || news.Verdict != gate.Good && news.Verdict != gate.Bad {
		return news, err
	}
	if err := w.Runner.settle(ctx, run, news); err != nil {
		return news, fmt.Errorf("judge canary: %w", err)
	}
	return news, nil
}

// JudgeCanary is [CanaryWatch.Judge] of a new watch. The verdict is "" without a canary.
func (r *Runner) JudgeCanary(ctx context.Context, limits gate.CanaryLimits) (verdict, why string, err error) {
	news, err := (&CanaryWatch{Runner: r, Limits: limits}).Judge(ctx)
	return news.Verdict, news.Why, err
}

func (w *CanaryWatch) look(ctx context.Context) (run registry.Run, news CanaryNews, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.Runner.Registry.Alias(ctx, w.Runner.Alias)
	if err != nil {
		return run, news, fmt.Errorf("judge canary: %w", err)
	}
	if a.Canary == nil {
		return run, CanaryNews{Why: "no canary"}, nil
	}
	if run, err = w.Runner.Registry.Run(ctx, a.Canary.Run); err != nil {
		return run, news, fmt.Errorf("judge canary: %w", err)
	}
	news.Run, news.Share = run.ID, a.Share
	switch run.State {
	case registry.Live:
		news.Verdict, news.Why = gate.Good, "decided before, and not done yet"
		return run, news, nil
	case registry.Rejected:
		news.Verdict, news.Why = gate.Bad, "decided before, and not done yet"
		return run, news, nil
	}
	if a.Shadow != nil {
		news.Verdict, news.Why = gate.Wait, "it answers unseen first"
		return run, news, nil
	}
	if news.Ballot, err = w.count(ctx, a, run); err != nil {
		return run, news, fmt.Errorf("judge canary: %w", err)
	}
	news.Verdict, news.Why = gate.JudgeCanary(news.Ballot, w.Limits)
	return run, news, nil
}

// settle ends a canary as the verdict says. Who has moved the alias meanwhile, by hand or in another process, has the last word.
func (r *Runner) settle(ctx context.Context, run registry.Run, news CanaryNews) error {
	return r.settleAs(ctx, run, news.Verdict, "canary: "+news.Why)
}

func (r *Runner) settleAs(ctx context.Context, run registry.Run, verdict, why string) error {
	if run.State == registry.Canary {
		run.State, run.Decision = registry.Live, "live"
		if verdict == gate.Bad {
			run.State, run.Decision, run.Reason = registry.Rejected, "rejected", why
		}
		run.Updated = r.now()
		if err := r.put(ctx, run, 0); err != nil {
			return err
		}
	}
	a, err := r.move(ctx, func(a *registry.Alias) (done bool, err error) {
		if a.Canary == nil || a.Canary.Run != run.ID {
			return true, nil
		}
		if verdict == gate.Good {
			_, err = r.makeLive(*a.Canary)(a)
		}
		a.EndCanary()
		return false, err
	}, 0)
	if err != nil {
		return err
	}
	if promoted := a.Live != nil && a.Live.Run == run.ID; promoted && verdict == gate.Bad {
		run.State, run.Decision, run.Reason = registry.Live, "live", "made live by hand; "+run.Reason
		return r.put(ctx, run, 0)
	}
	return nil
}

// reply is what a vote needs of a generation.
type reply struct {
	alias, run string
	at         time.Time
}

// count counts thumbs, and ratings as thumbs, on replies that the canary gave, and on those that what is live gave meanwhile.
func (w *CanaryWatch) count(ctx context.Context, a registry.Alias, run registry.Run) (gate.Ballot, error) {
	live := ""
	if a.Live != nil {
		live = a.Live.Run
	}
	if key := run.ID + " " + live; key != w.counted {
		if err := w.begin(ctx, live, run.Updated); err != nil {
			return gate.Ballot{}, err
		}
		w.counted = key
	}
	b := gate.Ballot{Before: w.before}
	err := w.thumbs(ctx, w.after, func(e feedback.Event, down bool) error {
		if e.Time.Before(run.Updated) {
			return nil
		}
		g, err := w.reply(ctx, e.Generation)
		switch {
		case err != nil:
			return err
		case g.alias != w.Runner.Alias || g.at.Before(run.Updated):
		case g.run == run.ID:
			b.Canary.Add(down)
		case g.run == live:
			b.Live.Add(down)
		}
		return nil
	}, nil)
	return b, err
}

// history is how many of the last thumbs before a canary are looked at.
const history = 1000

// begin finds where the votes since the canary begin, and what people said before of what is live.
func (w *CanaryWatch) begin(ctx context.Context, live string, since time.Time) error {
	w.after, w.before, w.replies = "", gate.Votes{}, map[string]reply{}
	type thumb struct {
		generation string
		down       bool
	}
	var past []thumb
	early := true
	err := w.thumbs(ctx, "", func(e feedback.Event, down bool) error {
		if e.Time.Before(since) {
			if past = append(past, thumb{e.Generation, down}); len(past) >= 2*history {
				past = append(past[:0], past[history:]...)
			}
		}
		return nil
	}, func(events []feedback.Event, next string) {
		for _, e := range events {
			early = early && e.Time.Before(since)
		}
		if early && next != "" {
			w.after = next
		}
	})
	if err != nil {
		return err
	}
	for _, t := range past[max(0, len(past)-history):] {
		g, err := w.reply(ctx, t.generation)
		if err != nil {
			return err
		}
		if g.alias == w.Runner.Alias && g.run == live {
			w.before.Add(t.down)
		}
	}
	return nil
}

// thumbs calls each with every thumb, or rating that is as good as one, and page with every page of events.
func (w *CanaryWatch) thumbs(ctx context.Context, after string, each func(feedback.Event, bool) error, page func([]feedback.Event, string)) error {
	for {
		events, next, err := w.Runner.Log.Events(ctx, feedback.Query{After: after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, e := range events {
			if down, ok := verdictOf(e); ok {
				if err := each(e, down); err != nil {
					return err
				}
			}
		}
		if page != nil {
			page(events, next)
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// reply reads what is known of a generation, once. One that is gone belongs to no alias.
func (w *CanaryWatch) reply(ctx context.Context, id string) (reply, error) {
	if known, ok := w.replies[id]; ok {
		return known, nil
	}
	g, err := w.Runner.Log.Generation(ctx, id)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return reply{}, err
	}
	r := reply{g.Policy.Alias, g.Policy.Run, g.Time}
	if err != nil {
		r = reply{}
	}
	w.replies[id] = r
	return r, nil
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
