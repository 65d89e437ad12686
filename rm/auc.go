package rm

import "slices"

// aucOf returns the probability that a value of up exceeds one of down, a tie counting half. Cost: n log n.
func aucOf(up, down []float64) float64 {
	sorted := slices.Clone(down)
	slices.Sort(sorted)
	sum := 0.0
	for _, u := range up {
		below, _ := slices.BinarySearch(sorted, u)
		notAbove := below
		for notAbove < len(sorted) && sorted[notAbove] == u {
			notAbove++
		}
		sum += float64(below) + float64(notAbove-below)/2
	}
	return sum / float64(len(up)) / float64(len(down))
}
