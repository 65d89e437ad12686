package demo

import (
	"context"
	"fmt"
	"math/rand/v2"

	client "plumb/clients/go"
	"plumb/cmd/plumb/people"
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

// judge makes one person's vote on candidates of a generation.
func (d *Demo) judge(random *rand.Rand, prompt, id string, candidates []client.Candidate) (client.Vote, bool) {
	texts := make([]string, len(candidates))
	for i, c := range candidates {
		texts[i] = c.Text
	}
	v := people.Crowd{Taste: d.Taste, Noise: d.Noise}.Compare(random, prompt, texts)
	if v.Loser < 0 {
		return client.Vote{ID: candidates[v.Reply].ID, Kind: "thumb", Value: thumb(v.Up)}, v.Wrong
	}
	return client.Vote{ID: id, Kind: "preference", Winner: candidates[v.Reply].ID, Losers: []string{candidates[v.Loser].ID}}, v.Wrong
}

func thumb(up bool) float64 {
	if up {
		return 1
	}
	return -1
}
