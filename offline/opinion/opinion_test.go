package opinion

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/pairs"
)

// alone is a log in which no reply is judged twice: 15 people like questions and err in a tenth of 20 votes each, and one always votes
// against.
func alone(seed uint64) pairs.Records {
	r := rand.New(rand.NewPCG(seed, 1))
	w := pairs.Records{Generations: map[string]feedback.Generation{}}
	for i := range 320 {
		g := feedback.Generation{ID: fmt.Sprint("g", i), Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprintf("What about number %d and its friends?", i)}}}
		for k, text := range []string{fmt.Sprintf("What would you do with %d of them?", r.IntN(1e6)), fmt.Sprintf("There are %d of them in the shop.", r.IntN(1e6))} {
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: text})
		}
		w.Generations[g.ID] = g
		user, winner := i%16, 0
		if user == 3 || r.Float64() < .1 {
			winner = 1
		}
		w.Events = append(w.Events, feedback.Event{ID: fmt.Sprintf("fb-%04d", i), Time: time.Unix(int64(1e9+i), 0), User: fmt.Sprint("u", user), Source: feedback.Human,
			Generation: g.ID, Kind: feedback.Preference, Winner: g.Candidates[winner].ID, Losers: []string{g.Candidates[1-winner].ID}})
	}
	return w
}

func TestWhoVotesAgainstEverybodyIsFound(t *testing.T) {
	for seed := range uint64(3) {
		w := alone(seed)
		set := pairs.Build(w, pairs.Options{})
		if set.Voters.People != nil {
			t.Fatal("people are judged on what they alone judged")
		}
		m, err := Fit(context.Background(), set, 1)
		if err != nil || m == nil {
			t.Fatal(m, err)
		}
		v := pairs.BuildWith(w, pairs.Options{}, m).Voters
		if len(v.People) != 16 || v.People[0].User != "u3" || v.People[0].Trust > .1 || v.People[1].Trust < .6 {
			t.Errorf("seed %d: %+v", seed, v.People)
		}
		if v.Noise != nil {
			t.Errorf("seed %d: what a model says is taken for people's: %+v", seed, v.Noise)
		}
	}
}

// A model asked about a person's vote has not seen it: with the votes of a person turned round, its word on them stays.
func TestOpinionIsBlind(t *testing.T) {
	ctx := context.Background()
	w, turned := alone(4), alone(4)
	for i, e := range turned.Events {
		if e.User == "u5" {
			turned.Events[i].Winner, turned.Events[i].Losers = e.Losers[0], []string{e.Winner}
		}
	}
	a, err := Fit(ctx, pairs.Build(w, pairs.Options{}), 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Fit(ctx, pairs.Build(turned, pairs.Options{}), 1)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range w.Events {
		if e.User != "u5" {
			continue
		}
		g := w.Generations[e.Generation]
		x, ok := a.Prefers("u5", g.Messages, g.Candidates[0].Text, g.Candidates[1].Text)
		y, ok2 := b.Prefers("u5", g.Messages, g.Candidates[0].Text, g.Candidates[1].Text)
		if x != y || ok != ok2 {
			t.Errorf("%s: %v and %v", e.Generation, x, y)
		}
		if ok {
			asked++
		}
	}
	if asked < 15 {
		t.Errorf("an opinion on %d votes", asked)
	}
}

func TestNoOpinion(t *testing.T) {
	ctx := context.Background()
	w := alone(1)
	few := pairs.Records{Events: w.Events[:30], Generations: w.Generations}
	if m, err := Fit(ctx, pairs.Build(few, pairs.Options{}), 1); m != nil || err != nil {
		t.Errorf("out of 30 votes: %v, %v", m, err)
	}
	for i := range w.Events {
		w.Events[i].User = fmt.Sprint("u", i%4)
	}
	if m, err := Fit(ctx, pairs.Build(w, pairs.Options{}), 1); m != nil || err != nil {
		t.Errorf("of four people: %v, %v", m, err)
	}
}
