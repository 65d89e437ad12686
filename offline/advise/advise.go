package advise

import (
	"cmp"
	"fmt"
	"math"

	"plumb/offline/pairs"
)

// Evidence is what advice is given on. The zero value is an empty log.
type Evidence struct {
	All     pairs.Set // what was collected, as rows
	Train   pairs.Set // the part that a run would train on; it decides
	HeldOut pairs.Set // the part that a run would be judged on
	Least   int       // fewest rows that a model is trained on; 0 means 20
	BaseNLL *BaseNLL  // how likely the base finds demonstrations; nil if nobody has measured it
	// Can says which methods there are to choose from; nil means all.
	Can func(method string) bool
}

// BaseNLL is the base's mean negative log-likelihood, nats a token, of two kinds of replies to the same prompts.
type BaseNLL struct {
	Demonstrations float64 `json:"demonstrations"` // what people wrote
	Own            float64 `json:"own"`            // what it says itself
}

// Advice is which method fits, why, and what else there is to know.
type Advice struct {
	Method  string         `json:"method"` // of a run; "" where there is nothing to learn from yet
	Why     string         `json:"why"`
	Counts  Counts         `json:"counts"`
	Needs   []Need         `json:"needs"` // one a method
	Next    *Next          `json:"next"`  // the next better method; nil where there is none
	Power   Power          `json:"power"`
	Notes   []string       `json:"notes"`
	Dropped map[string]int `json:"dropped"` // records that became no row, by reason
}

// Need is what a method learns from, and how much of it there is.
type Need struct {
	Method  string `json:"method"`
	Learns  string `json:"learns_from"`
	Have    int    `json:"have"` // rows to train on
	Need    int    `json:"need"`
	Missing int    `json:"missing"` // of Need
	Fits    bool   `json:"fits"`
	Note    string `json:"note"`
}

// Next is a method that would be better, and what it lacks.
type Next struct {
	Method  string `json:"method"`
	Missing int    `json:"missing"`
	Of      string `json:"of"` // what is missing
}

// Settings of the rule.
const (
	ownSamples  = 4  // the model's own replies beside a demonstration from which it counts as one that irl can learn from
	thumbsRatio = 5  // thumbs a pair from which thumbs are the better lesson
	rewarded    = 5  // times the pairs that dpo needs, from which a reward model can stand being optimised by rlhf
	leastClean  = .2 // 1 − 2ε is taken for no less than this, or no number of votes would do
)

// Advise applies the rule. It is pure.
func (e Evidence) Advise() Advice {
	e.Least = cmp.Or(e.Least, 20)
	a := Advice{Counts: e.counts(), Power: e.power(), Dropped: e.All.Dropped}
	if a.Dropped == nil {
		a.Dropped = map[string]int{}
	}
	n := e.needs()
	a.Needs = n.list()
	a.Method, a.Why = e.choose(n, a.Counts.Base)
	a.Next = n.next(a.Method, e.can)
	a.Notes = e.notes(a)
	return a
}

func (e Evidence) can(method string) bool { return e.Can == nil || e.Can(method) }

// choose returns the first method of the rule that fits.
func (e Evidence) choose(n needs, base Base) (method, why string) {
	votes := n.dpo.Have + n.kto.Have
	more := n.sft.Have > votes
	weak := base.Weak != nil && *base.Weak
	for _, r := range []struct {
		need Need
		when bool
		why  string
	}{
		{n.sft, weak, fmt.Sprintf("the base is weak at this task (%s), and %d demonstrations and edits show how it is done: that first, then votes", base.Why, n.sft.Have)},
		{n.irl, more && !weak, fmt.Sprintf("%d demonstrations, more than the %d votes, each beside %d replies of the model or more: a reward can be learned from the difference", n.irl.Have, votes, ownSamples)},
		{n.sft, more, fmt.Sprintf("%d demonstrations and edits outnumber %d pairs and %d thumbs: teach the task first", n.sft.Have, n.dpo.Have, n.kto.Have)},
		{n.kto, n.kto.Have > thumbsRatio*n.dpo.Have, fmt.Sprintf("%d thumbs and only %d pairs", n.kto.Have, n.dpo.Have)},
		{n.dpo, true, fmt.Sprintf("%d pairs, which teach most a vote", n.dpo.Have)},
		{n.kto, true, fmt.Sprintf("%d thumbs, and %d pairs are too few", n.kto.Have, n.dpo.Have)},
		{n.bco, true, fmt.Sprintf("%d thumbs, nearly all of one sort (%s), and %d pairs are too few", n.bco.Have, n.kto.Note, n.dpo.Have)},
		{n.irl, !weak, fmt.Sprintf("%d demonstrations beside the model's own replies, and %d votes are too few", n.irl.Have, votes)},
		{n.sft, true, fmt.Sprintf("%d demonstrations and edits, and %d votes are too few", n.sft.Have, votes)},
		{n.rm, true, fmt.Sprintf("%d votes make a reward model that chooses among candidates; a new model needs %d pairs or thumbs", n.rm.Have, n.dpo.Need)},
	} {
		if r.when && r.need.Fits && e.can(r.need.Method) {
			return r.need.Method, r.why
		}
	}
	return "", fmt.Sprintf("%d pairs, %d thumbs and %d demonstrations; %d votes make a reward model, %d a new model",
		n.dpo.Have, n.kto.Have, n.sft.Have, n.rm.Need, n.dpo.Need)
}

