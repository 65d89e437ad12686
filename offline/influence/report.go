package influence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"plumb/offline/pairs"
	"plumb/rm"
)

// unguarded is how votes become rows for a report.
var unguarded = pairs.Options{UserShare: 1, PromptRows: -1, EqualUsers: true, Near: 2}

// halves splits by prompt alone, since everybody is to be seen on both sides, and holds enough out to measure on.
var halves = pairs.Split{Prompts: .4, Users: 1e-9}

// Measure is how influence is measured. The zero value works.
type Measure struct {
	Trainer rm.Trainer // 0 fields: one head, the priors that the model of all votes chose, no hacks among the data
	Least   int        // votes from which a person is looked at; 0 means 5
	Most    int        // people looked at, those with most votes; 0 means 100
	// Progress, if not nil, is told how many people are done.
	Progress func(done, all int)
}

// Figures is what a reward model does on held-out votes.
type Figures struct {
	Votes      int        `json:"votes"`
	Accuracy   float64    `json:"accuracy"` // share of votes that the rewards agree with; equal rewards count half
	AccuracyCI [2]float64 `json:"accuracy_interval"`
	Margin     float64    `json:"margin"` // mean reward by which the liked reply is ahead, in log-odds before calibration
	MarginCI   [2]float64 `json:"margin_interval"`
}

// Person is what one person's votes do.
type Person struct {
	User  string  `json:"user"`
	Votes int     `json:"votes"`
	Share float64 `json:"share"` // of all votes
	// Accuracy and Margin are how far the figures, on held-out votes of everybody else, rise when the model is fitted without this person:
	// above 0 the person makes the model worse for them.
	Accuracy float64 `json:"accuracy"`
	Margin   float64 `json:"margin"`
	// Beyond says whether a figure moves by more than half its interval.
	Beyond bool `json:"beyond"`
	// MarginZ is Margin against that of all people, in robust standard deviations.
	MarginZ float64 `json:"margin_z"`
	// Agrees is the share of this person's votes that a model of all others agrees with, of those that it can tell; AgreesZ is the same
	// against the share among all people, in standard deviations of chance. nil and 0 where there are no such votes.
	Agrees  *float64 `json:"agrees"`
	AgreesZ float64  `json:"agrees_z"`
	told    float64  // votes that Agrees is of
	// Suspicion adds both up, (MarginZ − AgreesZ)/√2 (Stouffer 1949): about standard normal for people who vote as others do.
	Suspicion float64 `json:"suspicion"`
	// Trust is what this person's votes count for in a run: see [pairs.Voter]. nil where nobody else judged the same things.
	Trust *float64 `json:"trust"`
}

// Report is the poisoning report, the most suspicious person first.
type Report struct {
	All    Figures  `json:"all"` // of the model of all votes
	People []Person `json:"people"`
	Few    int      `json:"few"`  // people with too few votes to be looked at
	Rest   int      `json:"rest"` // people with enough, beyond the most that are looked at
}

// Report fits a model of all votes, and one without each person, and measures them on held-out votes. Errors are of the fits; too little
// to measure on is a report of nobody. Cost: the rows made anew and a fit for each person.
func (m Measure) Report(ctx context.Context, records pairs.Records) (Report, error) {
	set := pairs.Build(records, unguarded)
	train, heldOut, _ := set.Split(halves)
	votes, total := votesOf(records)
	looked, few, rest := m.people(votes)
	r := Report{Few: few, Rest: rest, People: []Person{}}
	if len(ballots(train)) == 0 || len(ballots(heldOut)) == 0 || len(looked) == 0 {
		return r, nil
	}
	data := train.RewardData()
	trainer, err := m.trainer(ctx, data)
	if err != nil {
		return Report{}, err
	}
	all, err := trainer.Fit(ctx, data)
	if err != nil {
		return Report{}, fmt.Errorf("fit on all votes: %w", err)
	}
	margins, err := score(ctx, all, ballots(heldOut))
	if err != nil {
		return Report{}, err
	}
	r.All = figures(margins)
	for i, user := range looked {
		p := Person{User: user, Votes: votes[user], Share: float64(votes[user]) / float64(total)}
		if err := p.measure(ctx, trainer, all, records); err != nil {
			return Report{}, err
		}
		r.People = append(r.People, p)
		if m.Progress != nil {
			m.Progress(i+1, len(looked))
		}
	}
	r.rank(set.Voters)
	return r, nil
}

