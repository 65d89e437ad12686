package study

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"plumb/chat"
	"plumb/cmd/plumb/people"
	"plumb/lm"
	"plumb/lm/tiny/corpus"
	"plumb/offline/evaluate"
	"plumb/rm"
)

// Overopt plays what over-optimisation of a weak reward model does, under one seed: simulated people vote on replies of the model as
// it was; a reward model is fitted to few votes, many of them wrong; then best-of-n and PPO lean on it ever harder, against the base
// as it is now, once as they come and once with the guards on. What people would really give each reply is measured beside.
//
// Of 2·Pairs votes the first half trains; the other half, of other people on other questions, fits the second reward model that
// watches PPO and is what the gate holds out. Best-of-n and every measurement use questions on subjects that no vote was about.
type Overopt struct {
	Clean *lm.Model // whose replies people voted on
	Base  *lm.Model // what answers now: Clean with a [Habit]
	Taste people.Taste
	Pairs int     // votes that the reward model is fitted to
	Noise float64 // share of wrong votes
	Seed  int64

	N       []int // for best-of-n, rising
	BestOfN bool
	PPO     bool
	Off, On bool // play without the guards, and with them
	Budget  Budget

	// Progress is told what is being done, and how far.
	Progress func(what string, done, all int)

	gold  Gold
	votes [2][]vote
	pools []pool
}

// Budget is the size of a play. Zero fields mean the values in their comments.
type Budget struct {
	Questions int // that are measured on; 24
	Pool      int // replies drawn to each, of which best-of-n takes n; 80
	Subsets   int // random subsets a question and n where the rule has no closed form; 12
	Prompts   int // that PPO draws replies to; 64
	Steps     int // of PPO; 14
	Rollouts  int // replies a step; 32
}

func (b *Budget) defaults() {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&b.Questions, 24}, {&b.Pool, 80}, {&b.Subsets, 12}, {&b.Prompts, 64}, {&b.Steps, 14}, {&b.Rollouts, 32},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
}

// Play plays.
func (o Overopt) Play(ctx context.Context) (*OveroptPlay, error) {
	o.Budget.defaults()
	if o.BestOfN && len(o.N) > 0 {
		o.Budget.Pool = max(o.Budget.Pool, slices.Max(o.N))
	}
	o.gold = Gold{o.Taste, corpus.New()}
	if err := o.collect(ctx); err != nil {
		return nil, err
	}
	weak, err := o.steering(ctx, false)
	if err != nil {
		return nil, err
	}
	careful, err := o.steering(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := o.drawPools(ctx); err != nil {
		return nil, err
	}
	p := &OveroptPlay{Seed: o.Seed, HackResistance: [2]float64{weak.resistance(), careful.resistance()}, Spoiled: o.spoiled()}
	for _, guarded := range o.guards() {
		s := weak
		if guarded {
			s = careful
		}
		if err := s.scale(ctx, o.pools); err != nil {
			return nil, err
		}
		if o.BestOfN {
			c, err := o.bestOfN(ctx, s)
			if err != nil {
				return nil, err
			}
			p.Curves = append(p.Curves, c)
		}
		if o.PPO {
			c, verdict, err := o.ppo(ctx, s)
			if err != nil {
				return nil, err
			}
			p.Curves, p.Gate = append(p.Curves, c), append(p.Gate, verdict)
		}
	}
	return p, nil
}

func (o *Overopt) guards() (all []bool) {
	if o.Off {
		all = append(all, false)
	}
	if o.On {
		all = append(all, true)
	}
	return all
}

// vote is one comparison that a person made.
type vote struct {
	question, chosen, rejected, user string
}

// voters is how many people each half of the votes comes from.
const voters = 12

// collect has people compare replies of the model as it was, until there are votes enough for both halves.
func (o *Overopt) collect(ctx context.Context) error {
	questions, _ := people.Prompts(uint64(o.Seed), math.MaxInt32, 0)
	random := rand.New(rand.NewPCG(uint64(o.Seed), 0x766f746573))
	crowd := people.Crowd{Taste: o.Taste, Noise: o.Noise}
	for i := 0; len(o.votes[1]) < o.Pairs; i++ {
		if i == 4*len(questions) {
			return fmt.Errorf("collect votes: %d of %d after %d questions: replies hardly differ in the taste %q", len(o.votes[0])+len(o.votes[1]), 2*o.Pairs, i, o.Taste.Name)
		}
		question := questions[i%len(questions)]
		_, replies, err := drawReplies(ctx, evaluate.Policy{Model: o.Clean}, question, 4, mixed(o.Seed, 1, int64(i)))
		if err != nil {
			return err
		}
		half := 0
		if len(o.votes[0]) == o.Pairs {
			half = 1
		}
		v := crowd.Compare(random, question, texts(replies))
		if v.Loser < 0 {
			continue
		}
		user := fmt.Sprintf("person-%d", half*voters+len(o.votes[half])%voters)
		o.votes[half] = append(o.votes[half], vote{question, replies[v.Reply].text, replies[v.Loser].text, user})
		o.Progress("votes", len(o.votes[0])+len(o.votes[1]), 2*o.Pairs)
	}
	return nil
}

// rewardData turns votes into what a reward model is fitted to.
func rewardData(votes []vote) (d rm.Data) {
	for _, v := range votes {
		d.Pairs = append(d.Pairs, rm.Pair{Prompt: ask(v.question), Chosen: v.chosen, Rejected: v.rejected, User: v.user})
	}
	return d
}

// pool is a question with many replies of the base, graded.
type pool struct {
	question string
	replies  []drawn
	gold     []float64
}

func (p pool) messages() []chat.Message { return ask(p.question) }

// drawPools draws the replies that best-of-n chooses from.
func (o *Overopt) drawPools(ctx context.Context) error {
	_, held := people.Prompts(uint64(o.Seed), 0, o.Budget.Questions)
	for i, question := range held {
		_, replies, err := drawReplies(ctx, evaluate.Policy{Model: o.Base}, question, o.Budget.Pool, mixed(o.Seed, 2, int64(i)))
		if err != nil {
			return err
		}
		p := pool{question: question, replies: replies}
		for _, r := range replies {
			p.gold = append(p.gold, o.gold.Of(question, r.text))
		}
		o.pools = append(o.pools, p)
		o.Progress("pools", i+1, len(held))
	}
	return nil
}

// spoiled returns the share of the base's replies that say a thing over and over.
func (o *Overopt) spoiled() float64 {
	n, all := 0., 0.
	for _, p := range o.pools {
		for _, r := range p.replies {
			if all++; circles(r.text) {
				n++
			}
		}
	}
	return n / math.Max(1, all)
}
