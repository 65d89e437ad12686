package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"plumb/chat"
	"plumb/offline/rows"
	"plumb/rm"
)

// RMCmd is the reward model's part of the command line.
type RMCmd struct {
	Train RMTrainCmd `cmd:"" help:"Fit a reward model from files of feedback."`
	Score RMScoreCmd `cmd:"" help:"Score replies: a line {\"prompt\", \"response\"} in, a line {\"reward\", \"sd\", \"ood\"} out."`
	Eval  RMEvalCmd  `cmd:"" help:"Measure a reward model against pairs it was not fitted on."`
}

// RMTrainCmd is "plumb rm train".
type RMTrainCmd struct {
	Pairs      []string `help:"JSON Lines {prompt, chosen, rejected}; ties as \"tie\": true; votes {prompt, a, b, winner} too. May be repeated, as all files may; .gz is read." sep:"none" placeholder:"FILE"`
	Candidates []string `help:"JSON Lines {prompt, candidates: [{text, score}]}: scores become comparisons; without scores they are what --demos are held against." sep:"none" placeholder:"FILE"`
	Thumbs     []string `help:"JSON Lines {prompt, completion, label}, or rating for label." sep:"none" placeholder:"FILE"`
	Demos      []string `help:"JSON Lines {prompt, completion, candidates?}: replies that people wished for; candidates are the model's own, each a string or {text, log_weight} (the log of how much likelier it is under the base model than where it was drawn), else those of --candidates." sep:"none" placeholder:"FILE"`
	Out        string   `help:"Where to write the reward model." required:"" placeholder:"FILE"`

	Heads       int     `help:"Heads of the ensemble, each on its own bootstrap of the prompts." default:"5"`
	Smoothing   float64 `help:"Share of votes taken to be mistakes, in [0, 0.5)." default:"0"`
	Centre      float64 `help:"Coefficient that keeps rewards near 0; 0.01 is common." default:"0"`
	DensePrior  float64 `help:"Standard deviation of the weights of the surface features; 0: chosen by cross-validation." default:"0"`
	SparsePrior float64 `help:"Standard deviation of the weights of the hashed words; 0: chosen by cross-validation." default:"0"`
	Canaries    float64 `help:"Weight of known hacks as rejected replies, as a share of all votes; below 0 none." default:"0.1"`
	Bits        int     `help:"Words are hashed into 2^bits columns, 10 to 22." default:"17"`
	OwnText     float64 `help:"With --demos: weight, as a share of everything else, of comparisons among the model's own replies, the nearest to a demonstration over the farthest; 0 measures them only." default:"0"`
	Seed        int64   `help:"Of the bootstrap and the folds." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *RMTrainCmd) Validate() error {
	if len(cmd.Pairs)+len(cmd.Candidates)+len(cmd.Thumbs)+len(cmd.Demos) == 0 {
		return errors.New("no feedback: want at least one of --pairs, --candidates, --thumbs, --demos")
	}
	if cmd.Bits < 10 || cmd.Bits > 22 {
		return fmt.Errorf("--bits: got %d, want 10 … 22", cmd.Bits)
	}
	return nil
}

// rmTrained is the last line of "plumb rm train".
type rmTrained struct {
	Pairs          int      `json:"pairs"` // those that scores imply included
	Thumbs         int      `json:"thumbs"`
	Demonstrations int      `json:"demonstrations"`
	Prompts        int      `json:"prompts"`
	HeldOut        int      `json:"held_out"`
	Accuracy       *float64 `json:"accuracy"` // of pairs; else of the pairs that demonstrations imply; else of thumbs
	LogLoss        *float64 `json:"log_loss"`
	Brier          *float64 `json:"brier"`
	ECE            *float64 `json:"ece"`
	ECERaw         *float64 `json:"ece_raw"`
	ThumbAccuracy  *float64 `json:"thumb_accuracy"`
	ThumbAUC       *float64 `json:"thumb_auc"`
	ESSMean        *float64 `json:"ess_mean"` // draws from the base model that the candidates of a demonstration are worth
	ESSLeast       *float64 `json:"ess_least"`
	AuthorAccuracy *float64 `json:"author_accuracy"` // demonstrations over the model's candidates, held out
	OwnAccuracy    *float64 `json:"own_accuracy"`    // better over worse among the model's own, held out
	OwnPairs       int      `json:"own_pairs"`
	Warnings       []string `json:"warnings"`
	Temperature    float64  `json:"temperature"`
	Outside        *float64 `json:"outside_option"`
	HackResistance *float64 `json:"hack_resistance"`
	Version        string   `json:"version"`
	Out            string   `json:"out"`
	Seconds        float64  `json:"seconds"`
}

// Run fits and saves.
func (cmd *RMTrainCmd) Run(c *Context) error {
	start := time.Now()
	data, own, err := cmd.read(c.Stderr)
	if err != nil {
		return err
	}
	features := rm.NewLexical(cmd.Bits)
	if data.Own, err = rm.OwnPairs(c.Ctx, features, own); err != nil {
		return err
	}
	m, err := rm.Trainer{Features: features, Heads: cmd.Heads, Smoothing: cmd.Smoothing, Centre: cmd.Centre,
		DensePrior: cmd.DensePrior, SparsePrior: cmd.SparsePrior, Canaries: cmd.Canaries, OwnText: cmd.OwnText, Seed: cmd.Seed,
		Log: func(format string, args ...any) { fmt.Fprintf(c.Stderr, format+"\n", args...) },
	}.Fit(c.Ctx, data)
	if err != nil {
		return err
	}
	if err := m.Save(cmd.Out); err != nil {
		return err
	}
	meta := m.Meta()
	e := meta.Metrics
	out := rmTrained{Pairs: meta.Pairs, Thumbs: meta.Thumbs, Demonstrations: meta.Demonstrations, Prompts: meta.Prompts, HeldOut: e.HeldOut,
		Accuracy: first(e.Accuracy, e.ListAccuracy, e.ThumbAccuracy), LogLoss: e.LogLoss, Brier: e.Brier, ECE: e.ECE, ECERaw: e.ECERaw,
		ThumbAccuracy: e.ThumbAccuracy, ThumbAUC: e.ThumbAUC, ESSMean: e.ESSMean, ESSLeast: e.ESSLeast, OwnAccuracy: e.OwnAccuracy, OwnPairs: e.OwnPairs,
		Warnings: append([]string{}, e.Warnings()...), Temperature: meta.Temperature, HackResistance: e.HackResistance,
		Version: m.Version(), Out: cmd.Out, Seconds: time.Since(start).Seconds()}
	if len(own) == len(data.Demonstrations) { // else some were held against what people wrote
		out.AuthorAccuracy = e.AuthorAccuracy
	}
	if meta.Up != nil {
		if outside, ok := meta.Up.Outside(); ok {
			out.Outside = &outside
		}
	}
	return printJSON(c.Stdout, out)
}

// first returns the first of its arguments that is not nil.
func first(values ...*float64) *float64 {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// read puts the files together and says on w what was made of them. own is the demonstrations that are held against replies of
// the model.
func (cmd *RMTrainCmd) read(w io.Writer) (data rm.Data, own []rm.Demonstration, err error) {
	pairs, err := rows.ReadFiles[rows.Preference](cmd.Pairs...)
	if err != nil {
		return data, nil, err
	}
	data.Pairs = rmPairs(pairs)
	thumbs, err := rows.ReadFiles[rows.Unpaired](cmd.Thumbs...)
	if err != nil {
		return data, nil, err
	}
	for _, t := range thumbs {
		if weight, ok := weightOf(t.Weight); ok {
			data.Thumbs = append(data.Thumbs, rm.Thumbed{Prompt: t.Prompt.Chat(chat.User), Reply: t.Completion.String(), Target: t.Target(), Weight: weight, User: t.User})
		}
	}
	candidates, err := rows.ReadFiles[rows.Candidates](cmd.Candidates...)
	if err != nil {
		return data, nil, err
	}
	implied := scoredPairs(candidates)
	data.Pairs = append(data.Pairs, implied...)
	demos, err := rows.ReadFiles[rows.Demonstration](cmd.Demos...)
	if err != nil {
		return data, nil, err
	}
	data.Demonstrations, own = demonstrations(demos, candidates, cmd.Seed)
	mismatched := len(data.Demonstrations) - len(own)
	fmt.Fprintf(w, "%d pairs, %d more from the scores of %d pools, %d thumbs, %d demonstrations\n", len(pairs), len(implied), len(candidates), len(thumbs), len(data.Demonstrations))
	if mismatched > 0 {
		fmt.Fprintf(w, "%d demonstrations have no candidates of the same prompt: they are held against demonstrations of other prompts, which teaches little more than what belongs to a prompt\n", mismatched)
	}
	if len(candidates) > 0 && len(implied) == 0 && len(data.Demonstrations) == mismatched {
		return data, nil, errors.New("read candidates: none has scores that differ or a demonstration of the same prompt: nothing can be learned from them")
	}
	return data, own, nil
}

// rmPairs turns rows into pairs; rows of weight 0 are left out.
func rmPairs(in []rows.Preference) []rm.Pair {
	var out []rm.Pair
	for _, p := range in {
		if weight, ok := weightOf(p.Weight); ok {
			out = append(out, rm.Pair{Prompt: p.Prompt.Chat(chat.User), Chosen: p.Chosen.String(), Rejected: p.Rejected.String(),
				Tie: p.Tie, Margin: p.Margin, Weight: weight, User: p.User})
		}
	}
	return out
}

// weightOf returns the weight of a row, and whether it counts at all.
func weightOf(w *float64) (float64, bool) {
	if w == nil {
		return 1, true
	}
	return *w, *w > 0
}

// scoredPairs returns the comparisons that gold scores imply.
func scoredPairs(pools []rows.Candidates) []rm.Pair {
	var out []rm.Pair
	for _, pool := range pools {
		var texts []string
		var scores []float64
		for _, c := range pool.Candidates {
			if c.Score != nil {
				texts, scores = append(texts, c.Text), append(scores, *c.Score)
			}
		}
		if len(texts) > 1 {
			out = append(out, rm.Compare(pool.Prompt.Chat(chat.User), texts, scores)...)
		}
	}
	return out
}

// promptText is the same for prompts that differ in case and white space only.
func promptText(t rows.Text) string {
	return strings.ToLower(strings.Join(strings.Fields(t.String()), " "))
}

// RMScoreCmd is "plumb rm score".
type RMScoreCmd struct {
	RM     string  `help:"The reward model." required:"" placeholder:"FILE" name:"rm"`
	Length float64 `help:"How much of the part of the reward that goes with length is taken off, -1 to 1." default:"0"`
}

// Run scores line by line and answers each line before it reads the next.
func (cmd *RMScoreCmd) Run(c *Context) error {
	m, err := rm.Open(cmd.RM, nil)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(c.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), rows.MaxLine)
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		var row struct{ Prompt, Response *rows.Text }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return fmt.Errorf("read standard input, line %d: %w", n, err)
		}
		if row.Prompt == nil || row.Response == nil {
			return fmt.Errorf("read standard input, line %d: want {\"prompt\", \"response\"}, each a string or a list of messages", n)
		}
		r, err := m.ScoreByLength(c.Ctx, row.Prompt.Chat(chat.User), []string{row.Response.String()}, cmd.Length)
		if err != nil {
			return err
		}
		if err := printJSON(c.Stdout, r[0]); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}

// RMEvalCmd is "plumb rm eval".
type RMEvalCmd struct {
	RM          string   `help:"The reward model." required:"" placeholder:"FILE" name:"rm"`
	Pairs       []string `help:"JSON Lines {prompt, chosen, rejected} that the model was not fitted on." required:"" sep:"none" placeholder:"FILE"`
	Reliability bool     `help:"Print the reliability table on standard error."`
}

// Run measures.
func (cmd *RMEvalCmd) Run(c *Context) error {
	m, err := rm.Open(cmd.RM, nil)
	if err != nil {
		return err
	}
	pairs, err := rows.ReadFiles[rows.Preference](cmd.Pairs...)
	if err != nil {
		return err
	}
	e, err := rm.Evaluate(c.Ctx, m, rmPairs(pairs))
	if err != nil {
		return err
	}
	if cmd.Reliability {
		fmt.Fprintln(c.Stderr, "confidence   votes  said  true")
		for _, b := range e.Bins {
			if b.N > 0 {
				fmt.Fprintf(c.Stderr, "%.2f … %.2f %6d  %.3f %.3f\n", b.Low, b.High, b.N, b.Said, b.True)
			}
		}
	}
	return printJSON(c.Stdout, e)
}
