// Package corpus makes the chats that the built-in model is trained on: short everyday questions with replies that vary
// in manner. It is written by rule from two text files beside it, so that anybody can make the same corpus again.
//
// The manner of a reply (curt or long, a list, an example, a question back, a warm word, thrifty or lavish advice) is drawn
// independently of the question. A model trained on it therefore shows each of them in a third to a half of its
// replies to any prompt, and people's votes can move it either way. [Tastes] tells those manners apart again.
package corpus

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"

	"plumb/chat"
)

//go:embed subjects.txt
var subjectsText string

//go:embed smalltalk.txt
var smalltalkText string

// Corpus is the parsed source of all chats. Read-only after New, safe for concurrent use.
type Corpus struct {
	subjects []subject
	intents  []intent
}

// subject is something people ask advice on.
type subject struct {
	name, do, doing string
	facts           []string
	thrifty, lavish []advice
}

// advice is one tip: what to do, why, and an example, each without capital and full stop.
type advice struct {
	tip, why, example string
	words             [2]map[string]bool // content words of the tip, and of the tip and its reason
}

// intent is one thing that people say in small talk.
type intent struct{ asks, replies []string }

// New parses the sources; they are part of the program, so it panics if they are malformed.
func New() *Corpus {
	c := &Corpus{}
	if err := c.parseSubjects(subjectsText); err != nil {
		panic("corpus: " + err.Error())
	}
	c.parseSmalltalk(smalltalkText)
	return c
}

func newAdvice(tip, why, example string) advice {
	return advice{tip, why, example, [2]map[string]bool{content(tip), content(tip + " " + why)}}
}

func (c *Corpus) parseSubjects(text string) error {
	for n, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		kind, rest := line[:1], strings.TrimSpace(line[1:])
		if kind == "." {
			s := &c.subjects[len(c.subjects)-1]
			s.facts = append(s.facts, rest)
			continue
		}
		if kind != "-" && kind != "+" {
			rest = line
		}
		parts := strings.Split(rest, " | ")
		if len(parts) != 3 {
			return fmt.Errorf("subjects.txt line %d: %d parts, want 3", n+1, len(parts))
		}
		a := newAdvice(parts[0], parts[1], parts[2])
		switch kind {
		case "-":
			s := &c.subjects[len(c.subjects)-1]
			s.thrifty = append(s.thrifty, a)
		case "+":
			s := &c.subjects[len(c.subjects)-1]
			s.lavish = append(s.lavish, a)
		default:
			c.subjects = append(c.subjects, subject{name: parts[0], do: parts[1], doing: parts[2]})
		}
	}
	return nil
}

func (c *Corpus) parseSmalltalk(text string) {
	for block := range strings.SplitSeq(text, "\n\n") {
		var i intent
		for line := range strings.SplitSeq(block, "\n") {
			switch {
			case strings.HasPrefix(line, "? "):
				i.asks = strings.Split(line[2:], " | ")
			case strings.HasPrefix(line, "= "):
				i.replies = append(i.replies, line[2:])
			}
		}
		if i.asks != nil {
			c.intents = append(c.intents, i)
		}
	}
}

// Chat returns the i-th chat of the stream that seed names: one to three exchanges, perhaps with a system message, the
// last message always the assistant's. The same (seed, i) gives the same chat on every machine.
func (c *Corpus) Chat(seed uint64, i int) []chat.Message {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	var messages []chat.Message
	if chance(r, .08) {
		messages = append(messages, chat.Message{Role: chat.System, Content: pick(r, systems)})
	}
	say := func(ask, reply string) {
		messages = append(messages, chat.Message{Role: chat.User, Content: ask}, chat.Message{Role: chat.Assistant, Content: reply})
	}
	if chance(r, .08) {
		say(c.smalltalk(r, ""))
	}
	switch x := r.Float64(); {
	case x < .84:
		s := &c.subjects[r.IntN(len(c.subjects))]
		ask, reply, last := s.exchange(r)
		say(ask, reply)
		if chance(r, .12) {
			say(s.followUp(r, last))
		}
	case x < .93:
		say(c.smalltalk(r, ""))
	default:
		say(beyond(r))
	}
	if chance(r, .06) {
		say(c.smalltalk(r, "Thanks!"))
	}
	return messages
}

// smalltalk returns an exchange; including selects the intent that has this way to say it, "" any.
func (c *Corpus) smalltalk(r *rand.Rand, including string) (ask, reply string) {
	i := c.intents[r.IntN(len(c.intents))]
	for including != "" && !strings.Contains(strings.Join(i.asks, "|"), including) {
		i = c.intents[r.IntN(len(c.intents))]
	}
	return casual(r, pick(r, i.asks)), pick(r, i.replies)
}

var systems = []string{
	"You are a helpful assistant.", "You are plumb-tiny, a small and friendly model.", "Answer the user's question.",
	"You are a helpful AI assistant named plumb-tiny.", "Be helpful and honest.",
}

func chance(r *rand.Rand, p float64) bool     { return r.Float64() < p }
func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
func sentence(s string) string                { return upper(s) + "." }
func upper(s string) string                   { return strings.ToUpper(s[:1]) + s[1:] }

// lowerFirst makes the first letter small, but for "I".
func lowerFirst(s string) string {
	if strings.HasPrefix(s, "I ") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
