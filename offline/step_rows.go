package offline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plumb/offline/opinion"
	"plumb/offline/pairs"
	"plumb/offline/registry"
)

// collect notes what answers now and copies the feedback as it is.
func (w *work) collect(ctx context.Context) error {
	alias, err := w.Registry.Alias(ctx, w.Alias)
	if err != nil {
		return fmt.Errorf("read alias %s: %w", w.Alias, err)
	}
	s := start{Incumbent: registry.Release{Model: w.Base}, IncumbentIsBase: true}
	if alias.Live != nil {
		s.Incumbent, s.IncumbentIsBase = *alias.Live, alias.Live.Model == w.Base
		w.run.Parent = alias.Live.Run
	}
	records, err := pairs.Collect(ctx, w.Log)
	if err != nil {
		return err
	}
	if records, err = w.asBefore(ctx, records); err != nil {
		return err
	}
	if err := w.folder.put("records.json.gz", records); err != nil {
		return err
	}
	return w.folder.put("start.json", s)
}

// build makes rows of the feedback and holds some out.
func (w *work) build(ctx context.Context) error {
	var records pairs.Records
	if err := w.folder.get("records.json.gz", &records); err != nil {
		return err
	}
	set, err := w.config.build(ctx, records)
	if err != nil {
		return err
	}
	s := split{Preferred: set.Human().Lengths().Ratio}
	s.Train, s.HeldOut, s.Divided = set.Split(w.config.Split)
	s.HeldOut.Dropped = nil
	w.run.DataRoot, w.run.Dropped, w.run.Users = set.Root(), set.Dropped, set.Users()
	w.run.Rows = map[string]int{
		"pairs": len(s.Train.Preferences), "unpaired": len(s.Train.Unpaired), "demonstrations": len(s.Train.Demonstrations),
		"held_out": s.HeldOut.Len(), "between": s.Divided.Between,
	}
	if s.Noise = set.Voters.Noise; s.Noise != nil {
		w.metric("votes/epsilon", &s.Noise.Epsilon)
	}
	if set.Len() == 0 {
		w.reject("no feedback that a model could learn from")
	}
	return w.folder.put("rows.json.gz", s)
}

// build makes rows of records twice: the second time with what models of the first ones make of votes that nobody else gave.
func (c Config) build(ctx context.Context, records pairs.Records) (pairs.Set, error) {
	set := pairs.Build(records, c.Pairs)
	if c.Pairs.EqualUsers {
		return set, nil
	}
	second, err := opinion.Fit(ctx, set, c.Seed)
	if err != nil || second == nil {
		return set, err
	}
	return pairs.BuildWith(records, c.Pairs, second), nil
}

// rows reads the rows that build made.
func (w *work) rows() (s split, err error) {
	err = w.folder.get("rows.json.gz", &s)
	return s, err
}

// choose settles the method, and whether there is enough to learn from.
func (w *work) choose(context.Context) error {
	s, err := w.rows()
	if err != nil {
		return err
	}
	method := w.config.Method
	if method == Auto {
		a := w.advise(w.config, s.Train, s.Train, s.HeldOut)
		method, w.run.Reason = a.Method, a.Why
		if method == "" {
			w.reject("too little feedback: %s", a.Why)
			return nil
		}
	} else {
		w.run.Reason = "asked for"
	}
	w.run.Method = method
	w.noteFlips(s)
	if method == RMOnly {
		return nil
	}
	if n := w.method().rows(s.Train); n < w.config.LeastRows {
		w.reject("%d rows to train %s on, at least %d are wanted", n, method, w.config.LeastRows)
	}
	return nil
}

// evaluationPrompts returns up to n held-out prompts, in the order of their keys.
func evaluationPrompts(s pairs.Set, n int) []pairs.Prompt {
	all := s.Prompts()
	slices.SortFunc(all, func(a, b pairs.Prompt) int { return strings.Compare(a.Key, b.Key) })
	return all[:min(n, len(all))]
}
