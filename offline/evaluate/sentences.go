package evaluate

import (
	_ "embed"
	"strings"

	"plumb/offline/rows"
)

//go:embed sentences.txt
var sentences string

// Sentences returns plain English text that nobody votes on, one row a sentence: its first three words are the prompt.
func Sentences() []rows.Demonstration {
	var all []rows.Demonstration
	for line := range strings.Lines(sentences) {
		words := strings.SplitAfterN(strings.TrimSpace(line), " ", 4)
		if len(words) < 4 {
			continue
		}
		prompt := strings.TrimSuffix(strings.Join(words[:3], ""), " ")
		all = append(all, rows.Demonstration{Prompt: rows.Plain(prompt), Completion: rows.Plain(" " + words[3])})
	}
	return all
}
