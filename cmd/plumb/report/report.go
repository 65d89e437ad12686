// Package report draws what an offline run did and why it was decided as it was: one HTML page with nothing outside itself, no
// script, and pictures in SVG, for a run's manifest as the store keeps it. Everything that comes from the manifest is escaped by
// html/template; it may hold anything.
package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/rm"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"figure": figure, "number": number, "short": short, "counts": counts}).Parse(page))

// Report is what a page is drawn from. Run alone is needed.
type Report struct {
	Run    registry.Run
	Curve  []map[string]float64 // what the training measured, by step; each has "step"
	Reward *rm.Meta             // header of the reward model that the run released
}

// Write writes the page. The same report gives the same bytes.
func (r Report) Write(w io.Writer) error {
	v := view{Run: r.Run, Reward: r.Reward, Verdict: verdict(r.Run), Lineage: lineage(r.Run), Curves: curves(r.Curve)}
	var checked gate.Report
	if len(r.Run.Gate) > 0 {
		if err := json.Unmarshal(r.Run.Gate, &checked); err != nil {
			return fmt.Errorf("write report of %s: read gate report: %w", r.Run.ID, err)
		}
		v.Why, v.Warnings = checked.Why, checked.Warnings
		v.Checks = rows(checked.Checks)
		if checked.Reward != nil {
			v.RewardWhy, v.RewardPass, v.RewardChecks = checked.Reward.Why, checked.Reward.Pass, rows(checked.Reward.Checks)
		}
	}
	switch {
	case r.Run.Error != "":
		v.Why = r.Run.Error
	case r.Run.Decision == "rejected" && v.Why == "":
		v.Why = r.Run.Reason
	}
	if r.Reward != nil {
		v.Hacks = hacks(r.Reward.Metrics)
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("write report of %s: %w", r.Run.ID, err)
	}
	return nil
}

// view is what the template sees.
type view struct {
	Run          registry.Run
	Verdict      string // live, canary, rejected, failed, or the state that the run stands at
	Why          string
	Warnings     []string // of the training
	Checks       []row
	RewardPass   bool
	RewardWhy    string
	RewardChecks []row
	Curves       []curve
	Lineage      []fact
	Reward       *rm.Meta
	Hacks        []row
}

// row is a check as a line of a table.
type row struct {
	gate.Check
	Verdict string // pass, fail, insufficient
	Mark    string // a sign for the same, so that colour is not all
	Bar     *bar
}

// rows puts what speaks against the model first and what could not be said last, each in the order of the gate.
func rows(checks []gate.Check) []row {
	var all []row
	for _, c := range checks {
		r := row{Check: c, Verdict: "pass", Mark: "✓", Bar: barOf(c)}
		switch {
		case c.Insufficient:
			r.Verdict, r.Mark = "insufficient", "–"
		case !c.Pass:
			r.Verdict, r.Mark = "fail", "✗"
		}
		all = append(all, r)
	}
	order := map[string]int{"fail": 0, "insufficient": 2, "pass": 1}
	slices.SortStableFunc(all, func(a, b row) int { return order[a.Verdict] - order[b.Verdict] })
	return all
}

func verdict(run registry.Run) string {
	if run.Decision != "" {
		return run.Decision
	}
	return string(run.State)
}

// fact is a line of the lineage.
type fact struct{ Name, Value, Note string }

// lineage says what the run was made of and what came of it.
func lineage(run registry.Run) []fact {
	all := []fact{
		{"base", run.Base.Model, run.Base.Digest},
		{"parent", orNone(run.Parent), ""},
		{"method", run.Method, run.Reason},
		{"rows", counts(run.Rows), ""},
		{"dropped", orNone(counts(run.Dropped)), ""},
		{"people", fmt.Sprint(len(run.Users)), erased(run.Tainted)},
		{"data root", orNone(run.DataRoot), ""},
		{"model", orNone(run.Result.Model), run.Result.Digest},
		{"weights", orNone(run.Weights), ""},
		{"reward model", orNone(run.Result.RM), ""},
		{"configuration", string(run.Config), ""},
		{"seed", fmt.Sprint(run.Seed), ""},
		{"program", run.Code, ""},
		{"time", run.Created.UTC().Format("2006-01-02 15:04:05") + " UTC", "took " + run.Updated.Sub(run.Created).Round(time.Second).String()},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func erased(users []string) string {
	if len(users) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them have been erased since: their rows are still in the weights", len(users))
}

// counts lists numbers by name, in the order of the names.
func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] != 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", name, of[name]))
		}
	}
	return strings.Join(parts, ", ")
}

// hacks draws the resistance to each kind of hack.
func hacks(m rm.Metrics) []row {
	var all []row
	n := float64(m.HackPrompts)
	for _, name := range slices.Sorted(maps.Keys(m.ByHack)) {
		share := m.ByHack[name]
		c := gate.Check{Name: name, Value: &share, Pass: true}
		if n > 0 {
			lo, hi := gate.Wilson(share*n, n, 1.96)
			c.Interval = &[2]float64{lo, hi}
		}
		all = append(all, row{Check: c, Verdict: "plain", Bar: barIn(c, 0, 1)})
	}
	return all
}

// figure writes a number with three digits that tell.
func figure(x *float64) string {
	if x == nil {
		return "–"
	}
	return strings.ReplaceAll(fmt.Sprintf("%.3g", *x), "-", "−")
}

var hash = regexp.MustCompile(`^[0-9a-f]{32,}$`)

// short cuts a hash for the eye; the page has the whole of it as a title.
func short(s string) string {
	if hash.MatchString(s) {
		return s[:16] + "…"
	}
	return s
}
