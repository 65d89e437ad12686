package study

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"plumb/cmd/plumb/people"
	"plumb/offline/advise"
	"plumb/offline/evaluate"
	"plumb/offline/pairs"
	"plumb/offline/rows"
)

// Situation is what somebody may have collected, and the ways on from there.
type Situation struct {
	Name     string   `json:"situation"`
	Feedback Feedback `json:"feedback"`
	Votes    int      `json:"votes"`
	Methods  []string `json:"-"` // of the study that can learn from it
	// Foreign: the prompts ask for what the base never does, a letter, and people demonstrate it, rather than replies of its own.
	Foreign bool `json:"foreign,omitempty"`
}

// Situations returns those that advice is measured in. Those with demonstrations have eight replies of the model beside each.
func Situations() []Situation {
	best := fmt.Sprintf("best-of-%d", Candidates)
	return []Situation{
		{Name: "nothing", Feedback: Nothing},
		{Name: "thumbs", Feedback: Thumbs, Votes: 70, Methods: []string{best, "sft", "kto", "grpo"}},
		{Name: "few-pairs", Feedback: Comparisons, Votes: 14, Methods: []string{best, "sft", "dpo", "rlhf"}},
		{Name: "weak-base", Feedback: Demonstrations, Votes: 60, Methods: []string{"sft", "irl+" + best, "irl+ppo"}, Foreign: true},
		{Name: "many-pairs", Feedback: Comparisons, Votes: 300, Methods: []string{best, "sft", "distill", "bonbon", "dpo", "rlhf", "grpo"}},
		{Name: "demonstrations", Feedback: Demonstrations, Votes: 60, Methods: []string{"sft", "irl+" + best, "irl+ppo"}},
	}
}

// Counsel is what the advice was in a situation, and what each method came to.
type Counsel struct {
	Situation
	Measured Result          `json:"measured"`
	Advised  string          `json:"advised"` // method of a run; "" where there is nothing to learn from
	Why      string          `json:"why"`
	BaseNLL  *advise.BaseNLL `json:"base_nll,omitempty"`
	Winner   string          `json:"winner"`   // most to the taste of those that a run would release
	Standing string          `json:"standing"` // of the advice: wins; within chance of the winner (the intervals meet); alone; or behind
}

// Standings of advice.
const (
	Wins   = "wins"
	Within = "within"
	Alone  = "alone" // beyond chance the most to the taste of all, and yet nothing that a run would release
	Behind = "behind"
)

// mostNLL is how much worse neutral text may be for a model that is released: the gate's limit.
const mostNLL = .02

// leastRows is from how many rows a run makes a model.
const leastRows = 20

// Counsel measures the methods that a situation leaves, and what advice the feedback in it gets. s says all but what the situation does.
// The advice is given on the votes that the methods learn from; nothing of them is held out. Cost: as [Study.Run] with those methods.
func (s Study) Counsel(ctx context.Context, in Situation) (*Counsel, error) {
	s.Feedback, s.Votes, s.Methods = in.Feedback, max(1, in.Votes), slices.Clip(append([]string{}, in.Methods...))
	plain := s.Voted
	if in.Foreign {
		s.Taste, s.Rewrite = letter, intoLetter
		s.Voted, s.HeldOut = askForLetters(s.Voted), askForLetters(s.HeldOut)
	}
	if err := s.defaults(); err != nil {
		return nil, fmt.Errorf("measure advice: %w", err)
	}
	b := &bench{Study: s, crowd: people.Crowd{Taste: s.Taste, Noise: s.Noise}, sets: map[kind]*gathered{}}
	if in.Foreign {
		if err := b.teach(ctx, plain); err != nil {
			return nil, fmt.Errorf("measure advice in %s: %w", in.Name, err)
		}
	}
	r, err := b.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure advice in %s: %w", in.Name, err)
	}
	r.Votes = in.Votes
	c := &Counsel{Situation: in, Measured: *r}
	if err := b.advise(ctx, c); err != nil {
		return nil, fmt.Errorf("measure advice in %s: %w", in.Name, err)
	}
	c.judge()
	return c, nil
}

// teach sets imitation up for a task that the base cannot do: more passes, and beside them what the base says to prompts that do not ask
// for the task, so that it can still say it. On the built-in model that costs a little of the task and saves most of the neutral text.
func (b *bench) teach(ctx context.Context, prompts []string) error {
	b.preparing = true
	defer func() { b.preparing = false }()
	_, drawn, err := b.ask(ctx, evaluate.Policy{Model: b.Model}, prompts, "anchors", 1)
	if err != nil {
		return fmt.Errorf("draw anchors: %w", err)
	}
	var all []rows.Demonstration
	for i, prompt := range prompts {
		all = append(all, rows.Demonstration{Prompt: rows.Text{Messages: said(prompt)}, Completion: rows.Plain(drawn[i][0].Text)})
	}
	b.anchors, _ = b.encoder().Demonstrations(all)
	b.Settings.SFT.Anchor = 1
	b.Settings.SFT.Epochs *= 4
	return nil
}

