package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"plumb/lm"
	"plumb/lm/gguf"
	"plumb/lm/kernel"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// LMTrainCmd is "plumb lm train".
type LMTrainCmd struct {
	Model  ModelFile `help:"GGUF file of the model to train, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Method string    `help:"dpo, or another loss of pairs (cdpo, robust, ipo, ipo_sum, hinge, exo_pair, nca_pair, bco_pair, sppo_hard, apo_zero, apo_down, discopop, sigmoid_norm, simpo, orpo, cpo), or a sum of them such as 0.9*sigmoid+0.1*sft; kto, bco or apo_zero_unpaired for thumbs; sft." required:"" placeholder:"NAME"`
	Data   []string  `help:"JSON Lines in TRL's shapes: {prompt, chosen, rejected}, {prompt, completion, label} or {prompt, completion}; texts plain or as messages; .gz is read. May be repeated." required:"" sep:"none" placeholder:"FILE"`
	Out    string    `help:"Where to write the adapter as GGUF; with --full the whole model." required:"" placeholder:"FILE"`

	Beta        float64 `help:"Pull towards the reference." default:"0.1"`
	LR          float64 `name:"lr" help:"Learning rate of AdamW." default:"1e-4"`
	Epochs      float64 `help:"Passes over the rows. 0: as many as make 80 steps, two at least and eight at most." default:"2"`
	Batch       int     `help:"Rows a step." default:"4"`
	Rank        int     `help:"Rank of the adapter." default:"16"`
	Alpha       float64 `help:"Scale of the adapter times its rank." default:"16"`
	MaxLength   int     `help:"Most tokens of prompt and reply; a longer reply is cut at its end, a longer prompt leaves the row out." default:"1024"`
	Seed        int64   `help:"Of the adapter's start and the order of rows." default:"0"`
	Threads     int     `help:"Threads; 0 takes all processors." default:"0"`
	Epsilon     float64 `help:"Share of flipped votes that cdpo, robust and exo_pair assume; 0 is the loss's own." default:"0"`
	Gamma       float64 `help:"Margin of simpo; 0 is its own, 0.5." default:"0"`
	Desirable   float64 `help:"Weight of liked replies in kto and bco; 0 is 1." default:"0"`
	Undesirable float64 `help:"Weight of disliked replies in kto and bco; 0 is 1." default:"0"`
	Schedule    string  `help:"Learning rate over the steps: constant, linear or cosine." default:"constant" enum:"constant,linear,cosine"`
	Warmup      int     `help:"Steps over which the learning rate climbs." default:"0"`
	FinalLR     float64 `name:"final-lr" help:"Share of the learning rate at the end of a falling schedule." default:"0"`
	Decay       float64 `help:"Weight decay of matrices." default:"0"`
	Beta2       float64 `help:"AdamW's beta2; 0 is 0.999." default:"0"`
	Clip        float64 `help:"Largest norm of a gradient; -1 for none." default:"1"`
	PassTokens  int     `help:"Tokens computed at once, which bounds memory." default:"1024"`
	Ordered     bool    `help:"Take rows in their order, not shuffled."`
	Chat        bool    `help:"A plain prompt is what a user said, not plain text."`
	Anchors     string  `help:"JSON Lines {prompt, completion}: text of the model's own kind, whose likelihood --anchor holds up while votes are learned." placeholder:"FILE"`
	Anchor      float64 `help:"Weight of the likelihood of --anchors." default:"0"`
	Start       string  `help:"Adapter to begin with." placeholder:"FILE" type:"existingfile"`
	Full        bool    `help:"Train all weights, not an adapter (sft)."`
	Type        string  `help:"With --full: type of the matrices in the file." default:"f16" enum:"f32,f16,bf16,q8_0,q5_1,q5_0,q4_1,q4_0"`
	Resume      string  `help:"Folder of checkpoints: goes on from the one in it, if there is one of this training." placeholder:"DIR"`
	Cache       string  `help:"Folder in which the reference's log-probs are kept for the next training." placeholder:"DIR"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *LMTrainCmd) Validate() error {
	if cmd.Threads < 0 {
		return fmt.Errorf("--threads: got %d, want 0 or more", cmd.Threads)
	}
	if (cmd.Anchors != "") != (cmd.Anchor != 0) {
		return errors.New("--anchors and --anchor: want both or none")
	}
	if cmd.Full && cmd.Start != "" {
		return errors.New("--full and --start: want one of them")
	}
	return cmd.config().Check()
}

func (cmd *LMTrainCmd) config() train.Config {
	return train.Config{Method: cmd.Method, Beta: cmd.Beta, Epsilon: cmd.Epsilon, Gamma: cmd.Gamma, Desirable: cmd.Desirable,
		Undesirable: cmd.Undesirable, Full: cmd.Full, Rank: cmd.Rank, Alpha: cmd.Alpha, LR: cmd.LR, Schedule: cmd.Schedule,
		Warmup: cmd.Warmup, FinalLR: cmd.FinalLR, Decay: cmd.Decay, Beta2: cmd.Beta2, Clip: cmd.Clip, Epochs: cmd.Epochs,
		Batch: cmd.Batch, MaxLength: cmd.MaxLength, PassTokens: cmd.PassTokens, Anchor: cmd.Anchor, Ordered: cmd.Ordered, Seed: cmd.Seed}
}

