package advise

import "fmt"

// noisy is the share of wrong votes from which a loss that knows of it is worth while.
const noisy = .2

// notes says what else an operator should know.
func (e Evidence) notes(a Advice) []string {
	notes := []string{}
	say := func(when bool, format string, args ...any) {
		if when {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	c := a.Counts
	if l := c.Length; l != nil {
		say(l.Longer(), "chosen replies are %.2f times as long as rejected ones (%.2f to %.2f): method sigmoid_norm, which compares log-probs a token, keeps length out of what is learned", l.Ratio, l.Lo, l.Hi)
	}
	if n := c.Noise; n != nil {
		say(n.Epsilon > noisy, "%.0f %% of votes are wrong (%.0f to %.0f %%): methods cdpo and robust take such a share into account", 100*n.Epsilon, 100*n.Lo, 100*n.Hi)
	} else {
		say(c.Users > 1, "too few replies were judged by two people to tell how many votes are wrong, or whose: let several people judge the same replies")
	}
	say(c.LeftOut > 0, "%d people are contradicted more often than by chance, and their votes are left out: plumb align influence shows what they would do", c.LeftOut)
	say(c.Lowered > c.LeftOut, "the votes of %d people count for less, because others contradict them", c.Lowered-c.LeftOut)
	for _, n := range a.Needs {
		say(n.Method == "kto" && n.Have >= n.Need && !n.Fits, "thumbs are nearly all of one sort: %s", n.Note)
	}
	say(a.Power.Now.HeldOut > 0, "%d held-out votes find a win rate of %.0f %%; with 100 more votes %.0f %%",
		a.Power.Now.HeldOut, 100*a.Power.Now.Detectable, 100*a.Power.Then.Detectable)
	return notes
}
