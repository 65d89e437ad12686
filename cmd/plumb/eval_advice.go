package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plumb/cmd/plumb/study"
	"plumb/lm/kernel"
)

// EvalAdviceCmd is "plumb eval advice".
type EvalAdviceCmd struct {
	Situation []string `help:"Situations to measure: nothing, thumbs, few-pairs, weak-base, many-pairs, demonstrations. Default: all." placeholder:"NAME"`
	Noise     float64  `help:"Share of wrong votes." default:"0.15"`
	Seed      int64    `help:"Of everything that is drawn." default:"1"`
	Taste     string   `help:"What the simulated people like: list, brief, question, example, warm, thrifty. Those who write what the base never says like letters." default:"question" placeholder:"NAME"`
	Threads   int      `help:"Threads; 0 takes all processors." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *EvalAdviceCmd) Validate() error {
	_, err := cmd.situations()
	m := cmd.methods(study.Situation{})
	return errors.Join(err, m.Validate())
}

// situations returns those asked for, in their order.
func (cmd *EvalAdviceCmd) situations() ([]study.Situation, error) {
	var asked []study.Situation
	var names []string
	for _, s := range study.Situations() {
		names = append(names, s.Name)
		if len(cmd.Situation) == 0 || slices.Contains(cmd.Situation, s.Name) {
			asked = append(asked, s)
		}
	}
	for _, name := range cmd.Situation {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--situation: got %q, want some of %s", name, strings.Join(names, ", "))
		}
	}
	return asked, nil
}

// methods is the comparison that a situation is measured by.
func (cmd *EvalAdviceCmd) methods(s study.Situation) EvalMethodsCmd {
	return EvalMethodsCmd{Votes: max(1, s.Votes), Noise: cmd.Noise, Seed: cmd.Seed, Taste: cmd.Taste, Threads: cmd.Threads, Methods: s.Methods}
}

// counsels is the last line of "plumb eval advice".
type counsels struct {
	Model      string           `json:"model"`
	Held       int              `json:"held"` // situations in which the advised method wins or is within chance of the winner
	Situations []*study.Counsel `json:"situations"`
}

// Run implements the command. The table of a situation is written as soon as it is measured.
func (cmd *EvalAdviceCmd) Run(c *Context) error {
	kernel.SetThreads(cmd.Threads)
	situations, err := cmd.situations()
	if err != nil {
		return err
	}
	var all counsels
	for _, in := range situations {
		one, err := cmd.measure(c, in)
		if err != nil {
			return err
		}
		if err := one.Table(c.Stderr); err != nil {
			return err
		}
		if all.Situations = append(all.Situations, one); one.Standing != study.Behind {
			all.Held++
		}
	}
	all.Model = "built in"
	return printJSON(c.Stdout, all)
}

func (cmd *EvalAdviceCmd) measure(c *Context, in study.Situation) (*study.Counsel, error) {
	m := cmd.methods(in)
	s, err := m.study()
	if err != nil {
		return nil, err
	}
	defer s.Model.Close()
	bar := newProgress(c.Stderr, in.Name)
	s.Progress = func(done float64, note string) { bar.at(min(999, int(1000*done)), 1000, note) }
	one, err := s.Counsel(c.Ctx, in)
	if err == nil {
		bar.at(1000, 1000, "done")
	}
	return one, err
}
