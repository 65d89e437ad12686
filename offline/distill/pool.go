package distill

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/pairs"
)

// Lister gives all generations of a log; a [feedback.Log] is one.
type Lister interface {
	Generations(ctx context.Context, q feedback.Query) (generations []feedback.Generation, next string, err error)
}

// Collect reads all generations, voted on or not, into memory, in the order of their ids.
func Collect(ctx context.Context, from Lister) ([]feedback.Generation, error) {
	var all []feedback.Generation
	for after := ""; ; {
		some, next, err := from.Generations(ctx, feedback.Query{After: after, Limit: 1000})
		if err != nil {
			return nil, fmt.Errorf("collect candidates: %w", err)
		}
		for _, g := range some {
			if g.Shadow == "" { // what another model said there
				all = append(all, g)
			}
		}
		if next == "" {
			return all, nil
		}
		after = next
	}
}

// Voted returns the generations of a run's records, which are those that people said something of, in the order of their ids.
func Voted(r pairs.Records) []feedback.Generation {
	var all []feedback.Generation
	for _, id := range slices.Sorted(maps.Keys(r.Generations)) {
		all = append(all, r.Generations[id])
	}
	return all
}

// Topics returns the topics of all rows of a set, such as those that a run holds out: see [Reader].Except.
func Topics(s pairs.Set) map[string]bool {
	topics := map[string]bool{}
	for _, p := range s.Prompts() {
		topics[pairs.TopicKey(p.Messages)] = true
	}
	return topics
}

// Judge scores replies to a prompt; a reward model is one.
type Judge interface {
	Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error)
}

// Pool is the candidates of one generation.
type Pool struct {
	Messages   []chat.Message
	Prompt     string // [pairs.PromptKey]
	Candidates []Candidate
}

// Candidate is one of them.
type Candidate struct {
	ID, Text string
	Reward   float64 // finite; compares within one prompt
	Cut      bool    // at the token limit: no reply to imitate, for who does learns to break off
}

// Reader makes pools of generations.
type Reader struct {
	Judge Judge
	// Caution is taken off a reward for each standard deviation of the ensemble, so that a candidate is not imitated for what the
	// reward model is unsure of. 0 takes the mean alone.
	Caution float64
	// Except are topics ([pairs.TopicKey]) that are left out: those that a run holds out.
	Except map[string]bool
	// By says whose candidates are taken; nil takes every model's.
	By func(feedback.Policy) bool
}

// Reasons why candidates or generations are left out.
const (
	dropHeldOut = "the topic is held out"
	dropPolicy  = "drawn by another model"
	dropNoText  = "a reply has no text"
	dropCut     = "the best reply was cut off"
	dropTools   = "a reply calls tools"
	dropReward  = "its reward is no number"
	dropFew     = "too few candidates"
	dropAlike   = "all candidates are equal"
	dropSize    = "another number of candidates than most have"
)

// Pools scores the candidates of all generations anew, for the rewards in the log are those of older reward models. What is left out is
// counted by reason.
func (r Reader) Pools(ctx context.Context, all []feedback.Generation) (pools []Pool, dropped map[string]int, err error) {
	dropped = map[string]int{}
	for _, g := range all {
		switch {
		case r.Except[pairs.TopicKey(g.Messages)]:
			dropped[dropHeldOut]++
			continue
		case r.By != nil && !r.By(g.Policy):
			dropped[dropPolicy]++
			continue
		}
		p := Pool{Messages: g.Messages, Prompt: pairs.PromptKey(g.Messages)}
		for _, c := range g.Candidates {
			if reason := unfit(c); reason != "" {
				dropped[reason]++
				continue
			}
			p.Candidates = append(p.Candidates, Candidate{ID: c.ID, Text: c.Text, Cut: c.Finish == chat.FinishLength})
		}
		if len(p.Candidates) == 0 {
			continue
		}
		if err := r.score(ctx, &p, dropped); err != nil {
			return nil, dropped, err
		}
		if len(p.Candidates) > 0 {
			pools = append(pools, p)
		}
	}
	return pools, dropped, nil
}

// unfit says why nothing can be learned from a candidate, "" if something can.
func unfit(c feedback.Candidate) string {
	switch {
	case c.ToolCalls != nil:
		return dropTools
	case c.Text == "":
		return dropNoText
	}
	return ""
}

func (r Reader) score(ctx context.Context, p *Pool, dropped map[string]int) error {
	texts := make([]string, len(p.Candidates))
	for i, c := range p.Candidates {
		texts[i] = c.Text
	}
	rewards, err := r.Judge.Score(ctx, p.Messages, texts)
	if err != nil {
		return fmt.Errorf("score candidates: %w", err)
	}
	scored := p.Candidates[:0]
	for i, c := range p.Candidates {
		c.Reward = rewards[i].Reward - r.Caution*rewards[i].SD
		if math.IsNaN(c.Reward) || math.IsInf(c.Reward, 0) {
			dropped[dropReward]++
			continue
		}
		scored = append(scored, c)
	}
	p.Candidates = scored
	return nil
}
