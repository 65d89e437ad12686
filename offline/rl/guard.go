package rl

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// guard tells when a reward is being hacked: a second reward model, of other votes, scores the same replies, and while the one that is
// maximised still rises, the other falls. Both are averaged over Window steps. The run ends where the watched average is more than
// Errors standard errors (of the difference, from the spread over prompts) below its best, and the reward above what it was
// then. Where both fall, something else is wrong, which the KL tells.
//
// It is early stopping on the gold reward's stand-in: the peak of Gao et al. 2023, Fig. 1, https://arxiv.org/abs/2210.10760. Votes of
// other users make the stand-in's errors its own.
type guard struct {
	Window int
	Errors float64
}

// watched is what a guard has seen. It is part of the checkpoint.
type watched struct {
	Seen []sight `json:"seen,omitempty"` // the last steps, at most Window
	Best *sight  `json:"best,omitempty"` // the best average of Window steps
}

// sight is the watched reward of a step or an average of steps, its variance as an estimate of the mean, and the reward that is maximised.
type sight struct {
	Watch    float64 `json:"watch"`
	Variance float64 `json:"variance"`
	Reward   float64 `json:"reward"`
}

// see takes in a step. best says that there has been no better average: the policy of this step is worth keeping. Until there is a first
// average, every step is. fallen is how many standard errors the average is below the best while the reward rose, once that is more
// than Errors, and else 0. Averages that share steps are closer than their errors say, so the guard errs on the side of going on.
func (g guard) see(w *watched, s sight) (best bool, fallen float64) {
	w.Seen = append(w.Seen, s)
	if len(w.Seen) < g.Window {
		return true, 0
	}
	w.Seen = w.Seen[len(w.Seen)-g.Window:]
	now := average(w.Seen)
	if w.Best == nil || now.Watch >= w.Best.Watch {
		w.Best = &now
		return true, 0
	}
	errors := (w.Best.Watch - now.Watch) / math.Sqrt(now.Variance+w.Best.Variance) // +Inf where replies do not differ
	if errors > g.Errors && now.Reward > w.Best.Reward {
		return false, errors
	}
	return false, 0
}

func average(all []sight) (a sight) {
	n := float64(len(all))
	for _, s := range all {
		a.Watch += s.Watch / n
		a.Variance += s.Variance / (n * n)
		a.Reward += s.Reward / n
	}
	return a
}

// overPrompts returns the mean of x, and its variance as an estimate from the means of groups of neighbours, which answer one prompt each:
// replies to one prompt are alike, so they do not count as independent. Of a single group it is taken from its replies.
func overPrompts(x []float64, group int) (mean, variance float64) {
	means := x
	if len(x) > group {
		means = nil
		for from := 0; from < len(x); from += group {
			means = append(means, stat.Mean(x[from:from+group], nil))
		}
	}
	if len(means) < 2 {
		return stat.Mean(means, nil), 0
	}
	mean, variance = stat.MeanVariance(means, nil)
	return mean, max(0, variance) / float64(len(means)) // rounding can leave it a hair below 0
}
