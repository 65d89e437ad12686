package feedback

import (
	"cmp"
	"fmt"
	"strings"

	"plumb/chat"
)

// Resolve returns e as a word about g: it sets e.Generation, lets a thumb, rating, comment or edit that names no
// candidate mean the reply that was shown, and checks that every candidate named is one of g's. The error is a
// [chat.Error]: NotFound for a candidate that g does not have, Invalid where several replies were shown and e must say
// which it means.
func Resolve(e Event, g Generation) (Event, error) {
	e.Generation = g.ID
	if e.Candidate == "" && takesCandidate(e.Kind) {
		shown, err := theShown(g)
		if err != nil {
			return e, err
		}
		e.Candidate = shown
	}
	check := func(param, id string) error {
		if _, ok := g.Candidate(id); ok || id == "" {
			return nil
		}
		return &chat.Error{Kind: chat.NotFound, Param: param,
			Msg: fmt.Sprintf("%s %s: not one of the %d candidates of %s", param, quote(id), len(g.Candidates), g.ID)}
	}
	errs := []error{check("candidate", e.Candidate), check("winner", e.Winner)}
	for i, id := range e.Losers {
		errs = append(errs, check(fmt.Sprintf("losers[%d]", i), id))
	}
	for i, id := range e.Ranking {
		errs = append(errs, check(fmt.Sprintf("ranking[%d]", i), id))
	}
	return e, cmp.Or(errs...)
}

// takesCandidate says whether events of this kind are about one candidate.
func takesCandidate(kind string) bool {
	return kind == Thumb || kind == Rating || kind == Comment || kind == Edit
}

// Candidate returns g's candidate with this id.
func (g Generation) Candidate(id string) (Candidate, bool) {
	for _, c := range g.Candidates {
		if c.ID == id {
			return c, true
		}
	}
	return Candidate{}, false
}

// theShown returns the id of the one candidate of g that was shown.
func theShown(g Generation) (string, error) {
	var shown []string
	for _, c := range g.Candidates {
		if c.Shown {
			shown = append(shown, c.ID)
		}
	}
	switch len(shown) {
	case 1:
		return shown[0], nil
	case 0:
		return "", &chat.Error{Kind: chat.Invalid, Param: "candidate", Msg: g.ID + " has shown no reply: name a candidate"}
	}
	return "", &chat.Error{Kind: chat.Invalid, Param: "candidate",
		Msg: fmt.Sprintf("%s has shown %d replies: name one of %s", g.ID, len(shown), strings.Join(shown, ", "))}
}
