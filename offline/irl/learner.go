package irl

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"plumb/chat"
	"plumb/lm"
	"plumb/rm"
)

// Rewarder scores replies to a prompt: rewards[i] belongs to replies[i], in log-odds. *rm.Model is one.
type Rewarder interface {
	Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error)
}

// Improver makes the policy of the next round.
type Improver interface {
	// Improve returns an adapter of the base under which replies to the prompts have more reward: PPO, or any other method that
	// keeps near the base. It must be a new adapter each time, since earlier policies are still needed.
	Improve(ctx context.Context, reward Rewarder, prompts [][]chat.Message) (*lm.Adapter, error)
}

// Learner learns a reward from demonstrations, and a policy if it can improve one. Zero fields mean the defaults in their
// comments. The same data, in the same order, and the same Learner give the same bytes whatever GOMAXPROCS is, if that holds of
// its Improver.
type Learner struct {
	Model    *lm.Model // the base: the reference of the reward, and the first policy
	Improver Improver  // nil: the reward alone
	// SFT is an adapter of the base that was trained on the demonstrations: its draws are the own positives. nil: the nearest of
	// the candidates are.
	SFT *lm.Adapter
	// Trainer fits the reward. Its Tau is the τ of the demonstrations' policy, its OwnText the weight of own comparisons, its Seed
	// that of the draws too, and its Log is told of the rounds.
	Trainer rm.Trainer

	Rounds      int     // of reward and policy; 1 without an Improver, else 3
	Candidates  int     // drawn a prompt and round, 2 … 64; 8
	Temperature float64 // that candidates are drawn at, (0, 10]; 1
	MaxTokens   int     // of a candidate; 256. What is cut is a candidate too, but no good one
	PassTokens  int     // computed at once, which bounds memory; 2048
}

// Result is what a Learner made.
type Result struct {
	RM      *rm.Model
	Adapter *lm.Adapter // the last policy; nil without an Improver
	Report  Report
}

// Reasons why a demonstration is left out.
const (
	dropEmpty  = "the reply is empty"
	dropTokens = "prompt and reply cannot be told apart in tokens"
	dropLong   = "prompt and reply do not fit into the model's context"
)

// Learn learns. It needs at least two demonstrations. Errors of kind Invalid name the field that is out of range.
//
// Cost: a round draws Candidates replies to each prompt; where weights are needed it passes over them once under the reference and
// every policy so far, and over all earlier ones under the new policy; then comes a fit.
func (l Learner) Learn(ctx context.Context, d Data) (*Result, error) {
	if err := l.defaults(); err != nil {
		return nil, err
	}
	at := func(adapter *lm.Adapter, temperature float64) policy {
		return policy{l.Model, adapter, temperature, l.MaxTokens, l.PassTokens}
	}
	s := learning{Learner: l, reference: at(nil, 1), first: at(nil, l.Temperature)}
	d.Demonstrations, s.report.Dropped = l.fitting(d.Demonstrations)
	prompts, result := d.prompts(), &Result{}
	if l.SFT != nil {
		s.positive = at(l.SFT, l.Temperature)
	}
	if l.Improver != nil {
		s.improve = func(ctx context.Context, reward Rewarder) (source, error) {
			adapter, err := l.Improver.Improve(ctx, reward, prompts)
			if err != nil {
				return nil, fmt.Errorf("improve policy: %w", err)
			}
			result.Adapter = adapter
			return at(adapter, l.Temperature), nil
		}
	}
	var err error
	if result.RM, err = s.learn(ctx, d); err != nil {
		return nil, err
	}
	result.Report = s.report
	return result, nil
}

func (l *Learner) defaults() error {
	if l.Model == nil {
		return &chat.Error{Kind: chat.Invalid, Param: "model", Msg: "learn reward: no model"}
	}
	if l.Rounds == 0 && l.Improver != nil {
		l.Rounds = 3
	}
	for _, f := range []struct {
		value *int
		def   int
	}{{&l.Rounds, 1}, {&l.Candidates, 8}, {&l.MaxTokens, 256}, {&l.PassTokens, 2048}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	if l.Temperature == 0 {
		l.Temperature = 1
	}
	if l.Trainer.Log == nil {
		l.Trainer.Log = func(string, ...any) {}
	}
	for _, c := range []struct {
		name      string
		value     float64
		low, high float64
	}{
		{"rounds", float64(l.Rounds), 1, 100}, {"candidates", float64(l.Candidates), 2, 64}, {"temperature", l.Temperature, 1e-2, 10},
		{"max_tokens", float64(l.MaxTokens), 1, 1 << 20}, {"pass_tokens", float64(l.PassTokens), 1, math.MaxInt32},
	} {
		if !(c.value >= c.low && c.value <= c.high) {
			return &chat.Error{Kind: chat.Invalid, Param: c.name, Msg: fmt.Sprintf("learn reward: %s: got %v, want %v … %v", c.name, c.value, c.low, c.high)}
		}
	}
	return nil
}

// fitting returns the demonstrations that the model could have given itself.
func (l *Learner) fitting(all []rm.Demonstration) (kept []rm.Demonstration, dropped map[string]int) {
	dropped = map[string]int{}
	for _, d := range all {
		sequence, err := l.Model.EncodeChat(d.Prompt, d.Reply, true)
		switch {
		case d.Reply == "":
			dropped[dropEmpty]++
		case err != nil:
			dropped[dropTokens]++
		case len(sequence.Tokens) > l.Model.Config().Context:
			dropped[dropLong]++
		default:
			kept = append(kept, d)
		}
	}
	return kept, dropped
}

// seeds returns n seeds for the draws of one source to one prompt.
func (l *Learner) seeds(n int, stream string, round, prompt int) []int64 {
	random := rand.New(rand.NewChaCha8(seedOf(l.Trainer.Seed, stream, round, prompt)))
	seeds := make([]int64, n)
	for i := range seeds {
		seeds[i] = random.Int64()
	}
	return seeds
}
