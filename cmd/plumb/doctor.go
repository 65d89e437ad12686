package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/neighbour"
)

// DoctorCmd is "plumb doctor".
type DoctorCmd struct {
	Where
	Draws   int           `help:"Replies drawn at once to see how many the upstream really works on at a time." default:"8"`
	Timeout time.Duration `help:"Longest it may take." default:"3m" setting:"doctor_timeout"`
	Settle  bool          `hidden:"" help:"Only make this process a good neighbour and print what could be applied."`
}

// Validate implements kong's check of the parsed flags.
func (cmd *DoctorCmd) Validate() error {
	problems := []error{cmd.Where.check()}
	if cmd.Draws < 1 || cmd.Draws > 64 {
		problems = append(problems, fmt.Errorf("--draws: got %d, want 1 to 64", cmd.Draws))
	}
	if cmd.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout: got %v, want more than 0", cmd.Timeout))
	}
	return errors.Join(problems...)
}

// Outcomes of a check.
const (
	fine    = "ok"
	warning = "warning"
	failed  = "failed"  // plumb cannot work so
	skipped = "skipped" // cannot be told, because something before it failed
)

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warning, failed or skipped
	Found  string `json:"found"`
	Advice string `json:"advice"` // what to do, or what it is good for
}

// Run implements the command: a table on standard error, one JSON object on standard output.
func (cmd *DoctorCmd) Run(c *Context) error {
	if cmd.Settle {
		return printJSON(c.Stdout, neighbour.Settle())
	}
	ctx, cancel := context.WithTimeout(c.Ctx, cmd.Timeout)
	defer cancel()
	d := doctor{where: &cmd.Where, draws: cmd.Draws}
	d.examineUpstream(ctx)
	d.examineStore(ctx)
	d.examineBase(ctx)
	d.examineDisk()
	d.examineNeighbour(ctx)
	if err := c.Ctx.Err(); err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.Stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "check\t\tfound\tadvice")
	var bad []string
	for _, f := range d.findings {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Check, f.Status, f.Found, f.Advice)
		if f.Status == failed {
			bad = append(bad, f.Check)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printJSON(c.Stdout, map[string]any{"ok": len(bad) == 0, "findings": d.findings}); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("what is essential fails: %s", strings.Join(bad, ", "))
	}
	return nil
}

// doctor examines a set-up.
type doctor struct {
	where    *Where
	draws    int
	upstream *upstream // nil if it cannot be reached
	size     int64     // bytes of the base model's file, 0 if unknown
	findings []finding
}

func (d *doctor) add(check, status, found, advice string) {
	d.findings = append(d.findings, finding{check, status, found, advice})
}

// examineStore sees whether feedback can be kept, and how safely.
func (d *doctor) examineStore(ctx context.Context) {
	kind, place, _ := storeKind(d.where.Store, d.where.Data)
	s, err := openStore(d.where, false, slog.New(slog.DiscardHandler))
	if err == nil {
		defer s.log.Close()
		err = s.log.Ping(ctx)
	}
	if err != nil {
		advice := "see that the folder can be written and has room"
		if kind == "redis" {
			advice = "start Redis, or see that --store has the right host, port, password and number"
			place = "redis"
		}
		d.add("store", failed, fmt.Sprintf("%s: %v", place, err), advice)
		return
	}
	if kind == "sqlite" {
		d.add("store", fine, "SQLite in "+place, "enough for one server; replicas share a Redis")
		d.add("durability", fine, "every vote is fsync'd before it is acknowledged", "back the file up with plumb data export, or with sqlite3 .backup")
		return
	}
	d.add("store", fine, "Redis answers", "servers that share it share votes, aliases and the lease on training")
	risks := s.durability(ctx)
	for _, risk := range risks {
		found, advice, _ := strings.Cut(risk, ";")
		found, advice, cut := strings.Cut(found+"; "+strings.TrimSpace(advice), "; ")
		if !cut || advice == "" {
			found, advice = risk, "see Redis's own manual on persistence"
		}
		d.add("durability", warning, found, advice)
	}
	if len(risks) == 0 {
		d.add("durability", fine, "append-only file, fsync'd always, nothing evicted", "back the append-only file up")
	}
}

// examineBase sees whether the base model can be trained here.
func (d *doctor) examineBase(ctx context.Context) {
	if d.where.Base.Path == "" && d.upstream == nil {
		d.add("base file", skipped, "the upstream cannot be asked for it", "name it with --base, or see to the upstream first")
		return
	}
	m, path, err := d.openBase(ctx)
	if err != nil {
		d.add("base file", warning, err.Error(), "votes still choose replies by a reward model; to train the model itself name a GGUF file of the llama, mistral, qwen or gemma families with --base")
		return
	}
	defer m.Close()
	if info, err := os.Stat(path); err == nil {
		d.size = info.Size()
	}
	config := m.Config()
	weights := 0
	for _, t := range m.File().Tensors() {
		n := 1
		for _, length := range t.Dims {
			n *= int(length)
		}
		weights += n
	}
	d.add("base file", fine, fmt.Sprintf("%s, %s, %.3g million weights, context %d", path, config.Arch, float64(weights)/1e6, config.Context),
		fmt.Sprintf("training takes up to about %s of memory", bytesText(int64(weights)*8+2<<30)))
}

// openBase opens the file that training would begin with.
func (d *doctor) openBase(ctx context.Context) (m *lm.Model, path string, err error) {
	if u := d.upstream; d.where.Base.Path == "" && u.local != nil {
		m, err = u.local.open(ctx, u.local.base)
		return m, "built in", err
	}
	path = d.where.Base.Path
	if path == "" {
		if path, err = d.upstream.training().Locate(ctx, d.where.baseName()); err != nil {
			return nil, "", err
		}
	}
	m, err = lm.Open(path)
	return m, path, err
}

// Least room in --data, in bytes: below the first nothing can be kept for long, below the second a run may not end.
const (
	leastRoom   = 64 << 20
	leastForRun = 1 << 30
)

// examineDisk sees whether there is room for votes, and for what a run writes: the trained model whole, and what the upstream
// makes of it.
func (d *doctor) examineDisk() {
	free, err := freeBytes(d.where.Data)
	want := max(int64(leastForRun), 4*d.size)
	switch {
	case err != nil:
		d.add("disk", warning, fmt.Sprintf("%s: %v", d.where.Data, err), "see for yourself that "+bytesText(want)+" are free")
	case free < leastRoom:
		d.add("disk", failed, fmt.Sprintf("%s free in %s", bytesText(free), d.where.Data), "make room, or move --data")
	case free < want:
		d.add("disk", warning, fmt.Sprintf("%s free in %s", bytesText(free), d.where.Data), "a run wants "+bytesText(want)+": remove old models, or move --data")
	default:
		d.add("disk", fine, fmt.Sprintf("%s free in %s", bytesText(free), d.where.Data), "each run that ends in a model keeps it; remove models that no alias names")
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// saying is an error's message for people: without its cause where it has one of its own.
func saying(err error) string {
	var e *chat.Error
	if errors.As(err, &e) && e.Msg != "" {
		return e.Error()
	}
	return err.Error()
}
