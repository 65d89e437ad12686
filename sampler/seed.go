package sampler

import "math/rand/v2"

// CandidateSeed is the seed of candidate index of a request: 31 bits of SplitMix64 at position index of the stream of the
// request's seed. 31 bits, since that is what every upstream and every JSON reader takes unharmed; two of 64 candidates
// share one with probability 1e-6, and are then equal and merged. Steele, Lea, Flood 2014, "Fast splittable
// pseudorandom number generators", OOPSLA.
func CandidateSeed(request int64, index int) int64 {
	return int64(splitmix(uint64(request), uint64(index)) >> 33)
}

// splitmix is output index, from 0, of SplitMix64 started with seed.
func splitmix(seed, index uint64) uint64 {
	z := seed + (index+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// choiceStream tells the random numbers of the choice from the seeds of the candidates.
const choiceStream = 0x706c756d62 // "plumb"

// choiceRand is the source of the choice among the candidates of a request.
func choiceRand(request int64) *rand.Rand {
	return rand.New(rand.NewPCG(splitmix(uint64(request), choiceStream), choiceStream))
}

// pick returns the index at which the cumulative sum of the probabilities passes u in [0, 1), never one of probability 0.
func pick(probabilities []float64, u float64) int {
	last := -1
	sum := 0.
	for i, p := range probabilities {
		if p == 0 {
			continue
		}
		last = i
		if sum += p; u < sum {
			return i
		}
	}
	return last // u is beyond a sum that rounding left below 1
}
