package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/offline"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// AlignLineageCmd is "plumb align lineage".
type AlignLineageCmd struct {
	Where
	ID string `arg:"" optional:"" name:"run" help:"Run to tell of; that of what is live if absent."`
}

// lineage is the last line of "plumb align lineage".
type lineage struct {
	Run      string           `json:"run"`
	Parent   string           `json:"parent"` // the run that was live when this one began, "" for the untouched base
	Base     registry.Release `json:"base"`   // what was trained
	DataRoot string           `json:"data_root"`
	Pairs    int              `json:"pairs"`
	Users    int              `json:"users"`   // who had a part in the rows
	RM       string           `json:"rm"`      // hash of the reward model
	Model    string           `json:"model"`   // the upstream's name of the result, "" if it was not published
	Weights  string           `json:"weights"` // hash over the trained tensors alone, "" if nothing was trained
}

// Run implements the command.
func (cmd *AlignLineageCmd) Run(c *Context) error {
	return withRunner(c, &cmd.Where, func(r *offline.Runner) error {
		id := cmd.ID
		if id == "" {
			a, err := r.Registry.Alias(c.Ctx, r.Alias)
			if err != nil {
				return err
			}
			if a.Live == nil || a.Live.Run == "" {
				return &chat.Error{Kind: chat.NotFound, Param: "run", Msg: fmt.Sprintf("read lineage: %s answers with the untouched base, which no run made", r.Alias)}
			}
			id = a.Live.Run
		}
		all, whole, err := offline.Lineage(c.Ctx, r.Registry, id)
		if err != nil {
			return err
		}
		tellLineage(c.Stderr, all, whole)
		return printJSON(c.Stdout, lineageOf(all[0]))
	})
}

func lineageOf(m registry.Run) lineage {
	return lineage{Run: m.ID, Parent: m.Parent, Base: m.Base, DataRoot: m.DataRoot, Pairs: m.Rows["pairs"], Users: len(m.Users),
		RM: m.Result.RM, Model: m.Result.Model, Weights: m.Weights}
}

// tellLineage tells of the first run at length, and of those before it in a line each.
func tellLineage(w io.Writer, all []registry.Run, whole bool) {
	m := all[0]
	line := func(name, format string, args ...any) {
		if text := strings.TrimSpace(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(w, "  %-9s%s\n", name, text)
		}
	}
	fmt.Fprintf(w, "%s: %s\n", m.ID, standing(m))
	line("made", "%s to %s by plumb %s, seed %d", day(m.Created), day(m.Updated), m.Code, m.Seed)
	line("again", "%s", againOf(m.Config))
	line("method", "%s (%s)", m.Method, m.Reason)
	line("base", "%s %s", m.Base.Model, m.Base.Digest)
	line("rows", "%s, from %d users, root %s", counted(m.Rows), len(m.Users), m.DataRoot)
	line("dropped", "%s", counted(m.Dropped))
	line("gate", "%s", gateOf(m.Gate))
	line("reward", "%s", m.Result.RM)
	line("model", "%s %s", m.Result.Model, m.Result.Digest)
	line("weights", "%s", m.Weights)
	line("config", "%s", m.Config)
	line("error", "%s", m.Error)
	if n := len(m.Tainted); n > 0 {
		line("erased", "of its users since: %d, so it is to be made again: %s", n, strings.Join(m.Tainted, ", "))
	}
	for _, m := range all[1:] {
		fmt.Fprintf(w, "before it %s: %s, %s, %s, %s, weights %.12s\n", m.ID, day(m.Created), m.Method, standing(m), counted(m.Rows), m.Weights)
	}
	if last := all[len(all)-1]; whole {
		fmt.Fprintf(w, "before it the untouched base %s\n", last.Base.Model)
	} else {
		fmt.Fprintf(w, "before it %s, whose manifest is gone\n", last.Parent)
	}
}

// standing is a run's decision, or how far it came.
func standing(m registry.Run) string {
	if m.Decision == "" {
		return "at " + string(m.State)
	}
	if why := offline.Why(m); why != "" {
		return m.Decision + ": " + why
	}
	if len(m.Tainted) > 0 {
		return fmt.Sprintf("%s, and of its users %d erased since", m.Decision, len(m.Tainted))
	}
	return m.Decision
}

func againOf(config json.RawMessage) string {
	var c offline.Config
	if json.Unmarshal(config, &c) != nil || c.Again == "" {
		return ""
	}
	return fmt.Sprintf("of %s, on what is left of the feedback given until %s", c.Again, day(c.Until))
}

// gateOf is a gate's report in a line.
func gateOf(report json.RawMessage) string {
	var r gate.Report
	if len(report) == 0 || json.Unmarshal(report, &r) != nil {
		return ""
	}
	passed, silent := 0, 0
	for _, c := range r.Checks {
		switch {
		case c.Pass:
			passed++
		case c.Insufficient:
			silent++
		}
	}
	return fmt.Sprintf("%d of %d checks passed, %d had too little data; %s", passed, len(r.Checks), silent, r.Why)
}

// counted is a map of counts as text, the largest first, without those of nothing.
func counted(n map[string]int) string {
	n = maps.Clone(n)
	maps.DeleteFunc(n, func(_ string, n int) bool { return n == 0 })
	names := slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		if n[a] != n[b] {
			return n[b] - n[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", n[name], name)
	}
	return strings.Join(names, ", ")
}
