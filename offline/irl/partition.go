package irl

import "math"

// LogZ estimates log Z = log E_ref[e^r] from the rewards of candidates, in log-odds, and their log importance weights
// log π_ref − log q up to a constant (nil: they are draws from the reference), by self-normalised importance sampling,
//
//	Ẑ = Σ wⱼ e^{rⱼ} / Σ wⱼ,
//
// and its standard error by the delta method, √(n/(n−1)·Σ (pⱼ − ŵⱼ)²) with ŵ the weights and p the weights times e^r, both
// normalised (Owen 2013, "Monte Carlo theory, methods and examples", Eq. 9.9, over Ẑ). The logarithm makes the estimate low by
// about half the error's square. The error of fewer than two candidates is NaN. It panics if there are not as many weights.
func LogZ(rewards, logWeights []float64) (value, se float64) {
	n := len(rewards)
	if logWeights == nil {
		logWeights = make([]float64, n)
	}
	if len(logWeights) != n {
		panic("irl: log Z: as many weights as rewards are missing")
	}
	tilted := make([]float64, n)
	for j, r := range rewards {
		tilted[j] = r + logWeights[j]
	}
	all, weights := logSumExp(tilted), logSumExp(logWeights)
	if n < 2 {
		return all - weights, math.NaN()
	}
	for j := range rewards {
		d := math.Exp(tilted[j]-all) - math.Exp(logWeights[j]-weights)
		se += d * d
	}
	return all - weights, math.Sqrt(se * float64(n) / float64(n-1))
}
