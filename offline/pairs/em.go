package pairs

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// task is a thing that several judged, with the log-odds of its truth before anybody has spoken.
type task struct {
	item
	prior float64
}

func shared(items []item, prior float64) (tasks []task) {
	for _, i := range items {
		if len(i) >= 2 {
			tasks = append(tasks, task{i, prior})
		}
	}
	return tasks
}

// estimate returns each person's accuracy by expectation-maximisation: from the accuracies the posterior of each thing,
//
//	logit q = prior + Σ ±logit p_u  over its ballots, + for and − against,
//
// and from those the accuracies, p_u = (s·p̄ + Σ q or 1 − q)/(s + n_u), the mode under a prior Beta(1 + s·p̄, 1 + s·(1 − p̄)) with s = 10: few
// votes pull to the mean. One accuracy a person, not two: who presses one button more than the other is told apart by the prior of
// things. Cost: the ballots on shared things times the iterations, some dozens.
//
// Dawid & Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Eqs. 2.3–2.5.
func (l *ledger) estimate(tasks []task) []Voter {
	names, votes := numbered(tasks)
	p, right, n := make([]float64, len(names)), make([]float64, len(names)), make([]int, len(names))
	for i := range p {
		p[i] = l.mean
	}
	for _, task := range votes {
		for _, v := range task {
			if v.who >= 0 {
				n[v.who]++
			}
		}
	}
	for change, round := 1., 0; change > 1e-10 && round < 1000; round++ {
		l.expect(tasks, votes, p, right)
		change = 0
		for i := range p {
			next := (priorVotes*l.mean + right[i]) / (priorVotes + float64(n[i]))
			change = math.Max(change, math.Abs(next-p[i]))
			p[i] = next
		}
	}
	var people []Voter
	for i, name := range names {
		if name != observer {
			people = append(people, l.voter(name, n[i], right[i]))
		}
	}
	slices.SortFunc(people, func(x, y Voter) int { return cmp.Or(cmp.Compare(x.Accuracy, y.Accuracy), cmp.Compare(x.User, y.User)) })
	return people
}

// numberedBallot is a ballot by the person of that place in the list of names; −1 is nobody.
type numberedBallot struct {
	who int
	up  bool
}

// numbered gives everybody with a name a number, in the order of the names.
func numbered(tasks []task) (names []string, votes [][]numberedBallot) {
	index := map[string]int{}
	for _, t := range tasks {
		for _, b := range t.item {
			index[b.user] = 0
		}
	}
	delete(index, "")
	names = slices.Sorted(maps.Keys(index))
	for i, name := range names {
		index[name] = i
	}
	index[""] = -1
	for _, t := range tasks {
		task := make([]numberedBallot, len(t.item))
		for k, b := range t.item {
			task[k] = numberedBallot{index[b.user], b.up}
		}
		votes = append(votes, task)
	}
	return names, votes
}

// expect fills right with how many of each person's votes are expected to be right, given everybody's accuracy p.
func (l *ledger) expect(tasks []task, votes [][]numberedBallot, p, right []float64) {
	logits := make([]float64, len(p))
	for i, x := range p {
		logits[i] = math.Log(x) - math.Log1p(-x)
	}
	nobody := math.Log(l.mean) - math.Log1p(-l.mean)
	clear(right)
	for k, task := range votes {
		odds := tasks[k].prior
		for _, v := range task {
			w := nobody
			if v.who >= 0 {
				w = logits[v.who]
			}
			if v.up {
				odds += w
			} else {
				odds -= w
			}
		}
		good := logistic(odds)
		for _, v := range task {
			switch {
			case v.who < 0:
			case v.up:
				right[v.who] += good
			default:
				right[v.who] += 1 - good
			}
		}
	}
}

// voter is a person of whose n shared votes so many are thought right.
func (l *ledger) voter(name string, n int, right float64) Voter {
	a, b := priorVotes*l.mean+right, priorVotes*(1-l.mean)+float64(n)-right
	v := Voter{User: name, Shared: n, Accuracy: a / (a + b), SD: math.Sqrt(a * b / ((a + b) * (a + b) * (a + b + 1)))}
	if v.Accuracy+v.SD >= .5 {
		v.Trust = math.Max(leastTrust, math.Min(1, (2*v.Accuracy-1)/(2*l.mean-1)))
	}
	return v
}
