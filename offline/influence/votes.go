package influence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/pairs"
	"plumb/rm"
)

// ballot is a vote that rewards can agree with: of one reply over another, or, where the second is "", of one reply on its own.
type ballot struct {
	prompt []chat.Message
	better string
	worse  string
	label  bool
}

// ballots returns people's comparisons; where there are next to none their thumbs.
func ballots(s pairs.Set) (all []ballot) {
	const enough = 20
	s = s.Human()
	for _, r := range s.Preferences {
		if r.Class != pairs.UpDown { // nobody said that
			all = append(all, ballot{prompt: r.Messages, better: r.Chosen, worse: r.Rejected})
		}
	}
	if len(all) >= enough || len(s.Unpaired) < len(all) {
		return all
	}
	all = all[:0]
	for _, r := range s.Unpaired {
		all = append(all, ballot{prompt: r.Messages, better: r.Reply, label: r.Label})
	}
	return all
}

// score returns by how much a model agrees with each ballot, in log-odds: the reward of the better reply over the worse one, as it was fitted, or
// how likely the model finds a thumb like the one given. 0 is no opinion. The temperature that held-out votes bore out is taken off again: where
// they are few it says more of chance than of anybody's votes.
func score(ctx context.Context, m *rm.Model, votes []ballot) ([]float64, error) {
	margins := make([]float64, len(votes))
	for i, v := range votes {
		replies := []string{v.better, v.worse}
		if v.worse == "" {
			replies = replies[:1]
		}
		r, err := m.Score(ctx, v.prompt, replies)
		if err != nil {
			return nil, fmt.Errorf("score a held-out vote: %w", err)
		}
		switch up := m.Meta().Up; {
		case v.worse != "":
			margins[i] = (r[0].Reward - r[1].Reward) * m.Meta().Temperature
		case up != nil:
			margins[i] = up.Slope*r[0].Reward + up.Intercept
			if !v.label {
				margins[i] = -margins[i]
			}
		}
	}
	return margins, nil
}

// figures sums margins up. The intervals are 95 %: Wilson's for the share, the normal one for the mean.
func figures(margins []float64) Figures {
	f := Figures{Votes: len(margins)}
	if f.Votes == 0 {
		return f
	}
	n := float64(f.Votes)
	const z = 1.959964
	p := accuracy(margins)
	middle, half := (p+z*z/(2*n))/(1+z*z/n), z/(1+z*z/n)*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	f.Accuracy, f.AccuracyCI = p, [2]float64{middle - half, middle + half}
	mean, sd := stat.MeanStdDev(margins, nil)
	if f.Votes < 2 {
		sd = 0
	}
	f.Margin, f.MarginCI = mean, [2]float64{mean - z*sd/math.Sqrt(n), mean + z*sd/math.Sqrt(n)}
	return f
}

func accuracy(margins []float64) float64 {
	right := 0.
	for _, m := range margins {
		switch {
		case m > 0:
			right++
		case m == 0:
			right += .5
		}
	}
	return right / float64(len(margins))
}

// votesOf counts what people said themselves; total has those nobody's name is on too.
func votesOf(r pairs.Records) (votes map[string]int, total int) {
	votes = map[string]int{}
	for _, e := range r.Events {
		if e.Source == feedback.Human || e.Source == feedback.Import {
			total++
			if e.User != "" {
				votes[e.User]++
			}
		}
	}
	return votes, total
}

// only returns the records without the events of users that keep says no to.
func only(r pairs.Records, keep func(user string) bool) pairs.Records {
	kept := pairs.Records{Generations: r.Generations}
	for _, e := range r.Events {
		if keep(e.User) {
			kept.Events = append(kept.Events, e)
		}
	}
	return kept
}

// people returns who is looked at: those with most votes, in an order that does not depend on chance; how many have too few; and how
// many are left over.
func (m Measure) people(votes map[string]int) (looked []string, few, rest int) {
	for u, n := range votes {
		if n < cmp.Or(m.Least, 5) {
			few++
		} else {
			looked = append(looked, u)
		}
	}
	slices.SortFunc(looked, func(a, b string) int { return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(a, b)) })
	most := min(len(looked), cmp.Or(m.Most, 100))
	return looked[:most], few, len(looked) - most
}
