package sampler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// rules under test, each at a few settings.
func allRules() map[string]func([]float64) []float64 {
	rules := map[string]func([]float64) []float64{"max": Max}
	for _, m := range []float64{1, 1.5, 3, 8, 1e9} {
		rules[fmt.Sprintf("top_m %v", m)] = func(s []float64) []float64 { return TopM(s, m) }
	}
	for _, x := range []float64{1e-9, .5, 3, 1e9} {
		rules[fmt.Sprintf("soft %v", x)] = func(s []float64) []float64 { return Soft(s, x) }
		rules[fmt.Sprintf("chi2 %v", x)] = func(s []float64) []float64 { return ChiSquare(s, x) }
	}
	for _, mu := range []float64{0, .5, 7, 1000} {
		rules[fmt.Sprintf("bop %v", mu)] = func(s []float64) []float64 { return BestOfPoisson(s, mu) }
	}
	return rules
}

// randomScores have ties now and then, and any scale.
func randomScores(rng *rand.Rand) []float64 {
	scores := make([]float64, 1+rng.IntN(20))
	scale := math.Exp(6 * rng.NormFloat64())
	for i := range scores {
		scores[i] = scale * math.Round(4*rng.NormFloat64()) / 4
	}
	return scores
}

func TestRuleProperties(t *testing.T) {
	for name, rule := range allRules() {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				scores := randomScores(rng)
				p := rule(scores)
				checkDistribution(t, scores, p)
				checkMonotone(t, scores, p)
				shifted := make([]float64, len(scores))
				for i, s := range scores {
					shifted[i] = s + 1024*math.Abs(scores[0]) // a multiple: no score is rounded much
				}
				for i, q := range rule(shifted) {
					near(t, "after a shift", q, p[i], 1e-9)
				}
			}
		})
	}
}

func checkDistribution(t *testing.T, scores, p []float64) {
	t.Helper()
	if len(p) != len(scores) {
		t.Fatalf("got %d probabilities for %d scores", len(p), len(scores))
	}
	sum := 0.
	for _, q := range p {
		if !(q >= 0 && q <= 1+exact) {
			t.Fatalf("probability %v of %v", q, scores)
		}
		sum += q
	}
	near(t, fmt.Sprintf("sum over %v", scores), sum, 1, exact)
}

func checkMonotone(t *testing.T, scores, p []float64) {
	t.Helper()
	for i := range scores {
		for j := range scores {
			if scores[i] > scores[j] && p[i] < p[j]-exact {
				t.Fatalf("scores %v: the better has %v, the worse %v", scores, p[i], p[j])
			}
		}
	}
}

func TestTopMDensityIsBounded(t *testing.T) {
	for n := 1; n <= 70; n++ {
		for _, m := range []float64{1, 1.01, 2, 3, 7.5, 8, 64, 1000} {
			k := TopMKept(n, m)
			if ratio := float64(n) / float64(k); ratio > m*(1+exact) {
				t.Errorf("n = %d, M = %v: density up to %v", n, m, ratio)
			}
			if bound := TopMKLBound(n, m); bound > math.Log(m)+1e-9 || bound < 0 {
				t.Errorf("n = %d, M = %v: KL bound %v, log M %v", n, m, bound, math.Log(m))
			}
		}
	}
	// Finite n at M = 8 win against the base model so often (closed form, k/n integrals by hand: 1 − (k+1)/(2(n+1))).
	for n, want := range map[int]float64{8: .889, 16: .912, 32: .924, 64: .931} {
		k := TopMKept(n, 8)
		if got := 1 - float64(k+1)/2/float64(n+1); math.Abs(got-want) > 5e-4 {
			t.Errorf("win rate at n = %d: got %.4f, want %v", n, got, want)
		}
	}
}

func TestKLKnownValues(t *testing.T) {
	// Uniform over ten replies with different rewards: best of 64, exact 2.293, estimate 2.295, bound 3.175.
	p, reward := make([]float64, 10), make([]float64, 10)
	for i := range p {
		p[i], reward[i] = .1, float64(i)
	}
	near(t, "exact", KL(BestOfNPMF(p, reward, 64), p), 2.293, 5e-4)
	near(t, "estimate", BestOfNKLEstimate(math.Log(.1), 64), 2.295, 5e-4)
	near(t, "bound", BestOfNKLBound(64), 3.175, 5e-4)
	near(t, "top_m at M = 8, n → ∞", TopMKLBound(4096, 8), math.Log(8), 2e-2)
	for _, c := range []struct{ logprob, want float64 }{
		{math.Inf(-1), BestOfNKLBound(8)}, {-1e4, BestOfNKLBound(8)}, {0, 0}, {1e-9, 0},
	} {
		near(t, fmt.Sprintf("estimate at log-prob %v", c.logprob), BestOfNKLEstimate(c.logprob, 8), c.want, exact)
	}
	near(t, "pool, certain", PoolKL([]float64{0, 1, 0, 0}), math.Log(4), exact)
	near(t, "pool, uniform", PoolKL([]float64{.25, .25, .25, .25}), 0, exact)
	near(t, "KL to nothing", KL([]float64{1, 0}, []float64{1, 0}), 0, exact)
	if !math.IsInf(KL([]float64{1, 0}, []float64{0, 1}), 1) {
		t.Error("KL of what the base never says is not infinite")
	}
}

