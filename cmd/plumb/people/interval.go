package people

import (
	"math"
	"math/rand/v2"
	"sort"
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
		const z = 1.96
		mid := (mean + z*z/(2*n)) / (1 + z*z/n)
		half := z / (1 + z*z/n) * math.Sqrt(mean*(1-mean)/n+z*z/(4*n*n))
		lo, hi = math.Max(0, mid-half), math.Min(1, mid+half)
	}
	return lo, hi
}
