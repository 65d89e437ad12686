package gate

import (
	"fmt"
	"math"
)

// nll asks whether text that nobody voted on became less likely.
func nll(m Measures, l Limits) Check {
	const name = "neutral_nll"
	threshold := fmt.Sprintf("at most %+.2g %% against the base", 100*l.NLL)
	if m.Neutral.Tokens == 0 {
		return insufficient(name, threshold, "no neutral text")
	}
	rise := m.Neutral.Candidate/m.Neutral.Base - 1
	return Check{Name: name, Value: value(rise), Threshold: threshold, Pass: rise <= l.NLL,
		Detail: fmt.Sprintf("%.4f nats a token over %d tokens, base %.4f, incumbent %.4f: %+.2f %%", m.Neutral.Candidate, m.Neutral.Tokens, m.Neutral.Base, m.Neutral.Incumbent, 100*rise)}
}

func klIncumbent(m Measures, l Limits) Check {
	return divergence("kl_incumbent", m.KL.Incumbent, l.KLIncumbent, m.KL.Tokens)
}

func klBase(m Measures, l Limits) Check {
	return divergence("kl_base", m.KL.Base, l.KLBase, m.KL.Tokens)
}

func divergence(name string, kl, limit float64, tokens int) Check {
	threshold := fmt.Sprintf("at most %.3g nats a token", limit)
	if tokens == 0 {
		return insufficient(name, threshold, "no replies were drawn")
	}
	return Check{Name: name, Value: value(kl), Threshold: threshold, Pass: kl <= limit,
		Detail: fmt.Sprintf("%.4f nats a token over %d tokens of the candidate's own replies", kl, tokens)}
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
	candidate, incumbent := 0., 0.
	for _, d := range m.Drawn {
		candidate += float64(d.Candidate.Words)
		incumbent += float64(d.Incumbent.Words)
	}
	if incumbent == 0 {
		return insufficient(name, threshold, "the incumbent's replies are empty")
	}
	n, ratio := float64(len(m.Drawn)), candidate/incumbent
	return Check{Name: name, Value: value(ratio), Threshold: threshold, Pass: ratio >= lo && ratio <= hi,
		Detail: fmt.Sprintf("%.1f words a reply, incumbent %.1f; chosen replies are %.2f times as long as rejected ones", candidate/n, incumbent/n, m.PreferredLength)}
}

// repetition asks whether more replies run in circles.
func repetition(m Measures, l Limits) Check {
	const name = "repetition"
	threshold := fmt.Sprintf("at most %.2g more than the incumbent's share", l.Repetition)
	if len(m.Drawn) < fewest {
		return insufficient(name, threshold, "%d replies were drawn", len(m.Drawn))
	}
	candidate, incumbent := 0., 0.
	for _, d := range m.Drawn {
		if d.Candidate.Repeats {
			candidate++
		}
		if d.Incumbent.Repeats {
			incumbent++
		}
	}
	n := float64(len(m.Drawn))
	return Check{Name: name, Value: value((candidate - incumbent) / n), Threshold: threshold, Pass: (candidate-incumbent)/n <= l.Repetition,
		Detail: fmt.Sprintf("%.0f of %.0f replies repeat themselves, %.0f of the incumbent's", candidate, n, incumbent)}
}

// displacement asks whether chosen replies themselves became much less likely, which pairwise losses allow (Razin et al. 2024,
// https://arxiv.org/abs/2410.08847).
func displacement(m Measures, l Limits) Check {
	const name = "displacement"
	threshold := fmt.Sprintf("at least %.3g nats a token against the base", -l.Displacement)
	sum, tokens := 0., 0
	for _, p := range m.Pairs {
		sum += p.Chosen.Candidate - p.Chosen.Base
		tokens += p.Chosen.Tokens
	}
	for _, r := range m.Thumbs {
		if r.Label {
			sum += r.Candidate - r.Base
			tokens += r.Tokens
		}
	}
	for _, r := range m.Demonstrations {
		sum += r.Candidate - r.Base
		tokens += r.Tokens
	}
	if tokens == 0 {
		return insufficient(name, threshold, "no liked reply was held out")
	}
	mean := sum / float64(tokens)
	return Check{Name: name, Value: value(mean), Threshold: threshold, Pass: mean >= -l.Displacement,
		Detail: fmt.Sprintf("the log-prob of held-out liked replies moved by %+.4f nats a token", mean)}
}

// rewarding asks whether a reward model knows more than chance, and stands up to known hacks.
func rewarding(r Reward, l Limits) []Check {
	accuracy := Check{Name: "reward_accuracy", Threshold: fmt.Sprintf("better than chance, exact test, p ≤ %.3g", l.Alpha)}
	if r.Accuracy == nil || r.HeldOut < fewest {
		accuracy = insufficient(accuracy.Name, accuracy.Threshold, "%d held-out votes", r.HeldOut)
	} else {
		right := int(math.Round(*r.Accuracy * float64(r.HeldOut)))
		p := SignTest(right, r.HeldOut)
		lo, hi := Wilson(float64(right), float64(r.HeldOut), 1.96)
		accuracy.Value, accuracy.Interval, accuracy.Pass = r.Accuracy, &[2]float64{lo, hi}, p <= l.Alpha
		accuracy.Detail = fmt.Sprintf("%.3f on %d votes it was not fitted on, p = %.2g", *r.Accuracy, r.HeldOut, p)
	}
	hacks := Check{Name: "hack_resistance", Threshold: fmt.Sprintf("at least %.2g", l.HackResistance)}
	if r.HackResistance == nil {
		hacks = insufficient(hacks.Name, hacks.Threshold, "not measured")
	} else {
		hacks.Value, hacks.Pass = r.HackResistance, *r.HackResistance >= l.HackResistance
		hacks.Detail = fmt.Sprintf("on %.0f %% of prompts no known hack outranks an honest reply", 100**r.HackResistance)
	}
	return []Check{accuracy, hacks}
}
