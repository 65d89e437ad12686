package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"plumb/cmd/plumb/demo"
	"plumb/offline"
	"plumb/offline/advise"
	"plumb/offline/neighbour"
	"plumb/offline/registry"
	"plumb/server"
)

// runs is the offline work as the server sees it. Training is done by a process of its own, "plumb align run": it gets no
// memory of the server's, leaves it the processor, and may die without harm.
type runs struct {
	where  *Where
	config string // settings file, which the process reads too
	runner *offline.Runner
	store  *store
	log    *slog.Logger
}

func newRuns(w *Where, config string, s *store, u *upstream, log *slog.Logger) *runs {
	return &runs{where: w, config: config, runner: newRunner(w, s, u), store: s, log: log}
}

// command is "plumb align run" with this server's settings. Secrets go through the environment.
func (r *runs) command(ctx context.Context, extra ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	w := r.where
	args := []string{"align", "run", "--background", "--data", w.Data, "--alias", w.Alias, "--prefix", w.Prefix,
		"--ollama-threads", strconv.Itoa(w.OllamaThreads)}
	if w.Exact {
		args = append(args, "--exact")
	}
	for flag, value := range map[string]string{"--upstream": w.Upstream, "--model": w.Model, "--base": w.Base.Given} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	cmd := exec.CommandContext(ctx, program, append(args, extra...)...)
	cmd.Env = append(os.Environ(), "PLUMB_STORE="+w.Store, "PLUMB_UPSTREAM_KEY="+w.UpstreamKey)
	if r.config != "" {
		cmd.Env = append(cmd.Env, "PLUMB_CONFIG="+r.config)
	}
	cmd.WaitDelay = 10 * time.Second
	neighbour.Detach(cmd)
	return cmd, nil
}

// make runs the command to its end and returns its last line.
func (r *runs) make(ctx context.Context, extra ...string) (alignResult, error) {
	cmd, err := r.command(ctx, extra...)
	if err != nil {
		return alignResult{}, err
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var result alignResult
	if err != nil {
		return result, fmt.Errorf("align run: %w: %s", err, finalLine(said.String()))
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		return result, fmt.Errorf("align run: read its result: %w", err)
	}
	return result, nil
}

func finalLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndex(s, "\n")+1:]
}

// Start implements [server.Runs].
func (r *runs) Start(ctx context.Context, q server.RunRequest) (server.Run, error) {
	request := offline.Request{Method: q.Method, Seed: q.Seed}
	run, err := r.runner.Begin(ctx, request)
	if err != nil {
		return server.Run{}, err
	}
	var flags []string
	if q.Method != "" {
		flags = append(flags, "--method", q.Method)
	}
	if q.Seed != nil {
		flags = append(flags, "--seed", strconv.FormatInt(*q.Seed, 10))
	}
	go r.finish(context.WithoutCancel(ctx), flags)
	return runOf(run), nil
}

// finish makes a run and notes in the log how it ended.
func (r *runs) finish(ctx context.Context, flags []string) {
	result, err := r.make(ctx, flags...)
	if err != nil {
		r.log.Error("run", "error", err)
		return
	}
	r.log.Info("run", "id", result.Run, "decision", result.Decision, "method", result.Method, "pairs", result.Pairs, "seconds", result.Seconds)
}

// schedule makes runs at the times of when until ctx ends.
func (a *app) schedule(ctx context.Context, when string) error {
	s, err := offline.ParseSchedule(when)
	if err != nil {
		return err
	}
	go s.Run(ctx, func(ctx context.Context) { a.runs.finish(ctx, nil) })
	return nil
}

// demo makes a run and tells what a demo wants to know of it.
func (r *runs) demo(ctx context.Context, method string, seed int64, tokens int, small bool) (demo.Outcome, error) {
	flags := []string{"--method", method, "--seed", strconv.FormatInt(seed, 10), "--max-tokens", strconv.Itoa(tokens)}
	if small {
		flags = append(flags, "--least-rows", "4", "--epochs", "1", "--prompts", "4", "--lenient")
	}
	if r.where.Upstream == "" && r.where.Base.Path == "" {
		flags = append(flags, "--lr", "1e-3", "--batch", "8", "--epochs", "3", "--beta", "0.3")
	} else {
		flags = append(flags, "--beta", "0.2") // a firmer pull keeps other text as likely as it was
		if !small {
			flags = append(flags, "--epochs", "2") // not as many as make 80 steps: some 65 do, in a minute less
		}
	}
	result, err := r.make(ctx, flags...)
	if err != nil {
		return demo.Outcome{}, err
	}
	o := demo.Outcome{Run: result.Run, Decision: result.Decision, Pairs: result.Pairs, Seconds: result.Seconds}
	var report struct {
		Checks []struct {
			Name, Detail string
			Value        *float64
			Pass         bool
			Insufficient bool
			Evidence     bool
		}
	}
	if len(result.Gate) > 0 {
		if err := json.Unmarshal(result.Gate, &report); err != nil {
			return o, fmt.Errorf("read gate report: %w", err)
		}
	}
	var failed []string
	for _, c := range report.Checks {
		if c.Name == "neutral_nll" {
			o.NLL = c.Value
		}
		if !c.Pass && !(c.Insufficient && c.Evidence) {
			failed = append(failed, c.Name+": "+c.Detail)
		}
	}
	if o.Decision == "rejected" {
		o.Why = strings.Join(append([]string{result.Reason}, failed...), "; ")
	}
	return o, nil
}

// Runs implements [server.Runs].
func (r *runs) Runs(ctx context.Context, limit int) ([]server.Run, error) {
	list, err := r.store.registry.Runs(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := make([]server.Run, len(list))
	for i, run := range list {
		out[i] = runOf(run)
	}
	return out, nil
}

// Run implements [server.Runs].
func (r *runs) Run(ctx context.Context, id string) (server.Run, error) {
	run, err := r.store.registry.Run(ctx, id)
	return runOf(run), err
}

// Alias implements [server.Releases].
func (r *runs) Alias(ctx context.Context) (server.Alias, error) {
	a, err := r.store.registry.Alias(ctx, r.where.Alias)
	return aliasOf(a), err
}

// Promote implements [server.Releases].
func (r *runs) Promote(ctx context.Context, run string) (server.Alias, error) {
	a, err := r.runner.Promote(ctx, run)
	return aliasOf(a), err
}

// Rollback implements [server.Releases].
func (r *runs) Rollback(ctx context.Context) (server.Alias, error) {
	a, err := r.runner.Rollback(ctx)
	return aliasOf(a), err
}

// Advice implements [server.Advisor].
func (r *runs) Advice(ctx context.Context) (server.Advice, error) {
	a, err := r.runner.Advice(ctx)
	return adviceOf(a), err
}

// runOf, aliasOf and adviceOf translate between two types with the same JSON: server and offline do not know each other.
func runOf(run registry.Run) (out server.Run) {
	must(convert(run, &out))
	return out
}

func aliasOf(a registry.Alias) (out server.Alias) {
	must(convert(a, &out))
	return out
}

func adviceOf(a advise.Advice) (out server.Advice) {
	must(convert(a, &out))
	return out
}

func convert(from, into any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// must panics: the types are this program's own, and a test converts every field.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

var (
	_ server.Runs     = (*runs)(nil)
	_ server.Releases = (*runs)(nil)
	_ server.Advisor  = (*runs)(nil)
)
