package pairs

import (
	"math"
	"slices"

	"plumb/chat"
)

// Settings of the estimate of who votes reliably.
const (
	enoughShared = 30  // votes on things judged more than once, below which nothing is said of anybody
	priorVotes   = 10  // votes that the prior of a person's accuracy is worth
	leastTrust   = .1  // of a vote that counts at all
	leastMean    = .6  // accuracy of people in general, where votes seem nothing but noise: trust is reckoned against it
	mostMean     = .98 // the same where nobody ever disagreed
	usualMean    = .8  // the same where nothing was judged twice, and a model alone has a second opinion
)

// Opinion is what a model that has seen none of a person's votes makes of them: one more observer, of things that nobody else judged, whose
// own accuracy is estimated like a person's.
type Opinion interface {
	// Prefers says whether the first of two replies is the better one, without knowing what user said; ok is false where it cannot tell.
	Prefers(user string, prompt []chat.Message, first, second string) (yes, ok bool)
}

// observer is the opinion's name among voters, which no person has.
const observer = "\x00"

// Voters is what the votes say of those who cast them.
type Voters struct {
	Comparisons Agreement   `json:"comparisons"` // of one reply with another
	Verdicts    Agreement   `json:"verdicts"`    // thumbs and ratings
	Self        Consistency `json:"self"`
	Noise       *Noise      `json:"noise"`    // nil where too few things were judged twice to tell
	People      []Voter     `json:"people"`   // who judged a thing that others, or an [Opinion], judged too, the least reliable first; nil where those are too few
	Lowered     int         `json:"lowered"`  // people whose votes count for less than nine tenths of an average one
	LeftOut     int         `json:"left_out"` // people among them whose votes are left out
}

// Voter is one person's reliability.
type Voter struct {
	User     string  `json:"user"`
	Shared   int     `json:"shared"`   // votes on things that others judged too
	Accuracy float64 `json:"accuracy"` // estimated probability that a vote is right
	SD       float64 `json:"sd"`       // of its posterior
	// Trust is what one of this person's votes counts for: (2p − 1)/(2p̄ − 1) within [.1, 1], p being the accuracy and p̄ that of people in
	// general; 0, and the votes are left out and counted, where p lies more than its SD below ½: contradicted more often than by chance.
	// With probability p of being right, a vote moves a fit by 2p − 1 times what a right one does (Natarajan et al. 2013, "Learning with
	// noisy labels", §3); for a row of one vote that is its posterior, scaled so that an average vote counts 1.
	Trust float64 `json:"trust"`
}

// ledger is how much each person's votes are worth; nil takes all for alike.
type ledger struct {
	mean   float64 // accuracy of people in general
	voters map[string]Voter
}

// trust is what a vote of a user counts for.
func (l *ledger) trust(user string) float64 {
	if l == nil {
		return 1
	}
	if v, ok := l.voters[user]; ok {
		return v.Trust
	}
	return 1
}

// logit is the log-odds that a vote of a user is right.
func (l *ledger) logit(user string) float64 {
	p := l.mean
	if v, ok := l.voters[user]; ok {
		p = v.Accuracy
	}
	return math.Log(p) - math.Log1p(-p)
}

// voters weighs up everybody who voted.
func (b *builder) voters() (Voters, *ledger) {
	comparisons, verdicts := b.items()
	v := Voters{Comparisons: agreement(comparisons), Verdicts: agreement(verdicts), Self: b.consistency()}
	v.Noise = noise(comparisons, verdicts, v.Self, enoughShared)
	l := &ledger{mean: usualMean, voters: map[string]Voter{}}
	if v.Noise != nil {
		l.mean = math.Min(mostMean, math.Max(leastMean, 1-v.Noise.Epsilon))
	}
	tasks := b.seconded()
	if v.Noise == nil && len(tasks) < enoughShared {
		return v, nil
	}
	v.People = l.estimate(slices.Concat(tasks, shared(comparisons, 0), shared(verdicts, l.goodness(verdicts))))
	for _, p := range v.People {
		l.voters[p.User] = p
		if p.Trust < .9 {
			v.Lowered++
		}
		if p.Trust == 0 {
			v.LeftOut++
		}
	}
	if b.options.EqualUsers {
		return v, nil
	}
	return v, l
}

// goodness is the log-odds that a thing with verdicts is good, before anybody has spoken.
func (l *ledger) goodness(verdicts []item) float64 {
	up, all := 0, 0
	for _, i := range verdicts {
		u, _ := i.counts()
		up, all = up+u, all+len(i)
	}
	if all == 0 {
		return 0
	}
	e := 1 - l.mean
	pi := math.Max(.02, math.Min(.98, (float64(up)/float64(all)-e)/(1-2*e)))
	return math.Log(pi) - math.Log1p(-pi)
}

// seconded returns the comparisons of one person each that the opinion has a word on, with that word.
func (b *builder) seconded() (tasks []task) {
	if b.opinion == nil {
		return nil
	}
	for _, key := range sortedKeys(b.pairs, comparePairs) {
		t := b.pairs[key]
		i := t.item()
		if len(i) != 1 || i[0].user == "" {
			continue
		}
		if yes, ok := b.opinion.Prefers(i[0].user, t.messages, key.first, key.second); ok {
			tasks = append(tasks, task{append(i, ballot{observer, yes}), 0})
		}
	}
	return tasks
}
