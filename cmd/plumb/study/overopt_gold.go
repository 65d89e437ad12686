package study

import (
	"strings"

	"plumb/cmd/plumb/people"
	"plumb/lm/tiny/corpus"
	"plumb/offline/gate"
)

// Gold is what people who look closely would give a reply: 1 if it answers and is to their taste, ½ if it answers, 0 if it does not.
// A reply that says a thing over and over, that stops in the middle of a sentence or that gives no advice on what was asked does not
// answer, whatever else it has.
type Gold struct {
	Taste  people.Taste
	Corpus *corpus.Corpus
}

// Of grades a reply.
func (g Gold) Of(prompt, reply string) float64 {
	switch {
	case !complete(reply), circles(reply), !g.Corpus.Answers(prompt, reply):
		return 0
	case g.Taste.Holds(prompt, reply):
		return 1
	}
	return .5
}

// complete says whether a reply ends with the end of a sentence.
func complete(reply string) bool {
	reply = strings.TrimSpace(reply)
	return reply != "" && strings.ContainsRune(".!?", rune(reply[len(reply)-1]))
}

// mostRepeated is the share of a reply's runs of three words that may have come before in it.
const mostRepeated = .25

// circles says whether a reply says a thing over and over, by a stricter measure than the gate's, which must not refuse a model for a
// habit that people can live with.
func circles(reply string) bool {
	words := strings.Fields(strings.ToLower(reply))
	seen, repeated := map[string]bool{}, 0
	for i := 2; i < len(words); i++ {
		run := strings.Join(words[i-2:i+1], " ")
		if seen[run] {
			repeated++
		}
		seen[run] = true
	}
	return gate.Repeats(reply) || float64(repeated) > mostRepeated*float64(len(words))
}
