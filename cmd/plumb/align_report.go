package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"plumb/chat"
	"plumb/cmd/plumb/report"
	"plumb/offline"
	"plumb/offline/durable"
	"plumb/offline/registry"
	"plumb/rm"
)

// AlignReportCmd is "plumb align report".
type AlignReportCmd struct {
	Where
	ID  string `arg:"" optional:"" name:"run" help:"Run to report on; the newest if absent."`
	Out string `help:"File for the page. Default: RUN.html." placeholder:"FILE.html" type:"path" setting:"report_out"`
}

// Run implements the command. It needs the store alone, not the upstream.
func (cmd *AlignReportCmd) Run(c *Context) error {
	if err := cmd.Where.check(); err != nil {
		return usageError{err}
	}
	s, err := openStore(&cmd.Where, false, slog.Default())
	if err != nil {
		return err
	}
	defer s.log.Close()
	run, err := cmd.find(c.Ctx, s.registry)
	if err != nil {
		return err
	}
	r := report.Report{Run: run}
	if r.Curve, err = offline.Curve(cmd.Data, run.ID); err != nil {
		return err
	}
	if r.Reward, err = rewardOf(c.Ctx, s.registry, run); err != nil {
		return err
	}
	out := cmd.Out
	if out == "" {
		out = filepath.Base(run.ID) + ".html"
	}
	if err := durable.WriteFile(out, func(w io.Writer) error { return r.Write(w) }); err != nil {
		return err
	}
	return printJSON(c.Stdout, map[string]any{"run": run.ID, "decision": run.Decision, "out": out})
}

// find returns the run that was asked for.
func (cmd *AlignReportCmd) find(ctx context.Context, runs registry.Runs) (registry.Run, error) {
	if cmd.ID != "" {
		return runs.Run(ctx, cmd.ID)
	}
	newest, err := runs.Runs(ctx, 1)
	if err != nil {
		return registry.Run{}, err
	}
	if len(newest) == 0 {
		return registry.Run{}, &chat.Error{Kind: chat.NotFound, Msg: "report: there is no run yet"}
	}
	return newest[0], nil
}

// rewardOf returns the header of the reward model that a run released, nil where it is gone or there is none.
func rewardOf(ctx context.Context, blobs registry.Blobs, run registry.Run) (*rm.Meta, error) {
	if run.Result.RM == "" {
		return nil, nil
	}
	b, err := blobs.Blob(ctx, run.Result.RM)
	if chat.KindOf(err) == chat.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read reward model of %s: %w", run.ID, err)
	}
	meta, err := rm.Peek(b)
	if err != nil {
		return nil, fmt.Errorf("read reward model of %s: %w", run.ID, err)
	}
	return &meta, nil
}