// The best k of n in closed form and by quadrature of the density agree.
func TestTopKDensityIntegrates(t *testing.T) {
	for _, c := range []struct{ n, k int }{{1, 1}, {8, 1}, {8, 3}, {64, 8}, {64, 64}} {
		for _, u := range []float64{0, .1, .5, .77, .999, 1} {
			const h = 1e-6
			if u < h || u > 1-h {
				continue
			}
			slope := (topKCDF(c.n, c.k, u+h) - topKCDF(c.n, c.k, u-h)) / (2 * h)
			near(t, fmt.Sprintf("n = %d, k = %d, u = %v", c.n, c.k, u), topKDensity(c.n, c.k, u), slope, 1e-6)
		}
		near(t, "whole", topKCDF(c.n, c.k, 1), 1, exact)
	}
}

func TestExpectedBestIsTheMeanOverSubsets(t *testing.T) {
	score, value := []float64{3, 1, 3, 2}, []float64{10, 20, 30, 40}
	// Pairs by hand: 01→10, 02→(10+30)/2, 03→10, 12→30, 13→40, 23→30; mean 140/6.
	near(t, "pairs", ExpectedBest(score, value, 2), 140./6, exact)
	near(t, "one", ExpectedBest(score, value, 1), 25, exact)
	near(t, "all", ExpectedBest(score, value, 4), 20, exact)
	large := make([]float64, 12600)
	for i := range large {
		large[i] = float64(i)
	}
	near(t, "large pool", ExpectedBest(large, large, 6144), 6144*12601./6145-1, 1e-9) // n(N+1)/(n+1), ranks from 0
}

func TestRulesPanicOnWhatCannotBeRanked(t *testing.T) {
	for name, rule := range allRules() {
		for _, scores := range [][]float64{{}, {1, math.NaN()}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s took %v", name, scores)
					}
				}()
				rule(scores)
			}()
		}
	}
}

func TestInfiniteScores(t *testing.T) {
	inf := math.Inf(1)
	allNear(t, "soft", Soft([]float64{inf, 0, -inf, inf}, 1), []float64{.5, 0, 0, .5}, 0)
	allNear(t, "max", Max([]float64{-inf, 0, inf}), []float64{0, 0, 1}, 0)
	allNear(t, "top_m", TopM([]float64{-inf, 0, inf}, 2), []float64{0, .5, .5}, 0)
}

func TestSplitMix(t *testing.T) {
	// First outputs for seed 1234567, as published with the reference code.
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431}
	for i, w := range want {
		if got := splitmix(1234567, uint64(i)); got != w {
			t.Errorf("output %d: got %d, want %d", i, got, w)
		}
	}
	seen := map[int64]bool{}
	for request := range int64(50) {
		for i := range 64 {
			s := CandidateSeed(request-25, i)
			if s < 0 || s >= 1<<31 {
				t.Fatalf("seed %d is out of range", s)
			}
			seen[s] = true
		}
	}
	if len(seen) < 3200-1 {
		t.Errorf("only %d of 3200 seeds differ", len(seen))
	}
}

// The choice over many request seeds follows the probabilities.
func TestPickFollowsTheProbabilities(t *testing.T) {
	p := []float64{.5, 0, .2, .05, .25}
	const draws = 20000
	counts := make([]float64, len(p))
	for seed := range int64(draws) {
		counts[pick(p, choiceRand(seed).Float64())]++
	}
	if counts[1] != 0 {
		t.Errorf("picked %v times what has probability 0", counts[1])
	}
	chi2 := 0.
	for i, c := range counts {
		if p[i] > 0 {
			e := p[i] * draws
			chi2 += (c - e) * (c - e) / e
		}
	}
	if tail := 1 - (distuv.ChiSquared{K: 3}).CDF(chi2); tail < 1e-4 {
		t.Errorf("chi-square %v, tail %v: %v for %v", chi2, tail, counts, p)
	}
	if got := pick([]float64{.3, .7 - 1e-9, 0}, 1-1e-12); got != 1 {
		t.Errorf("beyond a short sum: picked %d", got)
	}
}
