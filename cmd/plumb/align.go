package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"plumb/chat"
	"plumb/lm/kernel"
	"plumb/lm/tiny/corpus"
	"plumb/offline"
	"plumb/offline/neighbour"
	"plumb/offline/registry"
	"plumb/offline/rl"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// AlignCmd is the offline work's part of the command line.
type AlignCmd struct {
	Run      AlignRunCmd      `cmd:"" help:"Make a run: votes to pairs, reward model, training, gate, publication. An interrupted run is gone on with."`
	Advise   AlignAdviseCmd   `cmd:"" help:"What was collected, and which method fits it."`
	Status   AlignStatusCmd   `cmd:"" help:"What answers now, and the newest runs."`
	Report   AlignReportCmd   `cmd:"" help:"Draw what a run did and why it was decided so, as a page of HTML."`
	Promote  AlignPromoteCmd  `cmd:"" help:"Make the result of a run live; without RUN that of the newest that was published. One that passed unpublished is published first."`
	Rollback AlignRollbackCmd `cmd:"" help:"Take the last release back, model and reward model together."`
	Lineage  AlignLineageCmd  `cmd:"" help:"What made a model: its rows, method, gate and seeds, and the runs before it."`
	Forget   AlignForgetCmd   `cmd:"" help:"Erase a user, and name the runs that learned from that user."`
	Again    AlignAgainCmd    `cmd:"" help:"Make a run again from its manifest, without what was erased or withdrawn since; nothing is published."`
	Render   AlignRenderCmd   `cmd:"" help:"Print what starts a run's training on another machine: a command, a Ray job, a Kubernetes Job."`

	Influence AlignInfluenceCmd `cmd:"" help:"What each person's votes do to the reward model, the most suspicious person first."`
}

// runner wires the offline work to a store and an upstream.
func newRunner(w *Where, s *store, u *upstream) *offline.Runner {
	host, _ := os.Hostname()
	r := &offline.Runner{
		Log: s.log, Registry: s.registry, Lease: s.lease, Upstream: u.training(),
		Alias: w.Alias, Base: w.baseName(), Dir: w.Data, Code: version(),
		Holder: fmt.Sprintf("%s process %d", host, os.Getpid()),
	}
	if w.Upstream != "" {
		r.BaseFile = w.Base.Path
	}
	if w.Upstream == "" && w.Base.Path == "" {
		for _, c := range corpus.New().Neutral() {
			r.Neutral = append(r.Neutral, rows.Demonstration{
				Prompt: rows.Text{Messages: []chat.Message{{Role: chat.User, Content: c[0]}}}, Completion: rows.Plain(c[1])})
		}
	}
	return r
}

// offlineWork opens what the align commands work on.
func offlineWork(c *Context, w *Where) (*offline.Runner, *store, error) {
	log := slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := openStore(w, false, log)
	if err != nil {
		return nil, nil, err
	}
	u, err := openUpstream(c.Ctx, w)
	if err != nil {
		return nil, nil, errors.Join(err, s.log.Close())
	}
	return newRunner(w, s, u), s, nil
}

