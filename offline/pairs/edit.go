package pairs

import "strings"

// longestEdit bounds the words between first and last change for which a distance is worked out: its cost is their product.
const longestEdit = 4096

// changed returns the share of words by which two texts differ, in [0, 1]: Levenshtein's distance over the longer length.
// Texts that differ over more than longestEdit words count as wholly changed.
func changed(a, b string) float64 {
	x, y := strings.Fields(Canonical(a)), strings.Fields(Canonical(b))
	longest := max(len(x), len(y))
	if longest == 0 {
		return 0
	}
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	if max(len(x), len(y)) > longestEdit {
		return 1
	}
	return float64(distance(x, y)) / float64(longest)
}

// distance is Levenshtein's, in one row of memory.
func distance(x, y []string) int {
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, word := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, other := range y {
			substituted := diagonal
			if word != other {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(y)]
}
