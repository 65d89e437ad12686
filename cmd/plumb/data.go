package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"plumb/feedback"
	"plumb/offline/durable"
	"plumb/offline/pairs"
)

// DataCmd moves feedback in and out of the store as rows of training data.
type DataCmd struct {
	Export DataExportCmd `cmd:"" help:"Write what was voted as rows of training data, JSON Lines in TRL's shapes."`
	Import DataImportCmd `cmd:"" help:"Take rows of training data into the store, as feedback of source import."`
}

// Kept says which store; it is the part of [Where] that needs no model.
type Kept struct {
	Store  string `help:"Where feedback is kept: sqlite:FILE, or redis://HOST:PORT/DB (rediss:// for TLS). Empty: plumb.db in --data." placeholder:"URL"`
	Data   string `help:"Folder for the database, the spool, runs and models." default:"plumb-data" placeholder:"DIR" type:"path"`
	Prefix string `help:"Of the keys in Redis; servers that share a store share it." default:"plumb"`
}

func (k *Kept) check() error {
	_, _, err := storeKind(k.Store, k.Data)
	return err
}

func (k *Kept) open(c *Context) (*store, error) {
	log := slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return openStore(&Where{Store: k.Store, Data: k.Data, Prefix: k.Prefix}, false, log)
}

// Kinds of rows.
const (
	preferenceRows    = "preference"
	unpairedRows      = "unpaired"
	demonstrationRows = "demonstration"
)

// DataExportCmd is "plumb data export".
type DataExportCmd struct {
	Kept
	Kind    string   `help:"preference {prompt, chosen, rejected}, unpaired {prompt, completion, label} or demonstration {prompt, completion}." required:"" enum:"preference,unpaired,demonstration" placeholder:"KIND"`
	Sources []string `help:"Whose word is taken: human, implicit (from behaviour), import, rm (made by a reward model)." default:"human,implicit" placeholder:"NAME"`
	Out     string   `help:"Where to write the rows. Empty: standard output." placeholder:"FILE"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *DataExportCmd) Validate() error {
	problems := []error{cmd.Kept.check()}
	if len(cmd.Sources) == 0 {
		problems = append(problems, errors.New("--sources: want at least one of human, implicit, import, rm"))
	}
	for _, s := range cmd.Sources {
		if !slices.Contains([]string{feedback.Human, feedback.Implicit, feedback.Import, feedback.Model}, s) {
			problems = append(problems, fmt.Errorf("--sources: got %q, want human, implicit, import or rm", s))
		}
	}
	return errors.Join(problems...)
}

// Run implements the command. With --out, the last line of standard output says how many rows were written.
func (cmd *DataExportCmd) Run(c *Context) error {
	s, err := cmd.open(c)
	if err != nil {
		return err
	}
	defer s.log.Close()
	n := 0
	write := func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 64<<10)
		lines := json.NewEncoder(buffered)
		lines.SetEscapeHTML(false)
		err := pairs.Exporter{Log: s.log}.Export(c.Ctx, cmd.Kind, cmd.Sources, func(row any) error {
			n++
			return lines.Encode(row)
		})
		return errors.Join(err, buffered.Flush())
	}
	if cmd.Out == "" {
		if err := write(c.Stdout); err != nil {
			return err
		}
		fmt.Fprintf(c.Stderr, "%d %s rows from %s\n", n, cmd.Kind, strings.Join(cmd.Sources, ", "))
		return nil
	}
	if err := durable.WriteFile(cmd.Out, write); err != nil {
		return err
	}
	return printJSON(c.Stdout, map[string]any{"kind": cmd.Kind, "rows": n, "out": cmd.Out})
}
