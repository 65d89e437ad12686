package people

import (
	"math/rand/v2"
	"sort"

	"plumb/offline/gate"
)

// Interval returns the 95 % bootstrap interval of the mean of per-prompt shares: replies to one prompt are not
// independent, so prompts are resampled, not replies. Where all prompts agree it falls back to Wilson's interval over
// prompts, for a bootstrap would then claim certainty.
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
	if hi-lo < 1e-9 {
		lo, hi = gate.Wilson(mean*n, n, 1.96)
	}
	return lo, hi
}
