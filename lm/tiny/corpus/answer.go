package corpus

import "strings"

// Answers tells whether a reply gives a tip on the subject that the prompt asks about, by the words it shares with the tips that
// the corpus knows; on any subject where the prompt names none. A text that only sounds like a reply does not answer.
func (c *Corpus) Answers(prompt, reply string) bool {
	about := c.about(prompt)
	for part := range strings.FieldsFuncSeq(reply, func(r rune) bool { return strings.ContainsRune(".\n!?:", r) }) {
		said := content(part)
		if len(said) < 2 {
			continue
		}
		for i := range about {
			for _, tips := range [][]advice{about[i].thrifty, about[i].lavish} {
				for _, a := range tips {
					if share, _ := closer(said, a, .5, 0, 0); share > .5 {
						return true
					}
				}
			}
		}
	}
	return false
}

// about returns the subject that a prompt names, the one with the longest name where it names several, and all where it names
// none.
func (c *Corpus) about(prompt string) []subject {
	prompt = strings.ToLower(prompt)
	longest, at := 0, -1
	for i := range c.subjects {
		s := &c.subjects[i]
		for _, name := range []string{s.do, s.doing, s.name} {
			if len(name) > longest && strings.Contains(prompt, strings.ToLower(name)) {
				longest, at = len(name), i
			}
		}
	}
	if at < 0 {
		return c.subjects
	}
	return c.subjects[at : at+1]
}
