package loss

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// Whiten returns x at mean 0 and standard deviation 1: (x − mean)/(sd + 1e-8), sd being that of the population. It makes the size of
// an update independent of the reward's unit; done over a batch, it leaves the direction of its mean gradient as it is. Equal values
// become zeros.
//
// Andrychowicz et al. 2021, §3.4 (advantage normalisation), https://arxiv.org/abs/2006.05990; the constant is that of OpenAI Baselines.
func Whiten(x []float64) []float64 {
	if len(x) == 0 {
		return nil
	}
	mean, sd := deviation(stat.PopMeanVariance(x, nil))
	white := make([]float64, len(x))
	for i, v := range x {
		white[i] = (v - mean) / (sd + 1e-8)
	}
	return white
}

// deviation turns a variance into a standard deviation. Rounding can leave the variance of equal values a hair below 0.
func deviation(mean, variance float64) (float64, float64) { return mean, math.Sqrt(max(0, variance)) }
