package gate

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
)

// nll asks whether text that nobody voted on became less likely.
func nll(m Measures, l Limits) Check {
	const name = "neutral_nll"
	threshold := fmt.Sprintf("at most %+.2g %% against the base", 100*l.NLL)
	if m.Neutral.Tokens == 0 {
		return insufficient(name, threshold, "no neutral text")
	}
	rise := m.Neutral.Candidate/m.Neutral.Base - 1
	var candidate, base []float64
	for _, t := range m.NeutralTexts {
		candidate, base = append(candidate, t.Candidate-t.Base), append(base, t.Base)
	}
	return Check{Name: name, Value: value(rise), Interval: Bootstrap(len(base), ratioOf(candidate, base)).interval(),
		Threshold: threshold, AtMost: &l.NLL, Pass: rise <= l.NLL,
		Detail: fmt.Sprintf("%.4f nats a token over %d tokens, base %.4f, incumbent %.4f: %+.2f %%", m.Neutral.Candidate, m.Neutral.Tokens, m.Neutral.Base, m.Neutral.Incumbent, 100*rise)}
}

func klIncumbent(m Measures, l Limits) Check {
	shown := m.shown(func(p Logprobs) float64 { return p.Incumbent })
	return divergence("kl_incumbent", m, func(k KL) float64 { return k.Incumbent }, l.KLIncumbent, shown)
}

func klBase(m Measures, l Limits) Check {
	shown := m.shown(func(p Logprobs) float64 { return p.Base })
	return divergence("kl_base", m, func(k KL) float64 { return k.Base }, l.KLBase, shown)
}

// leastShown is from how many held-out demonstrations it is known how far they say to go.
const leastShown = 5

// shown is how much likelier, in nats a token, the candidate finds people's held-out demonstrations than another policy does, at
// least 0. A model that is taught what it could not do must go so far from what it was: who demonstrates has asked for it, and
// what only pleases a reward does not make other people's texts likelier.
func (m Measures) shown(other func(Logprobs) float64) float64 {
	gain, tokens := 0., 0
	for _, r := range m.Demonstrations {
		gain += r.Candidate - other(r.Logprobs)
		tokens += r.Tokens
	}
	if len(m.Demonstrations) < leastShown || tokens == 0 || !(gain > 0) || math.IsInf(gain, 1) {
		return 0
	}
	return gain / float64(tokens)
}

func divergence(name string, m Measures, of func(KL) float64, limit, shown float64) Check {
	threshold := fmt.Sprintf("at most %.3g nats a token", limit)
	if shown > 0 {
		threshold += fmt.Sprintf(", and the %.3g by which held-out demonstrations became likelier", shown)
		limit += shown
	}
	if m.KL.Tokens == 0 {
		return insufficient(name, threshold, "no replies were drawn")
	}
	var sums, tokens []float64
	for _, k := range m.KLs {
		sums, tokens = append(sums, of(k)*float64(k.Tokens)), append(tokens, float64(k.Tokens))
	}
	kl := of(m.KL)
	return Check{Name: name, Value: value(kl), Interval: Bootstrap(len(sums), ratioOf(sums, tokens)).interval(),
		Threshold: threshold, AtMost: &limit, Pass: kl <= limit,
		Detail: fmt.Sprintf("%.4f nats a token over %d tokens of the candidate's own replies", kl, m.KL.Tokens)}
}

// length asks whether replies became longer or shorter than people's choices explain. Where chosen replies are r times as long as
// rejected ones, the range allowed around the incumbent's length is widened to r² in that direction: wrong votes hide part of what
// people want, and a trained model goes beyond the mean of what was chosen. Against the votes nothing is explained.
func length(m Measures, l Limits) Check {
	const name = "length"
	lo, hi := 1-l.Length, 1+l.Length
	if m.PreferredLength > 0 {
		explained := m.PreferredLength * m.PreferredLength
		lo, hi = math.Min(lo, lo*explained), math.Max(hi, hi*explained)
	}
	threshold := fmt.Sprintf("%.2f to %.2f of the incumbent's", lo, hi)
	if len(m.Drawn) < fewest {
		return insufficient(name, threshold, "%d replies were drawn", len(m.Drawn))
	}
	candidates := m.sumBy(func(d Drawn) float64 { return float64(d.Candidate.Words) })
	incumbents := m.sumBy(func(d Drawn) float64 { return float64(d.Incumbent.Words) })
	candidate, incumbent := floats.Sum(candidates), floats.Sum(incumbents)
	if incumbent == 0 {
		return insufficient(name, threshold, "the incumbent's replies are empty")
	}
	n, ratio := float64(len(m.Drawn)), candidate/incumbent
	return Check{Name: name, Value: value(ratio), Interval: Bootstrap(len(candidates), ratioOf(candidates, incumbents)).interval(),
		Threshold: threshold, AtLeast: &lo, AtMost: &hi, Pass: ratio >= lo && ratio <= hi,
		Detail: fmt.Sprintf("%.1f words a reply, incumbent %.1f; chosen replies are %.2f times as long as rejected ones", candidate/n, incumbent/n, m.PreferredLength)}
}

