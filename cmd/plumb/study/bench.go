package study

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"plumb/chat"
	"plumb/cmd/plumb/people"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/lm"
	"plumb/offline/evaluate"
	"plumb/offline/irl"
	"plumb/offline/pairs"
	"plumb/offline/train"
	"plumb/rm"
)

// bench is a study under way: what its methods share.
type bench struct {
	Study
	crowd       people.Crowd
	generations []feedback.Generation // the candidates of each voted prompt
	base        *observed
	ends        bool // the base ends most replies by itself, so that a reply should
	sets        map[kind]*gathered
	anchors     []train.Reply // whose likelihood is held up while others are imitated, where the settings say so
	imitated    *arm          // the result of cloning, from which RLHF may start
	lent        float64       // seconds that others spent on what this method uses too

	total, done, part float64 // of the progress
	note              string
	preparing         bool // for the part that was begun, or for all: how far that is says nothing of the part
}

// learnsFrom returns what a method learns from that learns from k, if there is a choice.
func (b *bench) learnsFrom(k kind) kind {
	if only, ok := map[Feedback]kind{Comparisons: compared, Thumbs: thumbed, Demonstrations: wished}[b.Feedback]; ok {
		return only
	}
	return k
}

// kind is a kind of feedback. People give the same number of votes of each, about the same candidates, in a log of its own.
type kind int

const (
	compared kind = iota // two candidates; a thumb where they are alike to the person
	thumbed              // one candidate
	wished               // which of the candidates the person would have said: a demonstration
)

// gathered is what came of one kind of feedback, and the reward model fitted to it.
type gathered struct {
	rows    pairs.Set
	reward  *rm.Model
	seconds float64 // to fit it
	drawn   int     // tokens, to fit it
}

// temperature is that of all replies, as in the measuring for the gate.
const temperature = .8

func (b *bench) settings() lm.Settings {
	return lm.Settings{Temperature: temperature, MaxTokens: b.MaxTokens}
}

func said(prompt string) []chat.Message {
	return []chat.Message{{Role: chat.User, Content: prompt}}
}

// seeds returns n seeds of what, for the i-th prompt.
func (b *bench) seeds(what string, i, n int) []int64 {
	h := uint64(b.Seed)*0x9e3779b97f4a7c15 + uint64(len(what))<<32 + uint64(i)
	r := rand.New(rand.NewPCG(h, 0x7374756479))
	seeds := make([]int64, n)
	for k := range seeds {
		seeds[k] = r.Int64()
	}
	return seeds
}

// draw draws the candidates of the voted prompts, as serving them would have.
func (b *bench) draw(ctx context.Context) error {
	b.begin(2, "candidates")
	_, drawn, err := b.ask(ctx, evaluate.Policy{Model: b.Model}, b.Voted, "voted", Candidates)
	if err != nil {
		return err
	}
	at := time.Unix(1_700_000_000, 0).UTC() // any time: times and ids must not depend on when a study is made
	policy := feedback.Policy{Name: b.Model.Config().Name, Digest: b.Model.Digest()}
	for i, prompt := range b.Voted {
		g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-study-%05d", i), Time: at, Messages: said(prompt), Policy: policy,
			Sampler: feedback.Sampler{Method: "none", N: Candidates}}
		for k, r := range drawn[i] {
			finish := chat.FinishLength
			if r.Ended {
				finish = chat.FinishStop
			}
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: r.Text, Finish: finish, Tokens: len(r.IDs), Shown: k == 0})
		}
		b.generations = append(b.generations, g)
	}
	return nil
}

// feedback has people vote, and makes rows of it.
func (b *bench) feedback(ctx context.Context, k kind) (pairs.Set, error) {
	g, err := b.gather(ctx, k)
	if err != nil {
		return pairs.Set{}, err
	}
	return g.rows, nil
}

func (b *bench) gather(ctx context.Context, k kind) (*gathered, error) {
	if b.sets[k] != nil {
		return b.sets[k], nil
	}
	log := &memory.Log{}
	defer log.Close()
	for _, g := range b.generations {
		if _, err := log.PutGeneration(ctx, g); err != nil {
			return nil, err
		}
	}
	if err := b.vote(ctx, k, log); err != nil {
		return nil, fmt.Errorf("vote: %w", err)
	}
	records, err := pairs.Collect(ctx, log)
	if err != nil {
		return nil, err
	}
	b.sets[k] = &gathered{rows: pairs.Build(records, pairs.Options{})}
	return b.sets[k], nil
}

