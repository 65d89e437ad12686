package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plumb/offline"
	"plumb/offline/pairs"
	"plumb/sampler"
	"plumb/server"
)

// ServeCmd is "plumb serve".
type ServeCmd struct {
	Where
	Serving
}

// Serving is how the server behaves; serve and demo share it.
type Serving struct {
	Listen  string   `help:"Address to listen on; beyond loopback only with --keys." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Keys    []string `help:"API keys, SECRET:scope,scope[:max-n] with scopes chat, feedback and admin; several with ; between them. Empty: everybody on this machine may do everything." sep:";" placeholder:"KEY"`
	Origins []string `help:"Web origins whose pages may call, such as https://chat.example." placeholder:"URL"`
	Salt    string   `help:"Secret that user names are hashed with, at least 16 characters; replicas share it. Empty: made once and kept in --data." placeholder:"TEXT"`

	Method      string        `help:"How replies are chosen where a request does not say." default:"auto"`
	MaxN        int           `help:"Candidates that one request may ask for." default:"64"`
	Slots       int           `help:"Candidates drawn at once over all requests." default:"64"`
	Queue       int           `help:"Requests that may wait for a slot; more are answered 429." default:"256"`
	MaxBody     int64         `help:"Bytes of a request's body." default:"4194304"`
	Timeout     time.Duration `help:"Longest chat request, waiting included." default:"5m"`
	Lenient     bool          `help:"Ignore unknown request fields with a warning header instead of answering 400."`
	AlignEvery  string        `help:"When to train: an interval (24h), or a cron expression (0 3 * * *). Empty: never." placeholder:"WHEN"`
	CanaryEvery time.Duration `help:"How often the votes on a canary are looked at, which goes live or is taken back by them; 0 never." default:"1m"`
	LogRequests bool          `help:"Log a line for each request."`
}

// Validate implements kong's check of the parsed flags.
func (cmd *ServeCmd) Validate() error { return errors.Join(cmd.Where.check(), cmd.Serving.check()) }

func (s *Serving) check() error {
	var problems []error
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		problems = append(problems, fmt.Errorf("--listen: got %q, want HOST:PORT", s.Listen))
	} else if len(s.Keys) == 0 && !isLoopback(s.Listen) {
		problems = append(problems, fmt.Errorf("--listen: %s can be reached from other machines; set --keys, or listen on 127.0.0.1", s.Listen))
	}
	for _, k := range s.Keys {
		if _, err := parseKey(k); err != nil {
			problems = append(problems, err)
		}
	}
	if s.Salt != "" && len(s.Salt) < 16 {
		problems = append(problems, fmt.Errorf("--salt: %d characters, want at least 16", len(s.Salt)))
	}
	if !slices.Contains(sampler.Methods(), s.Method) {
		problems = append(problems, fmt.Errorf("--method: got %q, want one of %s", s.Method, strings.Join(sampler.Methods(), ", ")))
	}
	for _, f := range []struct {
		name       string
		got, least int64
	}{{"--max-n", int64(s.MaxN), 1}, {"--slots", int64(s.Slots), 1}, {"--queue", int64(s.Queue), 1}, {"--max-body", s.MaxBody, 1024}} {
		if f.got < f.least {
			problems = append(problems, fmt.Errorf("%s: got %d, want at least %d", f.name, f.got, f.least))
		}
	}
	if s.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout: got %v, want more than 0, such as 5m", s.Timeout))
	}
	if s.CanaryEvery != 0 && s.CanaryEvery < time.Second {
		problems = append(problems, fmt.Errorf("--canary-every: got %v, want 0 for never, or a second or more", s.CanaryEvery))
	}
	if s.AlignEvery != "" {
		if _, err := offline.ParseSchedule(s.AlignEvery); err != nil {
			problems = append(problems, fmt.Errorf("--align-every: %w", err))
		}
	}
	return errors.Join(problems...)
}

// parseKey reads SECRET:scope,scope[:max-n]. Errors do not repeat the secret.
func parseKey(text string) (server.Key, error) {
	parts := strings.Split(strings.TrimSpace(text), ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return server.Key{}, errors.New("--keys: want SECRET:scope,scope or SECRET:scope,scope:max-n")
	}
	k := server.Key{Secret: parts[0], Scopes: strings.Split(parts[1], ",")}
	if len(parts) == 3 {
		if _, err := fmt.Sscanf(parts[2], "%d", &k.MaxN); err != nil || k.MaxN < 1 {
			return server.Key{}, fmt.Errorf("--keys: max-n: got %q, want a whole number from 1", parts[2])
		}
	}
	return k, nil
}

// Run implements the command.
func (cmd *ServeCmd) Run(c *Context) error {
	log := slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: cmd.level()}))
	app, err := newApp(c, &cmd.Where, &cmd.Serving, log)
	if err != nil {
		return err
	}
	defer app.close()
	l, err := net.Listen("tcp", cmd.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(c.Stderr, "plumb: http://%s answers with %s; what is live is called %q\n", l.Addr(), cmd.baseName(), cmd.Alias)
	for _, warning := range app.warnings(c.Ctx) {
		fmt.Fprintln(c.Stderr, "plumb: warning:", warning)
	}
	ctx, cancel := context.WithCancel(c.Ctx)
	defer cancel()
	if cmd.AlignEvery != "" {
		if err := app.schedule(ctx, cmd.AlignEvery); err != nil {
			return usageError{err}
		}
	}
	if cmd.CanaryEvery > 0 {
		go newCanaries(app.runs.runner, app.metrics, log).run(ctx, cmd.CanaryEvery)
	}
	return app.server.Serve(ctx, l)
}

func (s *Serving) level() slog.Level {
	if s.LogRequests {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// app is a running plumb: the store, the upstream, the server and the offline work, wired.
type app struct {
	where    *Where
	store    *store
	upstream *upstream
	policies *policies
	runs     *runs
	server   *server.Server
	metrics  *prometheus.Registry
	log      *slog.Logger
}

func newApp(c *Context, w *Where, s *Serving, log *slog.Logger) (_ *app, err error) {
	a := &app{where: w, log: log, metrics: prometheus.NewRegistry()}
	if a.store, err = openStore(w, true, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.upstream, err = openUpstream(c.Ctx, w); err != nil {
		return nil, err
	}
	a.policies = &policies{alias: w.Alias, base: w.baseName(), upstream: a.upstream, registry: a.store.registry, log: log, now: time.Now}
	a.runs = newRuns(w, c.Config, a.store, a.upstream, log)
	options := server.Options{
		Policies: a.policies, Log: erasing{a.store.log, a.store.registry}, Exporter: pairs.Exporter{Log: a.store.log},
		Runs: a.runs, Releases: a.runs, Advisor: a.runs,
		Checks:  []server.Check{{Name: "upstream", Ready: a.upstreamReady}},
		Origins: s.Origins, MaxBody: s.MaxBody, MaxN: s.MaxN, Slots: s.Slots, Queue: s.Queue, Timeout: s.Timeout,
		Method: s.Method, Lenient: s.Lenient, Logger: log, Registry: a.metrics,
	}
	if options.Salt, err = salt(s.Salt, w.Data); err != nil {
		return nil, err
	}
	if isLoopback(s.Listen) {
		options.Hosts = []string{"127.0.0.1", "localhost", "::1"}
	}
	for _, text := range s.Keys {
		k, err := parseKey(text)
		if err != nil {
			return nil, err
		}
		options.Keys = append(options.Keys, k)
	}
	if a.server, err = server.New(options); err != nil {
		return nil, usageError{err}
	}
	return a, nil
}

// upstreamReady asks whether the base model answers.
func (a *app) upstreamReady(ctx context.Context) error {
	_, err := a.upstream.generator.Abilities(ctx, a.where.baseName())
	return err
}

// warnings says what the operator should know before relying on this set-up.
func (a *app) warnings(ctx context.Context) []string {
	var list []string
	if a.store.durability != nil {
		list = append(list, a.store.durability(ctx)...)
	}
	if err := a.upstreamReady(ctx); err != nil {
		list = append(list, "the base model does not answer: "+err.Error())
	}
	return list
}

func (a *app) close() {
	if a.store != nil {
		if err := a.store.log.Close(); err != nil {
			a.log.Error("close store", "error", err)
		}
	}
}
