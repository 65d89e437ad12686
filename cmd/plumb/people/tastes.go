package people

import (
	"fmt"
	"regexp"
	"strings"

	"plumb/lm/tiny/corpus"
)

// Taste is what the simulated people like, hidden from the program: a property that a reply has or has not.
type Taste struct {
	Name  string
	Doc   string // "gives a list"
	Holds func(prompt, reply string) bool
}

// Tastes returns the tastes that can be hidden, by name. Those of the built-in model are the manners of its corpus;
// for any other model they are properties that replies of small chat models have about half of the time.
func Tastes(builtIn bool) []Taste {
	if !builtIn {
		return general
	}
	var list []Taste
	for _, t := range corpus.New().Tastes() {
		list = append(list, Taste{t.Name, t.Doc, t.Holds})
	}
	return list
}

// Find returns the tastes named, "all" for every one.
func Find(names []string, builtIn bool) ([]Taste, error) {
	known := Tastes(builtIn)
	if len(names) == 1 && names[0] == "all" {
		return known, nil
	}
	var found []Taste
next:
	for _, name := range names {
		for _, t := range known {
			if t.Name == name {
				found = append(found, t)
				continue next
			}
		}
		var all []string
		for _, t := range known {
			all = append(all, t.Name)
		}
		return nil, fmt.Errorf("--taste: got %q; this model's are %s, or all", name, strings.Join(all, ", "))
	}
	return found, nil
}

// Prompts returns questions to vote on and questions to measure on, about different things.
func Prompts(seed uint64, voted, heldOut int) (train, held []string) {
	c := corpus.New()
	return c.Voted(seed, voted), c.HeldOut(seed, heldOut)
}

var general = []Taste{
	{"plain", "is one paragraph, without a list or headings", func(_, reply string) bool { return !strings.Contains(strings.TrimSpace(reply), "\n") }},
	{"calm", "has no exclamation mark", func(_, reply string) bool { return !strings.Contains(reply, "!") }},
	{"impersonal", "does not speak of itself", func(_, reply string) bool { return !self.MatchString(reply) }},
	{"direct", "addresses the reader at least three times", func(_, reply string) bool { return len(reader.FindAllString(reply, -1)) >= 3 }},
}

var (
	self   = regexp.MustCompile(`\b(I|I'm|I've|I'd|I'll|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b`)
	reader = regexp.MustCompile(`(?i)\byou(r|rs|rself)?\b`)
)
