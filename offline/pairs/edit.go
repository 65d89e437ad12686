package pairs

import (
	"cmp"
	"strings"
)

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

// trivial returns the share of words up to which two texts differ by next to nothing.
func (o Options) trivial() float64 { return cmp.Or(o.TrivialEdit, .05) }

// sameWords says whether two texts differ in no more than a share of the words of the longer one. Cost: linear in the words times those
// that may differ.
//
// Ukkonen 1985, "Algorithms for approximate string matching": only cells that near the diagonal can be part of so short a way.
func sameWords(a, b string, share float64) bool {
	if a == b {
		return true
	}
	x, y := strings.Fields(Canonical(a)), strings.Fields(Canonical(b))
	most := int(share * float64(max(len(x), len(y))))
	if max(len(x), len(y))-min(len(x), len(y)) > most {
		return false
	}
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	if most == 0 || len(x) == 0 || len(y) == 0 {
		return max(len(x), len(y)) <= most
	}
	return bounded(x, y, most) <= most
}

// bounded is Levenshtein's distance where that is at most most, else something above most.
func bounded(x, y []string, most int) int {
	far := most + 1
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = min(j, far)
	}
	for i, word := range x {
		from, to := max(0, i-most), min(len(y), i+1+most)
		diagonal := row[from]
		if from == 0 {
			row[0] = min(i+1, far)
		} else {
			row[from] = far
		}
		for j := from; j < to; j++ {
			cost := diagonal
			if word != y[j] {
				cost++
			}
			diagonal = row[j+1]
			above := diagonal + 1
			if j+1 > i+most { // the cell above lies outside the band
				above = far
			}
			row[j+1] = min(cost, row[j]+1, above, far)
		}
	}
	return row[len(y)]
}

// EditDistance returns the mean share of words that people changed where they edited a reply, and how many edits there are.
func (s Set) EditDistance() (share float64, edits int) {
	for _, p := range s.Preferences {
		if p.Class == Edited {
			share += changed(p.Rejected, p.Chosen)
			edits++
		}
	}
	return share / max(1, float64(edits)), edits
}