// Run trains and writes the result. A line a step goes to standard output.
func (cmd *LMTrainCmd) Run(c *Context) error {
	collectEarly()
	kernel.SetThreads(cmd.Threads)
	m, err := cmd.Model.Open()
	if err != nil {
		return err
	}
	defer m.Close()
	t := train.Trainer{Model: m, Config: cmd.config(), Dir: cmd.Resume, Cache: cmd.Cache}
	if cmd.Start != "" {
		if t.Start, err = m.ReadAdapter(cmd.Start); err != nil {
			return err
		}
	}
	bar := newProgress(c.Stderr, "train")
	t.Each = func(s train.Step) error {
		bar.at(s.Step, s.Steps, fmt.Sprintf("loss %.4f", s.Loss))
		return printJSON(c.Stdout, s)
	}
	reference := newProgress(c.Stderr, "reference")
	t.Referenced = func(done, all int) { reference.at(done, all, "log-probs") }
	result, err := cmd.train(c, t)
	if err != nil {
		return err
	}
	if err := cmd.write(m, result); err != nil {
		return err
	}
	fmt.Fprintf(c.Stderr, "%s: %d steps on %d rows, weights %.16s\n", cmd.Out, result.Steps, result.Rows, result.Weights)
	return nil
}

func (cmd *LMTrainCmd) train(c *Context, t train.Trainer) (*train.Result, error) {
	e := train.Encoder{Model: t.Model, MaxLength: cmd.MaxLength, Chat: cmd.Chat}
	if cmd.Anchors != "" {
		anchors, err := rows.ReadFiles[rows.Demonstration](cmd.Anchors)
		if err != nil {
			return nil, err
		}
		var dropped map[string]int
		t.Anchors, dropped = e.Demonstrations(anchors)
		sayDropped(c.Stderr, dropped)
	}
	switch train.Kind(cmd.Method) {
	case train.Preference:
		all, err := rows.ReadFiles[rows.Preference](cmd.Data...)
		if err != nil {
			return nil, err
		}
		cmd.warnPlain(c.Stderr, t.Model, all[0].Prompt)
		pairs, dropped := e.Pairs(all)
		sayDropped(c.Stderr, dropped)
		return t.Preferences(c.Ctx, pairs)
	case train.Unpaired:
		all, err := rows.ReadFiles[rows.Unpaired](cmd.Data...)
		if err != nil {
			return nil, err
		}
		cmd.warnPlain(c.Stderr, t.Model, all[0].Prompt)
		replies, dropped := e.Unpaired(all)
		sayDropped(c.Stderr, dropped)
		return t.Replies(c.Ctx, replies)
	}
	all, err := rows.ReadFiles[rows.Demonstration](cmd.Data...)
	if err != nil {
		return nil, err
	}
	cmd.warnPlain(c.Stderr, t.Model, all[0].Prompt)
	replies, dropped := e.Demonstrations(all)
	sayDropped(c.Stderr, dropped)
	return t.Imitate(c.Ctx, replies)
}

// warnPlain says so where plain rows bypass a model's chat template.
func (cmd *LMTrainCmd) warnPlain(w io.Writer, m *lm.Model, prompt rows.Text) {
	if prompt.Messages == nil && m.Template() != nil && !cmd.Chat {
		fmt.Fprintln(w, "prompts are plain text, so the model's chat template is not used; --chat takes them as what a user said")
	}
}

func sayDropped(w io.Writer, dropped map[string]int) {
	var parts []string
	for reason, n := range dropped {
		parts = append(parts, fmt.Sprintf("%d: %s", n, reason))
	}
	if len(parts) > 0 {
		slices.Sort(parts)
		fmt.Fprintln(w, "rows left out:", strings.Join(parts, "; "))
	}
}

// write writes the adapter, or the model whose weights were trained.
func (cmd *LMTrainCmd) write(m *lm.Model, r *train.Result) error {
	about := []gguf.Pair{
		{Key: "plumb.train.method", Value: cmd.Method},
		{Key: "plumb.train.base", Value: m.Digest()},
		{Key: "plumb.train.steps", Value: uint32(r.Steps)},
		{Key: "plumb.train.weights", Value: r.Weights},
	}
	if r.Adapter != nil {
		return r.Adapter.WriteFile(cmd.Out, m, about...)
	}
	typ, err := gguf.ParseType(cmd.Type)
	if err != nil {
		return err
	}
	_, err = lm.Merge{Type: typ, Extra: about}.Write(m, cmd.Out)
	return err
}
