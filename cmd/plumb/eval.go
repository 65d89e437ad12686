package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"unicode/utf8"

	"gonum.org/v1/gonum/stat"

	"plumb/chat"
	"plumb/offline/gate"
	"plumb/offline/rows"
	"plumb/rm"
	"plumb/sampler"
)

// EvalCmd measures what a served reply would be worth.
type EvalCmd struct {
	BestOfN EvalBestOfNCmd `cmd:"" name:"bestofn" help:"Gold score of the reply that a rule would choose, by number of candidates, beside random, longest and oracle."`
	Methods EvalMethodsCmd `cmd:"" help:"Compare every way from feedback to better replies, on equal votes by simulated people: taste, KL, NLL and cost of each."`
	Advice  EvalAdviceCmd  `cmd:"" help:"Whether the method that is advised is the one that wins, in six situations on the built-in model: measured, not by rule."`
	Overopt EvalOveroptCmd `cmd:"" help:"What over-optimising a weak reward model costs, for best-of-n and PPO, and what the guards save, with simulated people on the built-in model."`
}

// EvalBestOfNCmd is "plumb eval bestofn".
type EvalBestOfNCmd struct {
	RM           string   `help:"The reward model." required:"" placeholder:"FILE" name:"rm"`
	Candidates   []string `help:"JSON Lines {prompt, candidates: [{text, score}]} with prompts that the model was not fitted on. May be repeated." required:"" sep:"none" placeholder:"FILE"`
	Rule         string   `help:"${enum}. auto is what serve does by default." enum:"auto,max,bon,top_m,soft,bop,chi2,none" default:"auto"`
	N            []int    `help:"Numbers of candidates; one above a pool is that pool." default:"1,2,4,8"`
	Pressure     *float64 `help:"How hard the rule leans on the reward; default: the rule's own, for auto capped by the votes behind the model."`
	Conservatism *float64 `help:"What doubt costs: the score is z(reward) − c·(sd + ood/2). Default 1 for auto, else 0."`
	Length       float64  `help:"How much of the part of the reward that goes with length is taken off, -1 to 1." default:"0"`
	Subsets      int      `help:"Random subsets a prompt and n; max is exact." default:"64"`
	Seed         int64    `help:"Of the subsets." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *EvalBestOfNCmd) Validate() error {
	for _, n := range cmd.N {
		if n < 1 || n > sampler.DefaultMaxN {
			return fmt.Errorf("--n: got %d, want 1 … %d", n, sampler.DefaultMaxN)
		}
	}
	if cmd.Subsets < 1 {
		return fmt.Errorf("--subsets: got %d, want at least 1", cmd.Subsets)
	}
	return nil
}

// bestOfN is the last line of "plumb eval bestofn".
type bestOfN struct {
	Rule     string       `json:"rule"`
	Prompts  int          `json:"prompts"`
	Random   float64      `json:"random"`
	RandomSE float64      `json:"random_se"`
	Longest  float64      `json:"longest"` // of all candidates
	Oracle   float64      `json:"oracle"`
	ByN      []bestOfNRow `json:"by_n"`
}

type bestOfNRow struct {
	N       int     `json:"n"`
	Gold    float64 `json:"gold"`    // expected gold score of the reply chosen
	GoldSE  float64 `json:"gold_se"` // over prompts
	Length  float64 `json:"length"`  // its expected characters
	KLBound float64 `json:"kl_bound"`
	Capped  int     `json:"capped,omitempty"` // prompts whose pool is smaller than n
}

// pool is a prompt's candidates with gold scores, scored.
type pool struct {
	prompt  []chat.Message
	texts   []string
	gold    []float64
	length  []float64
	rewards map[string]chat.Reward
}

// Run measures.
func (cmd *EvalBestOfNCmd) Run(c *Context) error {
	m, err := rm.Open(cmd.RM, nil)
	if err != nil {
		return err
	}
	pools, err := cmd.pools(c.Ctx, m)
	if err != nil {
		return err
	}
	out := bestOfN{Rule: cmd.Rule, Prompts: len(pools)}
	var random []float64
	for _, p := range pools {
		random = append(random, stat.Mean(p.gold, nil))
		longest, oracle := 0, 0
		for i := range p.texts {
			if p.length[i] > p.length[longest] {
				longest = i
			}
			if p.gold[i] > p.gold[oracle] {
				oracle = i
			}
		}
		out.Longest += p.gold[longest] / float64(len(pools))
		out.Oracle += p.gold[oracle] / float64(len(pools))
	}
	out.Random, out.RandomSE = gate.MeanSE(random)
	for _, n := range cmd.N {
		row, err := cmd.row(c.Ctx, m, pools, n)
		if err != nil {
			return err
		}
		if row.Capped > 0 {
			fmt.Fprintf(c.Stderr, "n = %d: %d of %d prompts have fewer candidates; all they have are used\n", n, row.Capped, len(pools))
		}
		out.ByN = append(out.ByN, row)
	}
	return printJSON(c.Stdout, out)
}

// pools reads and scores the candidates. Those without a gold score are left out, and prompts without any.
func (cmd *EvalBestOfNCmd) pools(ctx context.Context, m *rm.Model) ([]pool, error) {
	all, err := rows.ReadFiles[rows.Candidates](cmd.Candidates...)
	if err != nil {
		return nil, err
	}
	var pools []pool
	for _, row := range all {
		p := pool{prompt: row.Prompt.Chat(chat.User), rewards: map[string]chat.Reward{}}
		for _, c := range row.Candidates {
			if c.Score != nil {
				p.texts, p.gold = append(p.texts, c.Text), append(p.gold, *c.Score)
				p.length = append(p.length, float64(utf8.RuneCountInString(c.Text)))
			}
		}
		if len(p.texts) == 0 {
			continue
		}
		rewards, err := m.ScoreByLength(ctx, p.prompt, p.texts, cmd.Length)
		if err != nil {
			return nil, err
		}
		for i, text := range p.texts {
			p.rewards[text] = rewards[i]
		}
		pools = append(pools, p)
	}
	if len(pools) == 0 {
		return nil, fmt.Errorf("read candidates: none has a score: there is no gold to measure against")
	}
	return pools, nil
}

func (cmd *EvalBestOfNCmd) row(ctx context.Context, m *rm.Model, pools []pool, n int) (bestOfNRow, error) {
	row := bestOfNRow{N: n}
	var gold []float64
	for i, p := range pools {
		k := min(n, len(p.texts))
		if k < n {
			row.Capped++
		}
		worth, length, bound, err := cmd.expect(ctx, m, p, k, uint64(i))
		if err != nil {
			return row, err
		}
		gold = append(gold, worth)
		row.Length += length / float64(len(pools))
		row.KLBound += bound / float64(len(pools))
	}
	row.Gold, row.GoldSE = gate.MeanSE(gold)
	return row, nil
}

// expect returns the expected gold score and length of the reply chosen from n of a pool. For the highest reward it is exact
// over all subsets; for other rules the mean over random subsets, each answered by the sampler that serves, with the
// probabilities of its choice.
func (cmd *EvalBestOfNCmd) expect(ctx context.Context, m *rm.Model, p pool, n int, stream uint64) (gold, length, bound float64, err error) {
	method := cmd.Rule
	if method == "max" {
		method = sampler.BestOfN
	}
	conservatism := cmd.conservatism()
	if method == sampler.BestOfN && conservatism == 0 {
		scores := make([]float64, len(p.texts))
		for i, text := range p.texts {
			scores[i] = p.rewards[text].Reward
		}
		return sampler.ExpectedBest(scores, p.gold, n), sampler.ExpectedBest(scores, p.length, n), sampler.BestOfNKLBound(n), nil
	}
	rng := rand.New(rand.NewPCG(uint64(cmd.Seed), stream))
	for k := range cmd.Subsets {
		order := rng.Perm(len(p.texts))[:n]
		s := sampler.Sampler{Generator: &replay{p.texts, order}, Scorer: scored(p.rewards), Pairs: m.Evidence(), Slots: n}
		result, err := s.Sample(ctx, sampler.Request{Model: "pool", Messages: p.prompt, Method: method, N: n, Pressure: cmd.Pressure, Conservatism: &conservatism, Seed: int64(k)})
		if err != nil {
			return 0, 0, 0, err
		}
		for i, c := range result.Candidates {
			gold += c.Propensity * p.gold[order[i]] / float64(cmd.Subsets)
			length += c.Propensity * p.length[order[i]] / float64(cmd.Subsets)
		}
		bound += *result.KLBound / float64(cmd.Subsets)
	}
	return gold, length, bound, nil
}

func (cmd *EvalBestOfNCmd) conservatism() float64 {
	switch {
	case cmd.Conservatism != nil:
		return *cmd.Conservatism
	case cmd.Rule == sampler.Auto:
		return sampler.DefaultConservatism
	}
	return 0
}

// replay is a generator that "draws" given replies, in order.
type replay struct {
	texts []string
	order []int
}

func (g *replay) Continue(_ context.Context, d chat.Draw, each func(chat.Piece)) error {
	for i := range d.Prefixes {
		each(chat.Piece{Index: i, Done: &chat.Completion{Text: g.texts[g.order[i]], Finish: chat.FinishStop}})
	}
	return nil
}

func (g *replay) Abilities(context.Context, string) (chat.Abilities, error) {
	return chat.Abilities{Slots: len(g.order)}, nil
}

// scored is a scorer that looks rewards up.
type scored map[string]chat.Reward

func (s scored) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	out := make([]chat.Reward, len(replies))
	for i, r := range replies {
		out[i] = s[r]
	}
	return out, nil
}