// needs is what each method has and needs.
type needs struct{ rm, sft, distill, kto, bco, dpo, rlhf, irl Need }

func (n needs) list() []Need {
	return []Need{n.rm, n.sft, n.distill, n.kto, n.bco, n.dpo, n.rlhf, n.irl}
}

func (e Evidence) needs() needs {
	up, down := thumbs(e.Train)
	nPairs, nDemos, nOwn := len(e.Train.Preferences), len(e.Train.Demonstrations), withSamples(e.Train)
	enough := e.enough()
	votes := nPairs + up + down
	n := needs{
		rm:  need("rm", "votes of any kind", votes, e.Least/2, true, "no new model: a reward model that chooses among candidates"),
		sft: need("sft", "demonstrations and edits", nDemos, e.Least, true, "imitates what people wrote; for tasks the base has not learned"),
		kto: need("kto", "thumbs, up and down", up+down, enough, min(up, down) >= e.Least/4,
			fmt.Sprintf("%d up and %d down; at least %d of each are wanted", up, down, e.Least/4)),
		bco:  need("bco", "thumbs, of one sort too", up+down, enough, true, "thumbs where one sort is rare"),
		dpo:  need("dpo", "pairs", nPairs, enough, true, "the most a vote can teach; needs replies that people compared"),
		rlhf: need("rlhf", "pairs, for a reward model that is optimised", nPairs, rewarded*enough, true, "the policy explores beyond the votes, at many times the cost"),
		irl: need("irl", fmt.Sprintf("demonstrations beside %d own replies or more", ownSamples), nOwn, e.Least, true,
			"learns a reward from what people wrote against what the model says"),
	}
	n.kto.Missing = max(n.kto.Missing, max(0, e.Least/4-up)+max(0, e.Least/4-down))
	n.distill = need("distill", "prompts with several logged replies, and a reward model", e.All.Drawn.Prompts, e.Least, n.rm.Fits,
		"what best-of-n chooses becomes what the model says first")
	return n
}

// need says how far a method's need is met; ready is what must hold besides.
func need(method, learns string, have, least int, ready bool, note string) Need {
	return Need{method, learns, have, least, max(0, least-have), have >= least && ready, note}
}

// enough is how many votes do what Least clean ones would.
func (e Evidence) enough() int {
	clean := 1.
	if n := e.All.Voters.Noise; n != nil {
		clean = math.Max(leastClean, 1-2*n.Epsilon)
	}
	return int(math.Ceil(float64(e.Least) / (clean * clean)))
}

// better lists, for each method, what would teach more, the nearest first.
var better = map[string][]string{
	"": {"rm"}, "rm": {"dpo", "kto"}, "bco": {"dpo", "kto"}, "kto": {"dpo"}, "sft": {"dpo"}, "irl": {"dpo"}, "distill": {"dpo"}, "dpo": {"rlhf"},
}

// next returns, of the methods that are better than the chosen one, the one that lacks least.
func (n needs) next(method string, can func(string) bool) *Next {
	var best *Next
	for _, name := range better[method] {
		for _, o := range n.list() {
			if o.Method == name && !o.Fits && can(name) && (best == nil || o.Missing < best.Missing) {
				best = &Next{o.Method, o.Missing, o.Learns}
			}
		}
	}
	return best
}

func thumbs(s pairs.Set) (up, down int) {
	for _, r := range s.Unpaired {
		if r.Label {
			up++
		} else {
			down++
		}
	}
	return up, down
}

// withSamples counts the demonstrations that irl can learn from. An edit is not one of them: it was made from one of those replies.
func withSamples(s pairs.Set) (n int) {
	for _, r := range s.Demonstrations {
		if r.Class == pairs.Demonstration && len(r.Candidates) >= ownSamples {
			n++
		}
	}
	return n
}
