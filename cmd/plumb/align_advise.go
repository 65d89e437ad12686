package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"plumb/offline"
	"plumb/offline/advise"
	"plumb/offline/influence"
	"plumb/offline/pairs"
)

// AlignAdviseCmd is "plumb align advise".
type AlignAdviseCmd struct {
	Where
	LeastRows int     `help:"Fewer training rows make no model." default:"20"`
	DemoNLL   float64 `name:"demo-nll" help:"Nats a token of demonstrations under the base, where they were measured (plumb lm logprob); with --own-nll it tells whether the base has learned the task." default:"0" placeholder:"NATS"`
	OwnNLL    float64 `name:"own-nll" help:"The same of the base's own replies." default:"0" placeholder:"NATS"`
}

// Run implements the command.
func (cmd *AlignAdviseCmd) Run(c *Context) error {
	if (cmd.DemoNLL > 0) != (cmd.OwnNLL > 0) || cmd.DemoNLL < 0 || cmd.OwnNLL < 0 {
		return usageError{errors.New("--demo-nll, --own-nll: want both or none, more than 0")}
	}
	config := offline.Config{LeastRows: cmd.LeastRows}
	if err := config.Check(); err != nil {
		return usageError{err}
	}
	s, err := openLog(c, &cmd.Where)
	if err != nil {
		return err
	}
	defer s.log.Close()
	r := offline.Runner{Log: s.log, Config: config}
	if cmd.DemoNLL > 0 {
		r.BaseNLL = &advise.BaseNLL{Demonstrations: cmd.DemoNLL, Own: cmd.OwnNLL}
	}
	a, err := r.Advice(c.Ctx)
	if err != nil {
		return err
	}
	if err := tellAdvice(c.Stderr, a); err != nil {
		return err
	}
	return printJSON(c.Stdout, a)
}

// openLog opens the store of a command that reads feedback alone.
func openLog(c *Context, w *Where) (*store, error) {
	if err := w.check(); err != nil {
		return nil, usageError{err}
	}
	return openStore(w, false, slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

// tellAdvice writes advice as tables.
func tellAdvice(out io.Writer, a advise.Advice) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := a.Counts
	fmt.Fprintf(t, "pairs\t%d\t%d edits and %d rankings among them\n", n.Pairs, n.Edits, n.Rankings)
	fmt.Fprintf(t, "thumbs\t%d\t%d up, %d down\n", n.ThumbsUp+n.ThumbsDown, n.ThumbsUp, n.ThumbsDown)
	fmt.Fprintf(t, "demonstrations\t%d\t%d beside four replies of the model or more\n", n.Demonstrations, n.WithSamples)
	fmt.Fprintf(t, "users\t%d\t%d prompts; the votes of %d people count for less, of %d not at all\n", n.Users, n.Prompts, n.Lowered-n.LeftOut, n.LeftOut)
	fmt.Fprintf(t, "candidates\t%d\tto %d prompts\n", n.Candidates.Replies, n.Candidates.Prompts)
	fmt.Fprintf(t, "agreement\t%s\ton %d things that several people judged; Krippendorff's alpha %s\n", orUnknown(n.Agreement), n.Twice, orUnknown(n.Alpha))
	if n.Noise != nil {
		fmt.Fprintf(t, "wrong votes\t%.3f\t%.3f to %.3f, from %d votes\n", n.Noise.Epsilon, n.Noise.Lo, n.Noise.Hi, n.Noise.Votes)
	} else {
		fmt.Fprintf(t, "wrong votes\tunknown\t\n")
	}
	if n.Length != nil {
		fmt.Fprintf(t, "chosen/rejected\t%.2f\twords, %.2f to %.2f, over %d pairs\n", n.Length.Ratio, n.Length.Lo, n.Length.Hi, n.Length.Pairs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t, "\nmethod\tlearns from\trows to train on\tneeded\t\t")
	for _, o := range a.Needs {
		fits := ""
		if o.Fits {
			fits = "fits"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\n", o.Method, o.Learns, o.Have, o.Need, fits, o.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if a.Method == "" {
		fmt.Fprintf(out, "\nnothing to learn from yet: %s\n", a.Why)
	} else {
		fmt.Fprintf(out, "\n%s: %s\n", a.Method, a.Why)
	}
	if a.Next != nil {
		fmt.Fprintf(out, "next: %s, with %d more rows (%s)\n", a.Next.Method, a.Next.Missing, a.Next.Of)
	}
	for _, note := range a.Notes {
		fmt.Fprintln(out, "-", note)
	}
	return nil
}

// orUnknown writes a figure that may be unknown.
func orUnknown(x *float64) string {
	if x == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.2f", *x)
}

// AlignInfluenceCmd is "plumb align influence".
type AlignInfluenceCmd struct {
	Where
	Least int   `help:"Votes from which a person is looked at." default:"5"`
	Most  int   `help:"People looked at, those with most votes." default:"100"`
	Seed  int64 `help:"Of the reward models." default:"0" setting:"influence_seed"`
}

// Run implements the command.
func (cmd *AlignInfluenceCmd) Run(c *Context) error {
	if cmd.Least < 1 || cmd.Most < 1 {
		return usageError{fmt.Errorf("--least, --most: got %d and %d, want 1 or more", cmd.Least, cmd.Most)}
	}
	s, err := openLog(c, &cmd.Where)
	if err != nil {
		return err
	}
	defer s.log.Close()
	records, err := pairs.Collect(c.Ctx, s.log)
	if err != nil {
		return err
	}
	bar := newProgress(c.Stderr, "people")
	m := influence.Measure{Least: cmd.Least, Most: cmd.Most, Progress: func(done, all int) { bar.at(done, all, "") }}
	m.Trainer.Seed = cmd.Seed
	r, err := m.Report(c.Ctx, records)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.Stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "all votes: accuracy %.3f (%.3f to %.3f), margin %.3f (%.3f to %.3f) on %d held-out votes\n",
		r.All.Accuracy, r.All.AccuracyCI[0], r.All.AccuracyCI[1], r.All.Margin, r.All.MarginCI[0], r.All.MarginCI[1], r.All.Votes)
	fmt.Fprintln(t, "user\tvotes\tshare\taccuracy without\tmargin without\tz\tagrees\tz\tsuspicion\tcounts for\t")
	for _, p := range r.People {
		beyond := ""
		if p.Beyond {
			beyond = "beyond the interval"
		}
		fmt.Fprintf(t, "%.12s\t%d\t%.1f %%\t%+.3f\t%+.3f\t%+.1f\t%s\t%+.1f\t%+.1f\t%s\t%s\n", p.User, p.Votes, 100*p.Share, p.Accuracy, p.Margin, p.MarginZ,
			orUnknown(p.Agrees), p.AgreesZ, p.Suspicion, orUnknown(p.Trust), beyond)
	}
	fmt.Fprintf(t, "not looked at: %d people with fewer than %d votes, %d beyond the %d with most\n", r.Few, cmd.Least, r.Rest, cmd.Most)
	if err := t.Flush(); err != nil {
		return err
	}
	return printJSON(c.Stdout, r)
}
