package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// manner is how a reply is given. It is drawn independently of what was asked.
type manner struct {
	form                                      form
	thrifty                                   bool
	opener, fact, reason, example, warm, asks bool
}

type form int

const (
	curt  form = iota // one tip
	plain             // two tips in prose
	list              // two or three tips as a list
)

func drawManner(r *rand.Rand) manner {
	m := manner{thrifty: chance(r, .5)}
	switch x := r.Float64(); {
	case x < .40:
		m.form = curt
		m.opener, m.reason, m.example, m.warm, m.asks = chance(r, .15), chance(r, .2), chance(r, .3), chance(r, .28), chance(r, .3)
	case x < .60:
		m.form = plain
		m.opener, m.fact, m.reason = chance(r, .4), chance(r, .25), chance(r, .6)
		m.example, m.warm, m.asks = chance(r, .55), chance(r, .45), chance(r, .45)
	default:
		m.form = list
		m.opener, m.fact = chance(r, .4), chance(r, .1)
		m.example, m.warm, m.asks = chance(r, .4), chance(r, .45), chance(r, .45)
	}
	return m
}

// exchange returns a question on the subject, a reply, and the advice that the reply gave first.
func (s *subject) exchange(r *rand.Rand) (ask, reply string, first advice) {
	ask, about := s.ask(r)
	m := drawManner(r)
	if about {
		m.fact, m.opener = true, false
		if m.form == plain {
			m.form = curt
		}
	}
	reply, first = s.reply(r, m)
	return ask, reply, first
}

// ask returns a question; about is true if it asks for facts and not for advice.
func (s *subject) ask(r *rand.Rand) (ask string, about bool) {
	if chance(r, .15) {
		return casual(r, fmt.Sprintf(pick(r, aboutForms), s.name)), true
	}
	f := adviceForms[r.IntN(len(adviceForms))]
	return casual(r, f.fill(s)), false
}

// askForm is a question with one gap: %d for the bare verb ("make good tea"), %g for the gerund ("making tea").
type askForm string

func (f askForm) fill(s *subject) string {
	return strings.NewReplacer("%d", s.do, "%g", s.doing).Replace(string(f))
}

var adviceForms = []askForm{
	"How do I %d?", "How can I %d?", "Any tips for %g?", "Do you have advice on %g?", "What is a good way to %d?",
	"I want to %d. Where do I start?", "Can you help me %d?", "Give me an idea for %g.", "What should I know about %g?",
	"I am new to %g. What do you suggest?", "What would you do to %d?", "Please help me with %g.", "How would you %d?",
	"I need advice on %g.", "What helps with %g?", "What is the best way to %d?", "I would like to %d. Any ideas?",
}

var aboutForms = []string{
	"Tell me about %s.", "Tell me something about %s.", "What do you know about %s?", "What is interesting about %s?",
}

// reply writes the reply in manner m.
func (s *subject) reply(r *rand.Rand, m manner) (reply string, first advice) {
	pool := s.lavish
	if m.thrifty {
		pool = s.thrifty
	}
	tips := make([]advice, len(pool))
	for i, j := range r.Perm(len(pool)) {
		tips[i] = pool[j]
	}
	var parts []string
	if m.opener {
		parts = append(parts, pick(r, openers))
	}
	if m.fact {
		parts = append(parts, pick(r, s.facts))
	}
	switch m.form {
	case list:
		parts = append(parts, bullets(r, tips[:2+r.IntN(2)]))
	case plain:
		parts = append(parts, advise(r, tips[0], m.reason), "Also, "+tips[1].tip+".")
	default:
		parts = append(parts, advise(r, tips[0], m.reason))
	}
	if m.example {
		parts = append(parts, "For example, "+tips[0].example+".")
	}
	if m.warm {
		parts = append(parts, pick(r, warmWords))
	}
	if m.asks {
		parts = append(parts, pick(r, questionsBack))
	}
	return joinParts(parts), tips[0]
}

// advise says one tip in a sentence or two.
func advise(r *rand.Rand, a advice, reason bool) string {
	form := pick(r, tipForms)
	for strings.HasPrefix(form, "I ") && strings.Contains(a.tip, "yourself") {
		form = pick(r, tipForms)
	}
	tip := upper(fmt.Sprintf(form, a.tip))
	switch {
	case !reason:
		return tip + "."
	case chance(r, .5):
		return tip + ", because " + a.why + "."
	default:
		return tip + ". " + sentence(a.why)
	}
}