// AlignRunCmd is "plumb align run".
type AlignRunCmd struct {
	Where
	TrainerFlags
	Method     string  `help:"auto follows the advice; rm fits the reward model alone; dpo or another loss of pairs; kto, bco for thumbs; sft; distill, bonbon from logged candidates; rlhf, ppo, rloo, grpo against the reward model; irl from demonstrations." default:"auto" setting:"align_method"`
	Seed       int64   `help:"Of everything that is drawn." default:"0"`
	Beta       float64 `help:"Pull towards the base." default:"0.1"`
	LR         float64 `name:"lr" help:"Learning rate." default:"1e-4"`
	Schedule   string  `help:"The learning rate over the steps: constant, linear or cosine fall to 0. Empty: linear for rlhf, ppo, rloo, grpo and irl, constant for others." placeholder:"NAME"`
	Epochs     float64 `help:"Passes over the rows. 0: as many as make 80 steps, two at least and eight at most." default:"0"`
	Batch      int     `help:"Rows a step." default:"4"`
	Rank       int     `help:"Rank of the adapter." default:"16"`
	Adapter    float64 `name:"adapter-alpha" help:"Scale of the adapter times its rank." default:"16"`
	MaxLength  int     `help:"Most tokens of prompt and reply." default:"1024"`
	RLSteps    int     `name:"rl-steps" help:"rlhf, ppo, rloo, grpo, irl: batches of replies that are drawn and learned from." default:"40"`
	RLBatch    int     `name:"rl-batch" help:"The same: replies a step, to an eighth as many prompts." default:"64"`
	KLBudget   float64 `name:"kl-budget" help:"The same: a policy further from where it began ends the training, in nats a reply; -1 for none." default:"12"`
	IRLRounds  int     `name:"irl-rounds" help:"irl: rounds of reward and policy." default:"2"`
	Balance    bool    `name:"balance-length" help:"Weigh pairs so that chosen replies are as long as rejected ones on average: length is then nothing to learn."`
	LeastRows  int     `help:"Fewer training rows make no model." default:"20"`
	MaxTokens  int     `help:"Longest reply drawn, in training and for the gate." default:"64"`
	Prompts    int     `help:"Held-out prompts that replies are drawn to for the gate." default:"24"`
	Canary     float64 `help:"Share of users who get the new model first; 0 makes it live at once." default:"0"`
	Shadow     int     `help:"Requests that the new model answers unseen, beside what is live, before anybody gets it; 0 for none." default:"0"`
	NoPublish  bool    `help:"End after the gate, without touching the upstream; a run that passed is published by plumb align promote RUN."`
	Type       string  `help:"Type of the published matrices." default:"f16" enum:"f16,bf16,f32,q8_0,q5_1,q5_0,q4_1,q4_0,keep"`
	Lenient    bool    `help:"Let a model pass though a check had too little data to say anything." setting:"align_lenient"`
	Threads    int     `help:"Threads; 0 takes all processors." default:"0"`
	Background bool    `help:"Leave the processor to others: idle scheduling, in a session of its own."`
}

// Validate implements kong's check of the parsed flags.
func (cmd *AlignRunCmd) Validate() error {
	return errors.Join(cmd.Where.check(), cmd.config().Check())
}

func (cmd *AlignRunCmd) config() offline.Config {
	c := offline.Config{
		Method: cmd.Method, Seed: cmd.Seed, Type: cmd.Type, Canary: cmd.Canary, Shadow: cmd.Shadow, NoPublish: cmd.NoPublish,
		LeastRows: cmd.LeastRows, Prompts: cmd.Prompts, MaxTokens: cmd.MaxTokens,
		RL: rl.Config{Steps: cmd.RLSteps, Batch: cmd.RLBatch, KLBudget: cmd.KLBudget, Schedule: cmd.Schedule}, IRLRounds: cmd.IRLRounds,
		Train: train.Config{Beta: cmd.Beta, LR: cmd.LR, Schedule: cmd.Schedule, Epochs: cmd.Epochs, Batch: cmd.Batch, Rank: cmd.Rank, Alpha: cmd.Adapter, MaxLength: cmd.MaxLength},
	}
	c.Pairs.BalanceLength = cmd.Balance
	c.Limits.AllowInsufficient = cmd.Lenient
	cmd.TrainerFlags.set(&c)
	return c
}

// alignResult is the last line of "plumb align run".
type alignResult struct {
	Run      string             `json:"run"`
	Decision string             `json:"decision"` // live, canary, rejected, or passed: through the gate, and not to be published
	Method   string             `json:"method"`
	Reason   string             `json:"reason,omitempty"`
	Pairs    int                `json:"pairs"`
	Rows     map[string]int     `json:"rows"`
	Gate     json.RawMessage    `json:"gate"`
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Model    string             `json:"model"`
	RM       string             `json:"rm"`
	Weights  string             `json:"weights"` // hash over the trained tensors alone, "" if nothing was trained
	Seconds  float64            `json:"seconds"`
}

// Run implements the command.
func (cmd *AlignRunCmd) Run(c *Context) error {
	collectEarly()
	if cmd.Background {
		if report := neighbour.Settle(); len(report.Failed) > 0 {
			for _, f := range report.Failed {
				fmt.Fprintln(c.Stderr, "plumb: running beside others:", f)
			}
		}
	}
	kernel.SetThreads(cmd.Threads)
	r, s, err := offlineWork(c, &cmd.Where)
	if err != nil {
		return err
	}
	defer s.log.Close()
	r.Config = cmd.config()
	r.Launch = cmd.launch()
	r.Progress = stateProgress(c.Stderr)
	begun := time.Now()
	run, err := r.Run(c.Ctx, offline.Request{})
	if err != nil {
		return err
	}
	return printJSON(c.Stdout, resultOf(run, time.Since(begun).Seconds()))
}