// trainer settles what all fits share: the priors are chosen once, on all votes.
func (m Measure) trainer(ctx context.Context, data rm.Data) (rm.Trainer, error) {
	t := m.Trainer
	t.Heads, t.Canaries = cmp.Or(t.Heads, 1), cmp.Or(t.Canaries, -1)
	if t.DensePrior > 0 && t.SparsePrior > 0 {
		return t, nil
	}
	chosen, err := t.Fit(ctx, data)
	if err != nil {
		return t, fmt.Errorf("fit on all votes: %w", err)
	}
	t.DensePrior, t.SparsePrior = chosen.Meta().DensePrior, chosen.Meta().SparsePrior
	return t, nil
}

// measure compares the model of all with one of everybody else, on votes of everybody else and on the person's own.
func (p *Person) measure(ctx context.Context, t rm.Trainer, all *rm.Model, records pairs.Records) error {
	train, heldOut, _ := pairs.Build(only(records, func(user string) bool { return user != p.User }), unguarded).Split(halves)
	data := train.RewardData()
	if len(data.Pairs)+len(data.Thumbs)+len(data.Rankings)+len(data.Demonstrations) == 0 {
		return nil // nobody else has said anything
	}
	others, err := t.Fit(ctx, data)
	if err != nil {
		return fmt.Errorf("fit without a user: %w", err)
	}
	votes := ballots(heldOut)
	before, err := score(ctx, all, votes)
	if err != nil {
		return err
	}
	after, err := score(ctx, others, votes)
	if err != nil {
		return err
	}
	if a, b := figures(after), figures(before); b.Votes > 0 {
		p.Accuracy, p.Margin = a.Accuracy-b.Accuracy, a.Margin-b.Margin
		p.Beyond = math.Abs(p.Accuracy) > halfWidth(b.AccuracyCI) || math.Abs(p.Margin) > halfWidth(b.MarginCI)
	}
	own, err := score(ctx, others, ballots(pairs.Build(only(records, func(user string) bool { return user == p.User }), unguarded)))
	if err != nil {
		return err
	}
	if own = slices.DeleteFunc(own, func(x float64) bool { return x == 0 }); len(own) > 0 {
		share := accuracy(own)
		p.Agrees, p.told = &share, float64(len(own))
	}
	return nil
}

// rank works out what is usual among the people, and puts the most suspicious first.
func (r *Report) rank(voters pairs.Voters) {
	margins := make([]float64, len(r.People))
	right, all := 0., 0.
	for i, p := range r.People {
		margins[i] = p.Margin
		if p.Agrees != nil {
			right, all = right+*p.Agrees*p.told, all+p.told
		}
	}
	centre, spread := robust(margins)
	usual := math.Max(.01, math.Min(.99, right/math.Max(1, all)))
	for i := range r.People {
		p := &r.People[i]
		if spread > 0 {
			p.MarginZ = (p.Margin - centre) / spread
		}
		if p.Agrees != nil {
			p.AgreesZ = (*p.Agrees - usual) * math.Sqrt(p.told/(usual*(1-usual)))
		}
		p.Suspicion = (p.MarginZ - p.AgreesZ) / math.Sqrt2
		for _, v := range voters.People {
			if v.User == p.User {
				p.Trust = &v.Trust
			}
		}
	}
	slices.SortFunc(r.People, func(a, b Person) int {
		return cmp.Or(cmp.Compare(b.Suspicion, a.Suspicion), cmp.Compare(b.Votes, a.Votes), cmp.Compare(a.User, b.User))
	})
}

// robust returns the median and 1.4826 times the median distance from it, which for normal values is the standard deviation.
func robust(x []float64) (median, spread float64) {
	if len(x) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(x))
	median = stat.Quantile(.5, stat.LinInterp, sorted, nil)
	distances := make([]float64, len(x))
	for i, v := range x {
		distances[i] = math.Abs(v - median)
	}
	slices.Sort(distances)
	return median, 1.4826 * stat.Quantile(.5, stat.LinInterp, distances, nil)
}

func halfWidth(interval [2]float64) float64 { return (interval[1] - interval[0]) / 2 }
