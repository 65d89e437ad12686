package rm

import (
	"slices"
	"sort"
)

// aucOf returns the probability that a value of up exceeds one of down, a tie counting half. Cost: n log n.
func aucOf(up, down []float64) float64 {
	sorted := slices.Clone(down)
	slices.Sort(sorted)
	sum := 0.0
	for _, u := range up {
		below := sort.Search(len(sorted), func(i int) bool { return sorted[i] >= u })
		notAbove := sort.Search(len(sorted), func(i int) bool { return sorted[i] > u })
		sum += float64(below+notAbove) / 2
	}
	return sum / float64(len(up)) / float64(len(down))
}
