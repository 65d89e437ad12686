// Package demo plays the whole loop against a running server, as its users would: it asks and votes over the HTTP API with
// the Go client, has a run of alignment made, and measures on prompts that nobody voted on. It knows a server's address
// and a few functions that act on it, nothing of how it is built.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	client "plumb/clients/go"
	"plumb/cmd/plumb/people"
)

// Outcome is what a run of alignment came to.
type Outcome struct {
	Run      string
	Decision string // live, canary or rejected
	Why      string // the checks that failed, "" if none
	Pairs    int
	NLL      *float64 // relative change of the NLL of neutral text, .01 = 1 % worse; nil if not measured
	Seconds  float64
}

// Demo is one play. Zero fields mean the defaults in their comments.
type Demo struct {
	Client   *client.Client
	Alias    string // model name to ask for; "plumb"
	Taste    people.Taste
	Train    []string // prompts that are voted on
	HeldOut  []string // prompts that are measured on
	Votes    int      // 200
	Noise    float64  // share of wrong votes
	Users    int      // simulated people; 12
	N        int      // candidates; 8
	Replies  int      // replies measured a held-out prompt where one is drawn; 4
	Searches int      // the same where N are drawn; 2
	Tokens   int      // longest reply, in tokens; 64
	Workers  int      // requests at once; 2
	Beside   int      // the same for single replies that do not have to come back word for word: some upstreams' texts depend on what is drawn beside; Workers
	Seed     int64

	// Align makes a run by a method ("rm" fits the reward model alone) and returns when it is live or rejected.
	Align func(ctx context.Context, method string) (Outcome, error)
	// Rollback takes the last release back.
	Rollback func(ctx context.Context) error
	// Say is where progress goes; nil for silence.
	Say io.Writer
}

// Result is everything a play measured.
type Result struct {
	Taste    string      `json:"taste"`
	Doc      string      `json:"-"`
	Votes    int         `json:"votes"`
	Wrong    int         `json:"wrong_votes"`
	Rows     []Condition `json:"conditions"`
	Decision string      `json:"decision"`
	Why      string      `json:"why,omitempty"`
	Pairs    int         `json:"pairs"`
	NLL      *float64    `json:"nll_change"`
	Restored bool        `json:"rollback_restored"` // the base's first reply to every prompt came back under its seed
	Seconds  float64     `json:"seconds"`
	// Chat speed of one stream, in replies/s, before and while the run trained; 0 if it was not measured.
	SpeedBefore float64 `json:"speed_before"`
	SpeedWhile  float64 `json:"speed_while"`
}

// Names of the conditions, in the order in which they are measured.
const (
	Base        = "base"
	Search      = "best-of-8"
	Trained     = "trained"
	TrainedBest = "trained + best-of-8"
	RolledBack  = "after rollback"
)

// Play runs the loop: measure, vote, fit a reward model, measure, train, measure, roll back, measure.
func (d *Demo) Play(ctx context.Context) (*Result, error) {
	d.defaults()
	begun := time.Now()
	r := &Result{Taste: d.Taste.Name, Doc: d.Taste.Doc}

	base, err := d.measure(ctx, Base, way{method: "none", n: 1, replies: d.Replies, same: 1})
	if err != nil {
		return nil, err
	}
	if r.Votes, r.Wrong, err = d.vote(ctx); err != nil {
		return nil, err
	}
	if _, err = d.align(ctx, "rm"); err != nil {
		return nil, err
	}
	search, err := d.measure(ctx, Search, way{method: "bon", n: d.N, replies: d.Searches, same: d.Searches})
	if err != nil {
		return nil, err
	}
	outcome, err := d.alignWatched(ctx, r)
	if err != nil {
		return nil, err
	}
	r.Decision, r.Why, r.Pairs, r.NLL = outcome.Decision, outcome.Why, outcome.Pairs, outcome.NLL
	r.Rows = []Condition{base.summary(), search.summary()}
	if outcome.Decision == "live" {
		if err := d.afterRelease(ctx, r, base); err != nil {
			return nil, err
		}
	}
	r.Seconds = time.Since(begun).Seconds()
	return r, nil
}

// afterRelease measures what the trained model does, and that rolling back restores the base.
func (d *Demo) afterRelease(ctx context.Context, r *Result, base *measured) error {
	trained, err := d.measure(ctx, Trained, way{method: "none", n: 1, replies: d.Replies})
	if err != nil {
		return err
	}
	best, err := d.measure(ctx, TrainedBest, way{method: "bon", n: d.N, replies: d.Searches, same: d.Searches})
	if err != nil {
		return err
	}
	d.sayf("rolling back\n")
	if err := d.Rollback(ctx); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	// Servers read the alias at most a second late.
	if err := sleep(ctx, 1200*time.Millisecond); err != nil {
		return err
	}
	restored, err := d.measure(ctx, RolledBack, way{method: "none", n: 1, replies: 1, same: 1})
	if err != nil {
		return err
	}
	r.Restored = restored.begins(base)
	r.Rows = append(r.Rows, trained.summary(), best.summary(), restored.summary())
	return nil
}

func (d *Demo) align(ctx context.Context, method string) (Outcome, error) {
	d.sayf("align run --method %s\n", method)
	outcome, err := d.Align(ctx, method)
	if err != nil {
		return outcome, fmt.Errorf("align run (%s): %w", method, err)
	}
	d.sayf("  %s: %s in %.0f s %s\n", outcome.Run, outcome.Decision, outcome.Seconds, outcome.Why)
	return outcome, sleep(ctx, 1200*time.Millisecond)
}

func (d *Demo) defaults() {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&d.Votes, 200)
	set(&d.Users, 12)
	set(&d.N, 8)
	set(&d.Replies, 4)
	set(&d.Searches, 2)
	set(&d.Tokens, 64)
	set(&d.Workers, 2)
	set(&d.Beside, d.Workers)
	if d.Alias == "" {
		d.Alias = "plumb"
	}
	if d.Say == nil {
		d.Say = io.Discard
	}
}

func (d *Demo) sayf(format string, args ...any) { fmt.Fprintf(d.Say, format, args...) }

func sleep(ctx context.Context, t time.Duration) error {
	select {
	case <-time.After(t):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
