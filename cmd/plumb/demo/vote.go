package demo

import (
	"context"
	"fmt"
	"math/rand/v2"

	client "plumb/clients/go"
)

// vote has the simulated people vote: each prompt's candidates are drawn once, then several people each compare two of
// them. A person prefers the one to the taste, and errs in d.Noise of the votes; where the two are alike in that, the
// person rates one of them with a thumb instead. It returns how many votes were given and how many of them were wrong.
func (d *Demo) vote(ctx context.Context) (votes, wrong int, err error) {
	random := rand.New(rand.NewPCG(uint64(d.Seed), 0x766f7465))
	order := random.Perm(len(d.Train))
	perPrompt := max(1, (d.Votes+len(order)-1)/max(1, len(order)))
	for k, i := range order {
		if votes >= d.Votes {
			break
		}
		prompt := d.Train[i]
		asker := fmt.Sprintf("person-%d", k%d.Users)
		got, err := d.ask(ctx, prompt, "auto", d.N, d.seed("train", i, 0), asker)
		if err != nil {
			return votes, wrong, fmt.Errorf("ask %q: %w", prompt, err)
		}
		candidates, err := d.Client.Candidates(ctx, got.ID)
		if err != nil {
			return votes, wrong, fmt.Errorf("read candidates of %s: %w", got.ID, err)
		}
		for v := 0; v < perPrompt && votes < d.Votes; v++ {
			vote, isWrong := d.judge(random, prompt, got.ID, candidates)
			vote.User = fmt.Sprintf("person-%d", (k*perPrompt+v)%d.Users)
			if _, err := d.Client.Vote(ctx, vote); err != nil {
				return votes, wrong, fmt.Errorf("vote on %s: %w", got.ID, err)
			}
			votes++
			if isWrong {
				wrong++
			}
		}
		d.progress("votes", votes, d.Votes)
	}
	d.sayf("\r%-20s %d, of which %d wrong\n", "votes", votes, wrong)
	return votes, wrong, nil
}

// judge makes one person's vote on two candidates of a generation.
func (d *Demo) judge(random *rand.Rand, prompt, id string, candidates []client.Candidate) (client.Vote, bool) {
	a := candidates[random.IntN(len(candidates))]
	b := a
	// A person compares a reply with one that differs in what matters to that person, if there is one.
	for _, i := range random.Perm(len(candidates)) {
		if b = candidates[i]; d.Taste.Holds(prompt, a.Text) != d.Taste.Holds(prompt, b.Text) {
			break
		}
	}
	wrong := random.Float64() < d.Noise
	good, bad := d.Taste.Holds(prompt, a.Text), d.Taste.Holds(prompt, b.Text)
	if good == bad {
		return client.Vote{ID: a.ID, Kind: "thumb", Value: thumb(good != wrong)}, wrong
	}
	winner, loser := a.ID, b.ID
	if bad != wrong { // b is to the taste and the vote is right, or the reverse of both
		winner, loser = b.ID, a.ID
	}
	return client.Vote{ID: id, Kind: "preference", Winner: winner, Losers: []string{loser}}, wrong
}

func thumb(up bool) float64 {
	if up {
		return 1
	}
	return -1
}
