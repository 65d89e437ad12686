package gate

import (
	"fmt"
	"math"
)

// fewest votes from which a check says anything, and the most below which lack of proof is not a failure: 153 pairs show 60 %
// against 50 % with power .8 at a one-sided 5 %.
const (
	fewest   = 10
	powerful = 153
)

// signs makes an evidence check of k votes that went the right way, of n that went any way.
func signs(name string, k, n int, l Limits, detail string) Check {
	threshold := fmt.Sprintf("exact sign test, p ≤ %.3g", l.Alpha)
	if n < fewest {
		c := insufficient(name, threshold, "%d votes, fewer than %d show nothing", n, fewest)
		c.Evidence = true
		return c
	}
	p, against := SignTest(k, n), SignTest(n-k, n)
	lo, hi := Wilson(float64(k), float64(n), 1.96)
	chance := .5
	c := Check{Name: name, Value: value(float64(k) / float64(n)), Interval: &[2]float64{lo, hi}, Threshold: threshold, AtLeast: &chance, Evidence: true}
	c.Pass = p <= l.Alpha
	c.Insufficient = !c.Pass && against > l.Alpha && n < powerful
	c.Detail = fmt.Sprintf("%d of %d %s, p = %.2g", k, n, detail, p)
	if c.Insufficient {
		c.Detail += fmt.Sprintf("; %d votes cannot tell %.0f %% from chance", n, 100*math.Max(.5, float64(k)/float64(n)))
	}
	return c
}

// heldOutPairs asks whether the update raised chosen over rejected replies on prompts it was not trained on.
func heldOutPairs(m Measures, l Limits) Check {
	k, n := 0, 0
	for _, p := range m.Pairs {
		switch d := p.Chosen.gain() - p.Rejected.gain(); {
		case d > 0:
			k++
			n++
		case d < 0:
			n++
		}
	}
	c := signs("held_out_pairs", k, n, l, "held-out pairs moved towards the chosen reply")
	c.Detail += m.strictness()
	return c
}

func (m Measures) strictness() string {
	if m.ByUser {
		return " (prompts and users unseen)"
	}
	return " (prompts unseen; users may be seen)"
}

// heldOutThumbs asks whether the update raised liked replies more than disliked ones.
func heldOutThumbs(m Measures, l Limits) Check {
	var up, down []float64
	for _, r := range m.Thumbs {
		if r.Label {
			up = append(up, r.gain())
		} else {
			down = append(down, r.gain())
		}
	}
	threshold := fmt.Sprintf("rank-sum test, p ≤ %.3g", l.Alpha)
	if min(len(up), len(down)) < fewest/2 || len(up)+len(down) < 2*fewest {
		c := insufficient("held_out_thumbs", threshold, "%d up and %d down, of which %d and %d in all are needed", len(up), len(down), fewest/2, 2*fewest)
		c.Evidence = true
		return c
	}
	auc, p := RankSum(up, down)
	_, against := RankSum(down, up)
	chance := .5
	c := Check{Name: "held_out_thumbs", Value: value(auc), Interval: aucInterval(auc, len(up), len(down)), Threshold: threshold, AtLeast: &chance, Evidence: true, Pass: p <= l.Alpha}
	c.Insufficient = !c.Pass && against > l.Alpha && len(up)+len(down) < 2*powerful
	c.Detail = fmt.Sprintf("a liked reply gained more than a disliked one in %.0f %% of %d × %d, p = %.2g", 100*auc, len(up), len(down), p) + m.strictness()
	return c
}

// heldOutDemonstrations asks whether held-out wished replies became likelier.
func heldOutDemonstrations(m Measures, l Limits) Check {
	k := 0
	for _, r := range m.Demonstrations {
		if r.gain() > 0 {
			k++
		}
	}
	return signs("held_out_demonstrations", k, len(m.Demonstrations), l, "held-out demonstrations became likelier")
}

// headToHead asks whether the judge likes the candidate's replies at least about as well as the incumbent's.
func headToHead(m Measures, l Limits) Check {
	const name = "head_to_head"
	threshold := fmt.Sprintf("95 %% lower bound above %.2g", l.HeadToHead)
	evidence := func(c Check) Check { c.Evidence = true; return c }
	if m.Judge.Votes == 0 || m.Judge.Accuracy == nil {
		return evidence(insufficient(name, threshold, "no judge: too few held-out votes to fit one on"))
	}
	right := int(math.Round(*m.Judge.Accuracy * float64(m.Judge.HeldOut)))
	if p := SignTest(right, m.Judge.HeldOut); p > l.Alpha {
		return evidence(insufficient(name, threshold, "the judge, fitted on %d held-out votes, is no better than chance (%.2f on %d, p = %.2g)",
			m.Judge.Votes, *m.Judge.Accuracy, m.Judge.HeldOut, p))
	}
	wins, n := 0, 0
	for _, d := range m.Drawn {
		if d.Candidate.Reward != d.Incumbent.Reward {
			n++
			if d.Candidate.Reward > d.Incumbent.Reward {
				wins++
			}
		}
	}
	if n < fewest {
		return evidence(insufficient(name, threshold, "%d replies differ, fewer than %d show nothing", n, fewest))
	}
	lo, hi := Wilson(float64(wins), float64(n), 1.645)
	c := Check{Name: name, Value: value(float64(wins) / float64(n)), Interval: &[2]float64{lo, hi}, Threshold: threshold, AtLeast: &l.HeadToHead,
		Detail: fmt.Sprintf("a judge fitted on %d held-out votes prefers %d of %d replies to the incumbent's", m.Judge.Votes, wins, n)}
	// A judge this weak is a guard, and evidence only where it is sure.
	c.Pass = lo > l.HeadToHead
	c.Evidence = !c.Pass || lo > .5
	c.Insufficient = !c.Pass && hi >= .5
	return c
}

// accuracy asks, where a trained model answers now, whether the candidate ranks held-out pairs worse than it does.
func accuracy(m Measures, l Limits) Check {
	const name = "held_out_accuracy"
	threshold := fmt.Sprintf("not worse than the incumbent by McNemar's exact test at %.3g", l.Alpha)
	better, worse, right := 0, 0, 0
	for _, p := range m.Pairs {
		candidate := p.Chosen.Candidate-p.Chosen.Base > p.Rejected.Candidate-p.Rejected.Base
		incumbent := p.Chosen.Incumbent-p.Chosen.Base > p.Rejected.Incumbent-p.Rejected.Base
		if candidate {
			right++
		}
		switch {
		case candidate && !incumbent:
			better++
		case incumbent && !candidate:
			worse++
		}
	}
	if len(m.Pairs) == 0 {
		// Without pairs the other checks have to do.
		return Check{Name: name, Threshold: threshold, Pass: true, Detail: "no held-out pairs to compare on"}
	}
	p := SignTest(worse, better+worse)
	lo, hi := Wilson(float64(right), float64(len(m.Pairs)), 1.96)
	return Check{Name: name, Value: value(float64(right) / float64(len(m.Pairs))), Interval: &[2]float64{lo, hi}, Threshold: threshold, Pass: p > l.Alpha,
		Detail: fmt.Sprintf("of %d pairs %d are ranked right; %d the incumbent had wrong, %d it had right, p(worse) = %.2g", len(m.Pairs), right, better, worse, p)}
}
