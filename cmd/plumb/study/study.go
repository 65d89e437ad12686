// Package study compares the ways from feedback to better replies, each on the same number of votes by the same simulated people about
// the same candidates, and measures all of them alike on prompts that nobody voted on. It works in one process on one model, without
// a server; votes go through a log and the rules that make rows of them, as they do in a run.
package study

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"plumb/cmd/plumb/people"
	"plumb/lm"
	"plumb/offline/distill"
	"plumb/offline/evaluate"
	"plumb/offline/rows"
)

// Study is one comparison. Zero fields mean the defaults in their comments.
type Study struct {
	Model   *lm.Model
	Taste   people.Taste
	Voted   []string             // prompts that are voted on
	HeldOut []string             // prompts that are measured on
	Neutral []rows.Demonstration // text that no taste is about; nil means English sentences of all sorts

	// Feedback is what there is for all methods; "" means that each has votes of the kind that it likes most. Methods that cannot learn from
	// it are errors.
	Feedback Feedback
	// Rewrite makes of a reply of the model what people demonstrate; nil means that they demonstrate replies of the model that are to
	// their taste.
	Rewrite func(reply string) string

	Votes     int     // of each kind of feedback; 300
	Noise     float64 // share of wrong votes
	Users     int     // people; 12
	Draws     int     // replies to a held-out prompt that a policy is measured by, at least 8; 8
	MaxTokens int     // of a reply; 64
	Seed      int64

	Methods  []string // by name, in any order; nil means all ([Methods])
	Settings Settings // of the methods; see [Tiny] and [Real]

	// Progress, if not nil, is told how much is done, in [0, 1], and what is being done.
	Progress func(done float64, note string)
}

// Feedback is a kind of feedback.
type Feedback string

// Kinds of feedback.
const (
	Nothing        Feedback = "nothing"
	Comparisons    Feedback = "comparisons" // of two replies; a thumb where they are alike to the person
	Thumbs         Feedback = "thumbs"
	Demonstrations Feedback = "demonstrations"
)

// Candidates is how many replies are drawn to a voted prompt, and by best-of-n to any.
const Candidates = 8

// Result is what a study measured. But for Seconds, the same study gives the same result.
type Result struct {
	Taste   string   `json:"taste"`
	Votes   int      `json:"votes"`
	Noise   float64  `json:"noise"`
	Seed    int64    `json:"seed"`
	Prompts [2]int   `json:"prompts"` // voted on, held out
	Base    Method   `json:"base"`
	Methods []Method `json:"methods"`
}

// Method is what one way to answer showed on the held-out prompts.
type Method struct {
	Method  string  `json:"method"`
	Taste   float64 `json:"taste"` // share of replies to the taste
	Lo      float64 `json:"lo"`    // 95 % interval of Taste, by resampling prompts
	Hi      float64 `json:"hi"`
	Gold    float64 `json:"gold"`   // share of replies to the taste that are whole: they ended by themselves, if most of the base's do, and do not run in circles
	Proxy   float64 `json:"proxy"`  // mean reward by the reward model of the comparisons, in log-odds
	KL      float64 `json:"kl"`     // from the base, nats a token of its own replies, exact over the vocabulary; for best-of-n an upper bound
	NLL     float64 `json:"nll"`    // relative change on neutral text; .01 = 1 % worse
	Length  float64 `json:"length"` // words a reply
	Seconds float64 `json:"seconds"`
	Rows    int     `json:"rows"` // that it learned from

	Budget        float64        `json:"kl_budget,omitempty"`      // what KL may be; 0 where nothing is trained
	Draws         int            `json:"draws"`                    // replies drawn for each answer
	DrawnTokens   int            `json:"drawn_tokens,omitempty"`   // to learn, the candidates voted on not counted
	TrainedTokens int            `json:"trained_tokens,omitempty"` // whose log-probs were learned from, each time they were
	Reward        *float64       `json:"reward_accuracy,omitempty"`
	Saved         *distill.Saved `json:"saved,omitempty"` // draws that it saves over best-of-8 of the base, in gold under the same reward model
	Note          string         `json:"note,omitempty"`
}

// Methods returns the names of all methods.
func Methods() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.name)
	}
	return names
}

// Check says whether the named methods exist.
func Check(names []string) error {
	for _, n := range names {
		if !slices.Contains(Methods(), n) {
			return fmt.Errorf("got %q, want some of %s", n, strings.Join(Methods(), ", "))
		}
	}
	return nil
}

// Run makes the study. Cost: on the built-in model some minutes with two cores.
func (s Study) Run(ctx context.Context) (*Result, error) {
	if err := s.defaults(); err != nil {
		return nil, fmt.Errorf("compare methods: %w", err)
	}
	b := &bench{Study: s, crowd: people.Crowd{Taste: s.Taste, Noise: s.Noise}, sets: map[kind]*gathered{}}
	return b.run(ctx)
}

// run is [Study.Run], after which the bench has what people said.
func (b *bench) run(ctx context.Context) (*Result, error) {
	s := b.Study
	b.plan()
	if err := b.draw(ctx); err != nil {
		return nil, fmt.Errorf("draw candidates: %w", err)
	}
	r := &Result{Taste: s.Taste.Name, Votes: s.Votes, Noise: s.Noise, Seed: s.Seed, Prompts: [2]int{len(s.Voted), len(s.HeldOut)}}
	var err error
	if b.base, err = b.observe(ctx, evaluate.Policy{Model: s.Model}, "base"); err != nil {
		return nil, fmt.Errorf("measure base: %w", err)
	}
	if r.Base, err = b.report(ctx, "base", arm{draws: 1}, b.base); err != nil {
		return nil, fmt.Errorf("measure base: %w", err)
	}
	for _, m := range methods() {
		if s.Methods != nil && !slices.Contains(s.Methods, m.name) {
			continue
		}
		one, err := b.try(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		r.Methods = append(r.Methods, one)
	}
	return r, nil
}

func (s *Study) defaults() error {
	for _, f := range []struct {
		field        *int
		value, least int
		name         string
	}{
		{&s.Votes, 300, 1, "Votes"}, {&s.Users, 12, 1, "Users"}, {&s.Draws, Candidates, Candidates, "Draws"}, {&s.MaxTokens, 64, 1, "MaxTokens"},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
		if *f.field < f.least {
			return fmt.Errorf("%s: got %d, want at least %d", f.name, *f.field, f.least)
		}
	}
	if len(s.Voted) == 0 || len(s.HeldOut) == 0 {
		return fmt.Errorf("got %d prompts to vote on and %d to measure on, want some of both", len(s.Voted), len(s.HeldOut))
	}
	if s.Neutral == nil {
		s.Neutral = evaluate.Sentences()
	}
	return Check(s.Methods)
}

// try has one method learn, and measures it.
func (b *bench) try(ctx context.Context, m method) (Method, error) {
	b.begin(m.cost, m.name)
	begun := time.Now()
	b.lent = 0
	a, err := m.learn(ctx, b)
	if err != nil {
		return Method{}, err
	}
	a.seconds = time.Since(begun).Seconds() + b.lent
	o := b.base
	if a.policy.Adapter != nil {
		if o, err = b.observe(ctx, a.policy, m.name); err != nil {
			return Method{}, err
		}
	}
	return b.report(ctx, m.name, a, o)
}
