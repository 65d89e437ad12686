package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	client "plumb/clients/go"
	"plumb/cmd/plumb/demo"
	"plumb/cmd/plumb/people"
)

// DemoCmd is "plumb demo".
type DemoCmd struct {
	Where
	Serving

	Taste   []string `help:"What the simulated people like. For the built-in model: list, brief, question, example, warm, thrifty; for others plain, calm, impersonal, direct; or all. Empty: one of them." placeholder:"NAME"`
	Votes   int      `help:"Votes they give." default:"200"`
	Noise   float64  `help:"Share of wrong votes." default:"0.15"`
	Seed    int64    `help:"Of everything that is drawn." default:"1"`
	Small   bool     `help:"A tenth of the work: to see that all parts play together, not how well."`
	Picture string   `help:"Where to save the picture: .png, .svg or .pdf." default:"plumb-demo.png" placeholder:"FILE" type:"path"`
	Keep    bool     `help:"Keep the demo's database, runs and models in --data."`
}

// Validate implements kong's check of the parsed flags.
func (cmd *DemoCmd) Validate() error {
	var problems []error
	if cmd.Votes < 1 {
		problems = append(problems, fmt.Errorf("--votes: got %d, want at least 1", cmd.Votes))
	}
	if !(cmd.Noise >= 0 && cmd.Noise < .5) {
		problems = append(problems, fmt.Errorf("--noise: got %g, want 0 to less than 0.5", cmd.Noise))
	}
	if len(cmd.Keys) > 0 {
		problems = append(problems, errors.New("--keys: the demo talks to a server of its own, without keys"))
	}
	_, err := cmd.tastes()
	return errors.Join(append(problems, cmd.Where.check(), cmd.Serving.check(), err)...)
}

func (cmd *DemoCmd) builtIn() bool { return cmd.Upstream == "" && cmd.Base.Path == "" }

func (cmd *DemoCmd) tastes() ([]people.Taste, error) {
	names := cmd.Taste
	if len(names) == 0 {
		names = []string{"question"}
		if !cmd.builtIn() {
			names = []string{"calm"}
		}
	}
	return people.Find(names, cmd.builtIn())
}

// Run implements the command.
func (cmd *DemoCmd) Run(c *Context) error {
	tastes, err := cmd.tastes()
	if err != nil {
		return usageError{err}
	}
	fmt.Fprintf(c.Stderr, "People with a hidden taste vote on replies of %s; %.0f %% of the votes are wrong. Then a reward model\n"+
		"is fitted to the votes, the model is trained, and both are measured on prompts nobody voted on.\n", cmd.baseName(), 100*cmd.Noise)
	var results []*demo.Result
	for _, taste := range tastes {
		r, err := cmd.play(c, taste)
		if err != nil {
			return err
		}
		if err := r.Table(c.Stderr); err != nil {
			return err
		}
		results = append(results, r)
	}
	if err := demo.Plot(cmd.Picture, results); err != nil {
		return fmt.Errorf("save picture: %w", err)
	}
	fmt.Fprintln(c.Stderr, "picture:", cmd.Picture)
	return printJSON(c.Stdout, map[string]any{"model": cmd.baseName(), "results": results, "picture": cmd.Picture})
}

// play makes one play against a server with a store of its own.
func (cmd *DemoCmd) play(c *Context, taste people.Taste) (*demo.Result, error) {
	w := cmd.Where
	if err := os.MkdirAll(w.Data, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(w.Data, "demo-"+taste.Name+"-")
	if err != nil {
		return nil, err
	}
	if !cmd.Keep {
		defer os.RemoveAll(dir)
	}
	w.Data, w.Prefix = dir, filepath.Base(dir)
	log := slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	app, err := newApp(c, &w, &cmd.Serving, log)
	if err != nil {
		return nil, err
	}
	defer app.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	ctx, stop := context.WithCancel(c.Ctx)
	served := make(chan error, 1)
	go func() { served <- app.server.Serve(ctx, l) }()
	defer func() { stop(); <-served }()
	return cmd.script(c, app, l.Addr().String(), taste).Play(ctx)
}

// script says how large the play is.
func (cmd *DemoCmd) script(c *Context, app *app, address string, taste people.Taste) *demo.Demo {
	d := &demo.Demo{
		Client: &client.Client{BaseURL: "http://" + address}, Alias: cmd.Alias, Taste: taste,
		Votes: cmd.Votes, Noise: cmd.Noise, Seed: cmd.Seed, Say: c.Stderr,
	}
	voted, held := 72, 54
	if !cmd.builtIn() {
		// Each reply costs a second here: fewer prompts, with more votes to each.
		voted, held, d.Workers, d.Beside = 40, 32, 1, 4
		d.Replies, d.Searches = 2, 1
	}
	if cmd.Small {
		voted, held = 8, 4
		d.Votes, d.Replies, d.Searches = min(cmd.Votes, 24), 1, 1
	}
	d.Train, d.HeldOut = people.Prompts(uint64(cmd.Seed), voted, held)
	d.Align = func(ctx context.Context, method string) (demo.Outcome, error) {
		return app.runs.demo(ctx, method, cmd.Seed, 64, cmd.Small)
	}
	d.Rollback = func(ctx context.Context) error {
		_, err := app.runs.Rollback(ctx)
		return err
	}
	return d
}