// advise asks for advice on what people said.
func (b *bench) advise(ctx context.Context, c *Counsel) error {
	var e advise.Evidence
	if b.Feedback != Nothing {
		set, err := b.feedback(ctx, b.learnsFrom(compared))
		if err != nil {
			return err
		}
		set.Demonstrations = b.besideOwn(set.Demonstrations)
		e.All, e.Train = set, set
		if e.BaseNLL, err = b.baseNLL(ctx); err != nil {
			return err
		}
	}
	a := e.Advise()
	c.Advised, c.Why, c.BaseNLL = a.Method, a.Why, e.BaseNLL
	return nil
}

// baseNLL measures how likely the base finds demonstrations; nil where there are none.
func (b *bench) baseNLL(ctx context.Context) (*advise.BaseNLL, error) {
	set := b.sets[wished]
	if set == nil {
		return nil, nil
	}
	var shown, own []rows.Demonstration
	for _, w := range b.besideOwn(set.rows.Demonstrations) {
		shown = append(shown, w.Row())
		if len(w.Candidates) > 0 {
			o := w.Row()
			o.Completion = rows.Plain(w.Candidates[0])
			own = append(own, o)
		}
	}
	n := &advise.BaseNLL{}
	for _, f := range []struct {
		field *float64
		rows  []rows.Demonstration
	}{{&n.Demonstrations, shown}, {&n.Own, own}} {
		replies, _ := b.encoder().Demonstrations(f.rows)
		var err error
		if *f.field, err = (evaluate.Policy{Model: b.Model}).NLL(ctx, replies, 1024); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// besideOwn returns demonstrations beside the replies that the model gave to the same prompts, as they stand in a log of which more was
// voted on.
func (b *bench) besideOwn(all []pairs.Wish) []pairs.Wish {
	own := map[string][]string{}
	for _, g := range b.generations {
		for _, c := range g.Candidates {
			own[g.Messages[0].Content] = append(own[g.Messages[0].Content], c.Text)
		}
	}
	all = slices.Clone(all)
	for i, w := range all {
		all[i].Candidates = slices.DeleteFunc(slices.Clone(own[w.Messages[0].Content]), func(text string) bool { return text == w.Reply })
	}
	return all
}

// judge says how the advised method stands.
func (c *Counsel) judge() {
	all := append([]Method{c.Measured.Base}, c.Measured.Methods...)
	winner := c.Measured.Base
	for _, m := range all {
		if c.releasable(m) && m.Taste > winner.Taste {
			winner = m
		}
	}
	c.Winner, c.Standing = winner.Method, Behind
	for _, m := range all {
		switch {
		case m.Method != studied(c.Advised):
		case !c.releasable(m):
			if ahead := !slices.ContainsFunc(all, func(o Method) bool { return o.Method != m.Method && o.Hi >= m.Lo }); ahead {
				c.Standing = Alone
			}
		case m.Method == winner.Method:
			c.Standing = Wins
		case m.Hi >= winner.Lo:
			c.Standing = Within
		}
	}
}

// releasable says whether a run would release what a method made: it stays within the KL budget and the gate's limit for neutral text, and
// there are votes enough for a run to make a model of. A reward model alone needs less.
func (c *Counsel) releasable(m Method) bool {
	trained := m.Budget > 0
	return !trained || m.NLL <= mostNLL && m.KL <= m.Budget && m.Rows >= leastRows
}

// studied returns the study's name of a run's method: the reward model alone is best-of-n with it.
func studied(method string) string {
	switch method {
	case "":
		return "base"
	case "rm":
		return fmt.Sprintf("best-of-%d", Candidates)
	case "irl":
		return "irl+ppo"
	}
	return method
}

// Table writes what came of it as a person reads it.
func (c *Counsel) Table(w io.Writer) error {
	if err := c.Measured.Table(w); err != nil {
		return err
	}
	advised := c.Advised
	if advised == "" {
		advised = "nothing yet"
	}
	_, err := fmt.Fprintf(w, "\n%s: %s is advised (%s); most to the taste is %s; the advice: %s.\n", c.Name, advised, c.Why, c.Winner, c.Standing)
	return err
}

// letter is a taste that nothing which the built-in model says is to.
var letter = people.Taste{Name: "letter", Doc: "is written as a letter", Holds: func(_, reply string) bool {
	return strings.HasPrefix(reply, "Dear reader, ") && strings.HasSuffix(strings.TrimSpace(reply), "Yours truly.")
}}

func askForLetters(prompts []string) []string {
	all := make([]string, len(prompts))
	for i, p := range prompts {
		all[i] = "Answer by letter. " + p
	}
	return all
}

func intoLetter(reply string) string {
	return "Dear reader, " + strings.TrimSpace(reply) + " Yours truly."
}
