package gate

// Decide answers every question that can be answered before the model is published.
func Decide(m Measures, l Limits) Report {
	l = l.withDefaults()
	var r Report
	r.add(l, heldOutPairs(m, l), heldOutThumbs(m, l), heldOutDemonstrations(m, l), headToHead(m, l))
	if !m.IncumbentIsBase {
		r.add(l, accuracy(m, l))
	}
	r.add(l, nll(m, l), klIncumbent(m, l), klBase(m, l), length(m, l), repetition(m, l), displacement(m, l))
	r.add(l, hacking(m, l), secondOpinion(m, l), refusal(m, l), openings(m, l), sycophancy(m, l))
	return r
}

// DecideReward answers whether a reward model may be released: alone, or with a model.
func DecideReward(reward Reward, l Limits) Report {
	l = l.withDefaults()
	var r Report
	r.add(l, rewarding(reward, l)...)
	return r
}