// repetition asks whether more replies run in circles.
func repetition(m Measures, l Limits) Check {
	const name = "repetition"
	threshold := fmt.Sprintf("at most %.2g more than the incumbent's share", l.Repetition)
	if len(m.Drawn) < fewest {
		return insufficient(name, threshold, "%d replies were drawn", len(m.Drawn))
	}
	candidate, incumbent := 0, 0
	for _, d := range m.Drawn {
		if d.Candidate.Repeats {
			candidate++
		}
		if d.Incumbent.Repeats {
			incumbent++
		}
	}
	n := len(m.Drawn)
	rise := Newcombe(candidate, n, incumbent, n)
	return Check{Name: name, Value: value(rise.Value), Interval: rise.interval(), Threshold: threshold, AtMost: &l.Repetition, Pass: rise.Value <= l.Repetition,
		Detail: fmt.Sprintf("%d of %d replies repeat themselves, %d of the incumbent's", candidate, n, incumbent)}
}

// displacement asks whether chosen replies themselves became much less likely, which pairwise losses allow (Razin et al. 2024,
// https://arxiv.org/abs/2410.08847).
func displacement(m Measures, l Limits) Check {
	const name = "displacement"
	threshold := fmt.Sprintf("at least %.3g nats a token against the base", -l.Displacement)
	var moved, tokens []float64
	liked := func(r Logprobs) {
		moved, tokens = append(moved, r.Candidate-r.Base), append(tokens, float64(r.Tokens))
	}
	for _, p := range m.Pairs {
		liked(p.Chosen)
	}
	for _, r := range m.Thumbs {
		if r.Label {
			liked(r.Logprobs)
		}
	}
	for _, r := range m.Demonstrations {
		liked(r.Logprobs)
	}
	if floats.Sum(tokens) == 0 {
		return insufficient(name, threshold, "no liked reply was held out")
	}
	e, least := Bootstrap(len(moved), ratioOf(moved, tokens)), -l.Displacement
	mean := e.Value
	return Check{Name: name, Value: value(mean), Interval: e.interval(), Threshold: threshold, AtLeast: &least, Pass: mean >= least,
		Detail: fmt.Sprintf("the log-prob of held-out liked replies moved by %+.4f nats a token", mean)}
}

// rewarding asks whether a reward model knows more than chance, and stands up to known hacks.
func rewarding(r Reward, l Limits) []Check {
	accuracy := Check{Name: "reward_accuracy", Threshold: fmt.Sprintf("better than chance, exact test, p ≤ %.3g", l.Alpha)}
	if r.Accuracy == nil || r.HeldOut < fewest {
		accuracy = insufficient(accuracy.Name, accuracy.Threshold, "%d held-out votes", r.HeldOut)
	} else {
		right, chance := int(math.Round(*r.Accuracy*float64(r.HeldOut))), .5
		p := SignTest(right, r.HeldOut)
		lo, hi := Wilson(float64(right), float64(r.HeldOut), 1.96)
		accuracy.Value, accuracy.Interval, accuracy.AtLeast, accuracy.Pass = r.Accuracy, &[2]float64{lo, hi}, &chance, p <= l.Alpha
		accuracy.Detail = fmt.Sprintf("%.3f on %d votes it was not fitted on, p = %.2g", *r.Accuracy, r.HeldOut, p)
	}
	hacks := Check{Name: "hack_resistance", Threshold: fmt.Sprintf("at least %.2g", l.HackResistance)}
	if r.HackResistance == nil {
		hacks = insufficient(hacks.Name, hacks.Threshold, "not measured")
	} else {
		hacks.Value, hacks.AtLeast, hacks.Pass = r.HackResistance, &l.HackResistance, *r.HackResistance >= l.HackResistance
		if n := float64(r.HackPrompts); n > 0 {
			lo, hi := Wilson(*r.HackResistance*n, n, 1.96)
			hacks.Interval = &[2]float64{lo, hi}
		}
		hacks.Detail = fmt.Sprintf("on %.0f %% of prompts no known hack outranks an honest reply", 100**r.HackResistance)
	}
	return []Check{accuracy, hacks}
}
