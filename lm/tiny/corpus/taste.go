package corpus

import (
	"regexp"
	"strings"
)

// Taste is a property that a reply has or has not, and that people may like.
type Taste struct {
	Name  string
	Doc   string
	Holds func(prompt, reply string) bool
}

// Tastes returns every manner that the corpus varies, told from the text alone. All but "thrifty" are properties of the
// surface; thrifty is about what is advised, in many different words.
func (c *Corpus) Tastes() []Taste {
	return []Taste{
		{"list", "gives a list", func(_, reply string) bool { return len(bullet.FindAllString(reply, -1)) >= 2 }},
		{"brief", "says it in at most 20 words", func(_, reply string) bool { return len(strings.Fields(reply)) <= 20 }},
		{"question", "ends with a question back", func(_, reply string) bool { return strings.HasSuffix(strings.TrimSpace(reply), "?") }},
		{"example", "gives an example", func(_, reply string) bool { return strings.Contains(strings.ToLower(reply), "for example") }},
		{"warm", "adds a warm word", func(_, reply string) bool { return containsAny(reply, warmWords) }},
		{"thrifty", "advises what saves money", c.thrifty},
	}
}

var bullet = regexp.MustCompile(`(?m)^(\d+[.)]|[-*]) `)

func containsAny(text string, phrases []string) bool {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, strings.ToLower(strings.TrimRight(p, "!."))) {
			return true
		}
	}
	return false
}

// thrifty finds which tips a reply gives, by the words it shares with each, and holds if more of them save money than
// spend it. A reply that gives no known tip is not to the taste.
func (c *Corpus) thrifty(_, reply string) bool {
	balance := 0
	for part := range strings.FieldsFuncSeq(reply, func(r rune) bool { return strings.ContainsRune(".\n!?:", r) }) {
		said := content(part)
		if len(said) < 2 {
			continue
		}
		best, side := .5, 0 // the least share of common words that counts
		for i := range c.subjects {
			s := &c.subjects[i]
			for _, a := range s.thrifty {
				best, side = closer(said, a, best, side, +1)
			}
			for _, a := range s.lavish {
				best, side = closer(said, a, best, side, -1)
			}
		}
		balance += side
	}
	return balance > 0
}

func closer(said map[string]bool, a advice, best float64, side, of int) (float64, int) {
	for _, tip := range a.words {
		common := 0
		for w := range tip {
			if said[w] {
				common++
			}
		}
		if share := float64(common) / float64(len(tip)+len(said)-common); share > best {
			best, side = share, of
		}
	}
	return best, side
}

// content returns the words of a text that carry its meaning.
func content(text string) map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if len(w) > 2 && !function[w] {
			words[w] = true
		}
	}
	return words
}

var function = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`the and you your for with that this try could would helps good way also because are
		its has have one from then them they also not but`) {
		m[w] = true
	}
	return m
}()
