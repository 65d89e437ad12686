package gate

import "strings"

// Repeats says whether a text runs in circles: some four words in a row come four times or more, or one word six times in a
// row.
func Repeats(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	seen := map[string]int{}
	run := 1
	for i := range words {
		if i > 0 && words[i] == words[i-1] {
			run++
		} else {
			run = 1
		}
		if run >= 6 {
			return true
		}
		if i >= 3 {
			gram := strings.Join(words[i-3:i+1], " ")
			if seen[gram]++; seen[gram] >= 4 {
				return true
			}
		}
	}
	return false
}