func resultOf(run registry.Run, seconds float64) alignResult {
	return alignResult{
		Run: run.ID, Decision: run.Decision, Method: run.Method, Reason: run.Reason, Pairs: run.Rows["pairs"], Rows: run.Rows,
		Gate: run.Gate, Metrics: run.Metrics, Model: run.Result.Model, RM: run.Result.RM,
		Weights: run.Weights, Seconds: seconds,
	}
}

// stateProgress shows each state with its own progress.
func stateProgress(out io.Writer) func(registry.State, int, int, string) {
	var state registry.State
	var bar *progress
	return func(s registry.State, done, all int, note string) {
		if s != state {
			state, bar = s, newProgress(out, string(s))
			fmt.Fprintln(out, s)
		}
		if all > 0 {
			bar.at(done, all, note)
		}
	}
}

// AlignStatusCmd is "plumb align status".
type AlignStatusCmd struct {
	Where
	Runs int `help:"How many runs to show." default:"10"`
}

// Run implements the command.
func (cmd *AlignStatusCmd) Run(c *Context) error {
	return withRunner(c, &cmd.Where, func(r *offline.Runner) error {
		a, list, err := r.Status(c.Ctx, cmd.Runs)
		if err != nil {
			return err
		}
		status := map[string]any{"alias": a, "runs": list}
		t := tabwriter.NewWriter(c.Stderr, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "%s answers with %s; before it %s\n", r.Alias, releaseName(a.Live, r.Base), releaseName(a.Previous, "nothing"))
		canary, err := (&offline.CanaryWatch{Runner: r}).Look(c.Ctx)
		if err != nil {
			return err
		}
		if canary.Run != "" && a.Shadow == nil {
			status["canary"] = canary
			fmt.Fprintf(t, "%g %% of users get %s: %s, %s\n", 100*canary.Share, releaseName(a.Canary, ""), canary.Verdict, canary.Why)
		}
		shadow, err := (&offline.ShadowWatch{Runner: r}).Look(c.Ctx)
		if err != nil {
			return err
		}
		if shadow.Run != "" {
			status["shadow"] = shadow
			fmt.Fprintf(t, "%s answers unseen: %s, %s\n", releaseName(a.Canary, ""), shadow.Verdict, shadow.Why)
		}
		fmt.Fprintln(t, "run\tbegan\tmethod\tstate\trows")
		for _, run := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", run.ID, day(run.Created), run.Method, run.State, run.Rows)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		return printJSON(c.Stdout, status)
	})
}

func day(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

func releaseName(r *registry.Release, absent string) string {
	if r == nil {
		return absent
	}
	if r.RM != "" {
		return fmt.Sprintf("%s (reward model %.8s)", r.Model, r.RM)
	}
	return r.Model
}

// AlignPromoteCmd is "plumb align promote".
type AlignPromoteCmd struct {
	Where
	ID string `arg:"" optional:"" name:"run" help:"Run to promote."`
}

// Run implements the command.
func (cmd *AlignPromoteCmd) Run(c *Context) error {
	return withRunner(c, &cmd.Where, func(r *offline.Runner) error {
		a, err := r.Promote(c.Ctx, cmd.ID)
		if err != nil {
			return err
		}
		return printJSON(c.Stdout, a)
	})
}

// AlignRollbackCmd is "plumb align rollback".
type AlignRollbackCmd struct{ Where }

// Run implements the command.
func (cmd *AlignRollbackCmd) Run(c *Context) error {
	return withRunner(c, &cmd.Where, func(r *offline.Runner) error {
		a, err := r.Rollback(c.Ctx)
		if err != nil {
			return err
		}
		return printJSON(c.Stdout, a)
	})
}

func withRunner(c *Context, w *Where, f func(*offline.Runner) error) error {
	if err := w.check(); err != nil {
		return usageError{err}
	}
	r, s, err := offlineWork(c, w)
	if err != nil {
		return err
	}
	defer s.log.Close()
	return f(r)
}
