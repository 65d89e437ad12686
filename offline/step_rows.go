package offline

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

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
func (w *work) build(context.Context) error {
	var records pairs.Records
	if err := w.folder.get("records.json.gz", &records); err != nil {
		return err
	}
	set := pairs.Build(records, w.config.Pairs)
	s := split{Preferred: preferredLength(set.Human())}
	s.Train, s.HeldOut, s.Divided = set.Split(w.config.Split)
	s.HeldOut.Dropped = nil
	w.run.DataRoot, w.run.Dropped, w.run.Users = set.Root(), set.Dropped, set.Users()
	w.run.Rows = map[string]int{
		"pairs": len(s.Train.Preferences), "unpaired": len(s.Train.Unpaired), "demonstrations": len(s.Train.Demonstrations),
		"held_out": s.HeldOut.Len(), "between": s.Divided.Between,
	}
	if set.Len() == 0 {
		w.reject("no feedback that a model could learn from")
	}
	return w.folder.put("rows.json.gz", s)
}

// preferredLength returns the geometric mean of chosen over rejected length in words.
func preferredLength(s pairs.Set) float64 {
	sum, n := 0., 0.
	for _, p := range s.Preferences {
		if p.Class == pairs.Next { // implicit
			continue
		}
		chosen, rejected := len(strings.Fields(p.Chosen)), len(strings.Fields(p.Rejected))
		if chosen > 0 && rejected > 0 {
			sum += math.Log(float64(chosen) / float64(rejected))
			n++
		}
	}
	return math.Exp(sum / math.Max(1, n))
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
		a := Advise(s.Train, w.config.LeastRows)
		method, w.run.Reason = a.Method, a.Reason
		if method == "" {
			w.reject("too little feedback: %s", a.Reason)
			return nil
		}
	} else {
		w.run.Reason = "asked for"
	}
	w.run.Method = method
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
