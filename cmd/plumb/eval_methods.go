package main

import (
	"errors"
	"fmt"

	"plumb/chat"
	"plumb/cmd/plumb/people"
	"plumb/cmd/plumb/study"
	"plumb/lm/kernel"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/offline/rows"
)

// EvalMethodsCmd is "plumb eval methods".
type EvalMethodsCmd struct {
	Votes   int       `help:"Votes that the simulated people give, of each kind: comparisons, thumbs, demonstrations." default:"300"`
	Noise   float64   `help:"Share of wrong votes." default:"0.15"`
	Seed    int64     `help:"Of everything that is drawn." default:"1"`
	Taste   string    `help:"What the simulated people like. For the built-in model: list, brief, question, example, warm, thrifty; for others plain, calm, impersonal, direct. Empty: one of them." placeholder:"NAME"`
	Methods []string  `help:"Methods to compare; default: all, but of a base other than the built-in one sft, dpo, kto, rlhf." placeholder:"NAME"`
	Base    ModelFile `help:"GGUF file of another model than the built-in one, or ollama:NAME in Ollama's store." placeholder:"FILE" aliases:"model"`
	Small   bool      `help:"A fraction of the votes, prompts and draws: to see what it costs, not which is best."`
	Threads int       `help:"Threads; 0 takes all processors." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *EvalMethodsCmd) Validate() error {
	var problems []error
	if cmd.Votes < 1 {
		problems = append(problems, fmt.Errorf("--votes: got %d, want at least 1", cmd.Votes))
	}
	if !(cmd.Noise >= 0 && cmd.Noise < .5) {
		problems = append(problems, fmt.Errorf("--noise: got %g, want 0 to less than 0.5", cmd.Noise))
	}
	if cmd.Threads < 0 {
		problems = append(problems, fmt.Errorf("--threads: got %d, want 0 or more", cmd.Threads))
	}
	if err := study.Check(cmd.Methods); err != nil {
		problems = append(problems, fmt.Errorf("--methods: %w", err))
	}
	_, err := cmd.taste()
	return errors.Join(append(problems, err)...)
}

func (cmd *EvalMethodsCmd) taste() (people.Taste, error) {
	name := cmd.Taste
	if name == "" {
		name = map[bool]string{true: "question", false: "calm"}[cmd.Base.Path == ""]
	}
	found, err := people.Find([]string{name}, cmd.Base.Path == "")
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("--taste: got %q, want one taste", name)
	}
	if err != nil {
		return people.Taste{}, err
	}
	return found[0], nil
}

// comparison is the last line of "plumb eval methods".
type comparison struct {
	Model string `json:"model"`
	*study.Result
}

// Run implements the command.
func (cmd *EvalMethodsCmd) Run(c *Context) error {
	collectEarly()
	kernel.SetThreads(cmd.Threads)
	s, err := cmd.study()
	if err != nil {
		return err
	}
	defer s.Model.Close()
	bar := newProgress(c.Stderr, "methods")
	s.Progress = func(done float64, note string) { bar.at(min(999, int(1000*done)), 1000, note) }
	r, err := s.Run(c.Ctx)
	if err != nil {
		return err
	}
	bar.at(1000, 1000, "done")
	if err := r.Table(c.Stderr); err != nil {
		return err
	}
	return printJSON(c.Stdout, comparison{s.Model.Config().Name, r})
}

// study says what is compared on which prompts.
func (cmd *EvalMethodsCmd) study() (study.Study, error) {
	taste, err := cmd.taste()
	if err != nil {
		return study.Study{}, err
	}
	s := study.Study{Taste: taste, Votes: cmd.Votes, Noise: cmd.Noise, Seed: cmd.Seed, Methods: cmd.Methods}
	voted, held := 100, 54
	if cmd.Base.Path == "" {
		s.Settings = study.Tiny()
		for _, n := range corpus.New().Neutral() {
			s.Neutral = append(s.Neutral, rows.Demonstration{
				Prompt: rows.Text{Messages: []chat.Message{{Role: chat.User, Content: n[0]}}}, Completion: rows.Plain(n[1])})
		}
		s.Model, err = tiny.Open()
	} else {
		s.Settings, voted, held = study.Real(), 60, 36
		if s.Methods == nil {
			s.Methods = []string{"sft", "dpo", "kto", "rlhf"}
		}
		s.Model, err = cmd.Base.Open()
	}
	if cmd.Small {
		voted, held, s.Votes, s.MaxTokens = voted/4, held/4, min(s.Votes, 60), 48
		s.Settings = s.Settings.Small()
	}
	s.Voted, s.HeldOut = people.Prompts(uint64(cmd.Seed), voted, held)
	return s, err
}
