package gate

import "fmt"

// Votes counts thumbs on one release.
type Votes struct {
	Down int `json:"down"`
	All  int `json:"all"`
}

// Add counts one thumb.
func (v *Votes) Add(down bool) {
	v.All++
	if down {
		v.Down++
	}
}

// Ballot is what people said of a canary and of what is live, since the canary was let loose.
type Ballot struct {
	Canary Votes `json:"canary"`
	Live   Votes `json:"live"`
	// Before is what they said of what is live before that. It makes the test quicker, and can make it neither wrong nor biased.
	Before Votes `json:"before"`
}

// CanaryLimits say when a canary is judged. Zero fields mean the defaults in their comments.
type CanaryLimits struct {
	Alpha float64 `json:"alpha,omitempty"` // chance that a canary no worse than what is live is ever taken back; .05
	Beta  float64 `json:"beta,omitempty"`  // chance that one that is worse by Tau ever goes live; .05
	Tau   float64 `json:"tau,omitempty"`   // rise of the rate of thumbs down that matters, in (0, .5]; .1
	Least int     `json:"least,omitempty"` // thumbs on each side before the canary may go live; 100
}

func (l CanaryLimits) withDefaults() CanaryLimits {
	for _, f := range []struct {
		field *float64
		value float64
	}{{&l.Alpha, .05}, {&l.Beta, .05}, {&l.Tau, .1}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if l.Least == 0 {
		l.Least = 100
	}
	return l
}

// Verdicts on a canary.
const (
	Wait = "wait" // too early to say
	Good = "good" // it may go live
	Bad  = "bad"  // it is to be taken back
)

// JudgeCanary compares the rates of thumbs down on a canary and on what is live. It may be asked after every vote, from the first one,
// with any share of users on the canary, also one that changes: what [CanaryLimits] promise holds over all looks together ([eProcess]).
// The canary is bad once there is evidence of 1/Alpha that its rate is the higher one, and good once there is evidence of 1/Beta that it
// is not higher by Tau or more. The votes of one person are taken as independent. How many votes it takes: [ExpectedVotes].
func JudgeCanary(b Ballot, l CanaryLimits) (verdict, why string) {
	t := newCanaryTest(b.Before, l)
	canary, live := countsOf(b.Canary), countsOf(b.Live)
	why = fmt.Sprintf("thumbs down: %d of %d on the canary, %d of %d on what is live; evidence (ln): worse %.2f of %.2f, not %.2g worse %.2f of %.2f",
		b.Canary.Down, b.Canary.All, b.Live.Down, b.Live.All,
		t.worse.log(canary, live), t.worse.wanted, t.limits.Tau, t.fine.log(canary, live), t.fine.wanted)
	return t.verdict(b.Canary, b.Live), why
}

// canaryTest is the two sides of [JudgeCanary], ready to be asked many times.
type canaryTest struct {
	limits CanaryLimits
	worse  eProcess // against "the canary is no worse"
	fine   eProcess // against "it is worse by Tau"
}

func newCanaryTest(before Votes, l CanaryLimits) canaryTest {
	l = l.withDefaults()
	return canaryTest{
		limits: l,
		worse:  newEProcess(l.Alpha, 0, before, []shift{{l.Tau / 2, .25}, {l.Tau, .5}, {2 * l.Tau, .125}, {4 * l.Tau, .125}}),
		fine:   newEProcess(l.Beta, l.Tau, before, []shift{{0, .5}, {-l.Tau / 2, .25}, {-l.Tau, .125}, {-2 * l.Tau, .125}}),
	}
}

func (t canaryTest) verdict(canary, live Votes) string {
	c, m := countsOf(canary), countsOf(live)
	switch {
	case t.worse.enough(c, m):
		return Bad
	case canary.All >= t.limits.Least && live.All >= t.limits.Least && t.fine.enough(c, m):
		return Good
	}
	return Wait
}

// ExpectedVotes returns how many votes, on both sides together, a canary takes to be taken back whose rate of thumbs down is rate +
// worse where that of what is live is rate, with share of the votes on the canary: the number at which votes that fall just as expected
// are evidence enough. Both rates and share lie in (0, 1). It is 0 where ten million are not enough.
func ExpectedVotes(rate, worse, share float64, before Votes, l CanaryLimits) int {
	t := newCanaryTest(before, l)
	enough := func(n int) bool {
		c, m := share*float64(n), (1-share)*float64(n)
		return t.worse.enough(counts{c * (rate + worse), c * (1 - rate - worse)}, counts{m * rate, m * (1 - rate)})
	}
	return smallest(10_000_000, enough)
}

// smallest returns the smallest n in [1, most] from which on yes holds, which then holds for all larger ones; 0 if there is none.
func smallest(most int, yes func(n int) bool) int {
	low, high := 0, 1
	for !yes(high) {
		if low = high; high >= most {
			return 0
		}
		high = min(2*high, most)
	}
	for high-low > 1 {
		if middle := (low + high) / 2; yes(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