// vote puts b.Votes votes into the log, spread evenly over prompts and people.
func (b *bench) vote(ctx context.Context, k kind, log feedback.Writer) error {
	random := rand.New(rand.NewPCG(uint64(b.Seed), 0x766f7465+uint64(k)))
	order := random.Perm(len(b.generations))
	given := 0
	for turn := 0; given < b.Votes && turn < 20*b.Votes; turn++ { // where no candidate is to the taste, nobody demonstrates it
		g := b.generations[order[turn%len(order)]]
		e, ok := b.say(random, k, g)
		if !ok {
			continue
		}
		e.ID, e.Source, e.Time = fmt.Sprintf("fb-study-%d-%05d", k, given), feedback.Human, g.Time.Add(time.Duration(given+1)*time.Second)
		e.User = fmt.Sprintf("person-%d", given%b.Users)
		if _, _, err := log.PutEvent(ctx, e); err != nil {
			return err
		}
		given++
	}
	if given == 0 {
		return fmt.Errorf("no candidate of %d prompts is to the taste %q", len(b.generations), b.Taste.Name)
	}
	return nil
}

// say is what one person says of a generation.
func (b *bench) say(random *rand.Rand, k kind, g feedback.Generation) (feedback.Event, bool) {
	texts := make([]string, len(g.Candidates))
	for i, c := range g.Candidates {
		texts[i] = c.Text
	}
	prompt := g.Messages[0].Content
	e := feedback.Event{Generation: g.ID}
	var v people.Vote
	switch k {
	case wished:
		v, ok := b.crowd.Wish(random, prompt, texts)
		text := texts[v.Reply]
		if b.Rewrite != nil { // what people say themselves is to their taste
			text, ok = b.Rewrite(texts[random.IntN(len(texts))]), true
		}
		return feedback.Event{Kind: feedback.Demonstration, Messages: g.Messages, Text: text}, ok && text != ""
	case thumbed:
		v = b.crowd.Judge(random, prompt, texts)
	default:
		v = b.crowd.Compare(random, prompt, texts)
	}
	if v.Loser >= 0 {
		e.Kind, e.Winner, e.Losers = feedback.Preference, g.Candidates[v.Reply].ID, []string{g.Candidates[v.Loser].ID}
		return e, true
	}
	e.Kind, e.Candidate, e.Value = feedback.Thumb, g.Candidates[v.Reply].ID, -1
	if v.Up {
		e.Value = 1
	}
	return e, true
}

// reward returns the reward model of a kind of feedback. Who uses it pays for its fitting, whoever had it fitted.
func (b *bench) reward(ctx context.Context, k kind) (*rm.Model, error) {
	g, err := b.gather(ctx, k)
	if err != nil {
		return nil, err
	}
	if g.reward != nil {
		b.lent += g.seconds
		return g.reward, nil
	}
	begun := time.Now()
	if k == wished {
		g.reward, g.drawn, err = b.infer(ctx, g.rows)
	} else {
		g.reward, err = rm.Trainer{Seed: b.Seed}.Fit(ctx, g.rows.RewardData())
	}
	if err != nil {
		return nil, err
	}
	g.seconds = time.Since(begun).Seconds()
	return g.reward, nil
}

// infer infers the reward that people who demonstrate have in mind, from demonstrations alone. drawn is about how many tokens it drew.
func (b *bench) infer(ctx context.Context, set pairs.Set) (m *rm.Model, drawn int, err error) {
	r, err := irl.Learner{Model: b.Model, Trainer: rm.Trainer{Seed: b.Seed}, Candidates: Candidates, MaxTokens: b.MaxTokens}.Learn(ctx, irl.FromSet(set))
	if err != nil {
		return nil, 0, fmt.Errorf("infer reward: %w", err)
	}
	for _, round := range r.Report.Rounds {
		drawn = int(float64(round.Candidates) * b.base.tokens)
	}
	return r.RM, drawn, nil
}

// plan adds up what is to be done.
func (b *bench) plan() {
	b.total = 3 // the candidates and the base
	for _, m := range methods() {
		if b.Methods == nil || slices.Contains(b.Methods, m.name) {
			b.total += m.cost + 1
		}
	}
}

// begin begins a part of the work; what was begun before is done.
func (b *bench) begin(cost float64, note string) {
	b.done, b.part, b.note = b.done+b.part, cost, note
	b.step(0, 1)
}

// step says how far the part is.
func (b *bench) step(done, all int) {
	if b.Progress != nil && !b.preparing {
		b.Progress((b.done+b.part*float64(done)/float64(max(1, all)))/b.total, b.note)
	}
}
