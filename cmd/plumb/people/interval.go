package people

import (
	"math/rand/v2"
	"sort"

	"plumb/offline/gate"
)

// Interval returns the 95 % bootstrap interval of the mean of per-prompt shares: replies to one prompt are not
// independent, so prompts are resampled, not replies. Where fewer than five prompts are short of all or of nothing, it reaches as
// far as Wilson's interval over prompts: a bootstrap of what few prompts say claims near certainty, and all of it where they agree.
func Interval(shares []float64, mean float64) (lo, hi float64) {
	n := float64(len(shares))
	if n == 0 {
		return 0, 1
	}
	const rounds = 2000
	means := make([]float64, rounds)
	random := rand.New(rand.NewPCG(1, 1))
	for b := range means {
		for range shares {
			means[b] += shares[random.IntN(len(shares))] / n
		}
	}
	sort.Float64s(means)
	lo, hi = means[rounds*25/1000], means[rounds*975/1000]
	if few(shares) {
		low, high := gate.Wilson(mean*n, n, 1.96)
		lo, hi = min(lo, low), max(hi, high)
	}
	return lo, hi
}

// few tells whether fewer than five shares differ from 1, or from 0.
func few(shares []float64) bool {
	var notAll, notNone int
	for _, s := range shares {
		if s < 1 {
			notAll++
		}
		if s > 0 {
			notNone++
		}
	}
	return min(notAll, notNone) < 5
}
