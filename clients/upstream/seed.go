package upstream

import "math"

// FoldSeed maps a seed to [0, 2³¹−1), which every server takes as it is: Ollama and llama.cpp keep the low 32 bits, Ollama
// of what it read as a float64, and take 2³²−1 for "choose one yourself". Seeds already in the range stay, so that they
// can be repeated by hand.
func FoldSeed(seed int64) int64 {
	if seed >= 0 && seed < math.MaxInt32 {
		return seed
	}
	// The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
	z := uint64(seed)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return int64(z % math.MaxInt32)
}
