package advise

import (
	"fmt"

	"plumb/offline/pairs"
)

// Counts is what was collected.
type Counts struct {
	Pairs          int            `json:"pairs"`
	Edits          int            `json:"edits"` // among the pairs and the demonstrations
	Rankings       int            `json:"rankings"`
	ThumbsUp       int            `json:"thumbs_up"` // ratings of 4 and 5 among them
	ThumbsDown     int            `json:"thumbs_down"`
	Demonstrations int            `json:"demonstrations"` // edits left out
	WithSamples    int            `json:"with_samples"`   // of them, those beside four replies of the model or more
	Prompts        int            `json:"prompts"`
	Users          int            `json:"users"`
	Candidates     pairs.Drawn    `json:"candidates"`
	Agreement      *float64       `json:"agreement"` // probability that two people who judged one thing say the same; nil without such things
	Alpha          *float64       `json:"alpha"`     // Krippendorff's
	Twice          int            `json:"twice"`     // things that two people or more judged
	Noise          *pairs.Noise   `json:"noise"`     // nil where too few things were judged twice to tell
	Lowered        int            `json:"lowered"`   // people whose votes count for less, because others contradict them
	LeftOut        int            `json:"left_out"`  // of them, those whose votes are left out
	Length         *pairs.Lengths `json:"length"`    // chosen over rejected; nil without pairs
	Base           Base           `json:"base"`
}

// Base is whether the base has learned the task.
type Base struct {
	Weak *bool  `json:"weak"` // nil where nobody can tell
	Why  string `json:"why"`
}

func (e Evidence) counts() Counts {
	s := e.All
	c := Counts{Pairs: len(s.Preferences), Rankings: len(s.Rankings), WithSamples: withSamples(s), Prompts: len(s.Prompts()), Users: len(s.Users()),
		Candidates: s.Drawn, Noise: s.Voters.Noise, Lowered: s.Voters.Lowered, LeftOut: s.Voters.LeftOut, Base: e.base()}
	c.ThumbsUp, c.ThumbsDown = thumbs(s)
	_, c.Edits = s.EditDistance()
	for _, r := range s.Demonstrations {
		if r.Class == pairs.Demonstration {
			c.Demonstrations++
		}
	}
	agreement := s.Voters.Comparisons
	if agreement.Things < s.Voters.Verdicts.Things {
		agreement = s.Voters.Verdicts
	}
	c.Agreement, c.Alpha, c.Twice = agreement.Share, agreement.Alpha, agreement.Things
	if l := s.Lengths(); l.Pairs > 0 {
		c.Length = &l
	}
	return c
}

// Signs of a base that has not learned the task.
const (
	nllGap    = .5 // nats a token by which what people wrote is less likely to the base than its own replies: 1.6 times the choices a token
	rewritten = .5 // mean share of words that people change
	someEdits = 10 // from which their mean says something
)

// base asks whether the base has learned the task: by likelihoods where they were measured, else by how much of its replies people change.
func (e Evidence) base() Base {
	weak := func(w bool, format string, args ...any) Base { return Base{&w, fmt.Sprintf(format, args...)} }
	if n := e.BaseNLL; n != nil {
		gap := n.Demonstrations - n.Own
		return weak(gap > nllGap, "%.2f nats a token on what people wrote, %.2f on its own replies", n.Demonstrations, n.Own)
	}
	if share, edits := e.All.EditDistance(); edits >= someEdits {
		return weak(share > rewritten, "people change %.0f %% of the words when they edit a reply, over %d edits", 100*share, edits)
	}
	return Base{Why: "neither likelihoods nor enough edits tell"}
}