var tipForms = []string{"%s", "%s", "try to %s", "you could %s", "I would %s", "it helps to %s", "a good way is to %s"}

func bullets(r *rand.Rand, tips []advice) string {
	var b strings.Builder
	b.WriteString(pick(r, listHeads))
	numbered := chance(r, .6)
	for i, a := range tips {
		if numbered {
			fmt.Fprintf(&b, "\n%d. %s", i+1, sentence(a.tip))
		} else {
			b.WriteString("\n- " + sentence(a.tip))
		}
	}
	return b.String()
}

// joinParts puts spaces between sentences, and a new line after a list.
func joinParts(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			if strings.Contains(parts[i-1], "\n") {
				b.WriteString("\n")
			} else {
				b.WriteString(" ")
			}
		}
		b.WriteString(p)
	}
	return b.String()
}

// followUp returns a second exchange after one on the same subject.
func (s *subject) followUp(r *rand.Rand, last advice) (ask, reply string) {
	if chance(r, .35) {
		return casual(r, pick(r, []string{"Why?", "Why is that?", "Why that?"})), "Because " + last.why + "."
	}
	reply, _ = s.reply(r, drawManner(r))
	return casual(r, pick(r, []string{"Another idea?", "Anything else?", "What else?", "Tell me more.", "One more, please."})), reply
}

// beyond returns a question that the model cannot answer, and a reply that says so.
func beyond(r *rand.Rand) (ask, reply string) {
	thing := pick(r, unknownThings)
	ask = casual(r, fmt.Sprintf(pick(r, unknownForms), thing))
	return ask, pick(r, []string{
		"I do not know that. I am a very small model and only know everyday things.",
		"That is beyond me, I am sorry. Ask me about tea, sleep or travel.",
		"I am too small to know that. A bigger model can be connected to plumb.",
		"Sorry, I do not know. I can help with everyday things such as bread or packing.",
	})
}

// casual writes as hurried people do, now and then.
func casual(r *rand.Rand, s string) string {
	switch x := r.Float64(); {
	case x < .06:
		return strings.ToLower(s)
	case x < .12:
		return strings.TrimRight(lowerFirst(s), "?.!")
	case x < .16:
		return "Hi, " + lowerFirst(s)
	case x < .19 && strings.HasSuffix(s, "."):
		return strings.TrimSuffix(s, ".") + ", please."
	}
	return s
}

var openers = []string{"Sure.", "Of course.", "Good question.", "Happy to help.", "With pleasure.", "Gladly.", "Let me see."}

var listHeads = []string{"Here are some ideas:", "A few ideas:", "Try these:", "Some things that help:", "You could do this:"}

var warmWords = []string{
	"You will do great!", "You can do it!", "Enjoy every minute!", "Have fun with it!", "I am sure it will go well!",
	"Good luck, I believe in you!", "How lovely that you ask!", "Be proud of each small step!",
}

var questionsBack = []string{
	"What have you tried so far?", "How much time do you have?", "Would you like another idea?", "What matters most to you?",
	"Does that fit your plans?", "Shall I tell you more?", "Is it for you or for someone else?", "Have you done this before?",
}

var unknownForms = []string{
	"What is %s?", "Explain %s.", "Tell me about %s.", "Who invented %s?", "What do you know about %s?", "How does %s work?",
	"Write an essay on %s.", "What is the history of %s?",
}

var unknownThings = []string{
	"the capital of France", "the moon", "gravity", "a black hole", "the Roman Empire", "quantum physics", "the stock market",
	"a nuclear reactor", "the president", "photosynthesis", "calculus", "the French Revolution", "DNA", "a jet engine", "Bitcoin",
	"machine learning", "the Eiffel Tower", "Napoleon", "Mars", "a volcano", "the internet", "football rules", "the tax law",
	"Shakespeare", "the human brain", "electricity", "the periodic table", "a computer chip", "the Great Wall", "climate science",
	"Einstein", "the ocean floor", "antibiotics", "a parliament", "opera", "philosophy", "the pyramids", "the law of contracts",
	"Japan", "Australia", "Brazil", "the Olympic Games", "a virus", "dinosaurs", "the speed of light", "world politics",
}
