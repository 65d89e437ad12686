package offline

import (
	"fmt"

	"plumb/offline/pairs"
)

// Advice is which method fits the feedback, and why.
type Advice struct {
	Method  string   `json:"method"` // a trainer's, rm, or "" where there is nothing to learn from yet
	Reason  string   `json:"reason"`
	Options []Option `json:"options"`
}

// Option is one method with what it needs and what there is.
type Option struct {
	Method string `json:"method"`
	Learns string `json:"learns_from"`
	Have   int    `json:"have"`
	Need   int    `json:"need"`
	Fits   bool   `json:"fits"`
	Note   string `json:"note"`
}

// Advise chooses a method from training rows; least is the fewest rows to train on. Its rule: pairs say most a vote, so DPO where
// there are enough of them, unless single thumbs are five times as many (KTO) or demonstrations are more than all votes (SFT: the
// base has not learned the task yet).
func Advise(s pairs.Set, least int) Advice {
	up, down := 0, 0
	for _, r := range s.Unpaired {
		if r.Label {
			up++
		} else {
			down++
		}
	}
	nPairs, nThumbs, nDemos := len(s.Preferences), up+down, len(s.Demonstrations)
	options := []Option{
		{"dpo", "pairs", nPairs, least, nPairs >= least, "the most a vote can teach; needs replies people compared"},
		{"kto", "thumbs, up and down", nThumbs, least, nThumbs >= least && min(up, down) >= least/4,
			fmt.Sprintf("%d up and %d down; at least %d of each are wanted", up, down, least/4)},
		{"sft", "demonstrations and edits", nDemos, least, nDemos >= least, "imitates what people wrote; for tasks the base has not learned"},
		{RMOnly, "votes of any kind", nPairs + nThumbs, least / 2, nPairs+nThumbs >= least/2, "no new model: a reward model that chooses among candidates"},
	}
	a := Advice{Options: options}
	dpo, kto, sft, rm := options[0], options[1], options[2], options[3]
	switch {
	case sft.Fits && nDemos > nPairs+nThumbs:
		a.Method, a.Reason = "sft", fmt.Sprintf("%d demonstrations outnumber %d pairs and %d thumbs: teach the task first", nDemos, nPairs, nThumbs)
	case kto.Fits && nThumbs > 5*nPairs:
		a.Method, a.Reason = "kto", fmt.Sprintf("%d thumbs and only %d pairs", nThumbs, nPairs)
	case dpo.Fits:
		a.Method, a.Reason = "dpo", fmt.Sprintf("%d pairs", nPairs)
	case kto.Fits:
		a.Method, a.Reason = "kto", fmt.Sprintf("%d thumbs (%d up, %d down), and %d pairs are too few", nThumbs, up, down, nPairs)
	case sft.Fits:
		a.Method, a.Reason = "sft", fmt.Sprintf("%d demonstrations, and votes are too few", nDemos)
	case rm.Fits:
		a.Method, a.Reason = RMOnly, fmt.Sprintf("%d votes make a reward model; for a new model %d pairs or thumbs are needed", nPairs+nThumbs, least)
	default:
		a.Reason = fmt.Sprintf("%d pairs, %d thumbs and %d demonstrations; %d votes make a reward model, %d a new model", nPairs, nThumbs, nDemos, least/2, least)
	}
	return a
}
