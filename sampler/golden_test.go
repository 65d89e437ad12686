package sampler

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// testdata/samplers.json holds closed forms in extended precision, checked by enumeration; none of it was computed here.

const (
	exact      = 1e-12
	quadrature = 1e-10
)

type discrete struct {
	P, Reward []float64
	PMF       []float64
	KL        float64
}

type golden struct {
	BestOfN []struct {
		discrete
		N     int
		Bound float64
	} `json:"best_of_n"`
	KLEstimator []struct {
		Epsilon float64
		N       int
		Value   float64
	} `json:"kl_estimator"`
	Curve []struct {
		Scores, Gold []float64
		Best         []float64 `json:"expected_best"`
		GoldOfBest   []float64 `json:"expected_gold_of_best"`
	} `json:"best_of_n_curve"`
	TopM struct {
		Pool []struct {
			Scores      []float64
			M           float64
			K           int
			Probability []float64
		}
		IID []struct {
			discrete
			N        int
			M        float64
			K        int
			MaxRatio float64 `json:"max_ratio"`
		} `json:"iid_from_base"`
		OfPool []struct {
			Scores      []float64
			N           int
			M           float64
			Probability []float64
		} `json:"n_of_pool_without_replacement"`
	} `json:"top_m"`
	BestOfPoisson struct {
		Poisson []struct {
			Mu, KL               float64
			U, Density, CDF, Psi []float64
			MeanQuantile         float64 `json:"mean_quantile"`
			MaxRatio             float64 `json:"max_ratio"`
			Discrete             []discrete
		}
		BestOfNPsi []struct {
			N      int
			U, Psi float64
		} `json:"bon_psi"`
	} `json:"best_of_poisson"`
	ChiSquare []struct {
		Reward       []float64
		Beta, Lambda float64
		Kept         int
		Probability  []float64
		MaxRatio     float64 `json:"max_ratio"`
	} `json:"chi_square"`
	Soft struct {
		Pool []struct {
			Reward      []float64
			Beta        float64
			Probability []float64
		}
		IID []struct {
			discrete
			N    int
			Beta float64
		} `json:"iid_from_base"`
	} `json:"soft_best_of_n"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/samplers.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// close compares with an absolute tolerance that grows with the value.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s: got %v, want %v (off by %g)", what, got, want, got-want)
	}
}

func allNear(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		near(t, what, got[i], want[i], tolerance)
	}
}

func TestGoldenBestOfN(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.BestOfN {
		pmf := BestOfNPMF(c.P, c.Reward, c.N)
		allNear(t, "pmf", pmf, c.PMF, exact)
		near(t, "KL", KL(pmf, c.P), c.KL, exact)
		near(t, "bound", BestOfNKLBound(c.N), c.Bound, exact)
	}
	for _, c := range g.KLEstimator {
		near(t, "estimate", BestOfNKLEstimate(math.Log(c.Epsilon), c.N), c.Value, exact)
	}
	for _, c := range g.Curve {
		for n := 1; n <= len(c.Best); n++ {
			near(t, "best", ExpectedBest(c.Scores, c.Scores, n), c.Best[n-1], exact)
			near(t, "gold of best", ExpectedBest(c.Scores, c.Gold, n), c.GoldOfBest[n-1], exact)
		}
	}
	for _, c := range g.BestOfPoisson.BestOfNPsi {
		near(t, "psi", BestOfNPsi(c.U, c.N), c.Psi, exact)
	}
}

func TestGoldenTopM(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.TopM.Pool {
		allNear(t, "pool", TopM(c.Scores, c.M), c.Probability, exact)
		if k := TopMKept(len(c.Scores), c.M); k != c.K {
			t.Errorf("k of %d at M = %v: got %d, want %d", len(c.Scores), c.M, k, c.K)
		}
	}
	for _, c := range g.TopM.IID {
		pmf := TopMPMF(c.P, c.Reward, c.N, c.M)
		allNear(t, "i.i.d.", pmf, c.PMF, exact)
		near(t, "KL", KL(pmf, c.P), c.KL, exact)
		ratio := 0.
		for i := range pmf {
			ratio = max(ratio, pmf[i]/c.P[i])
		}
		near(t, "largest ratio", ratio, c.MaxRatio, exact)
		allNear(t, "i.i.d. by enumeration", enumerate(c.P, c.Reward, c.N, func(s []float64) []float64 { return TopM(s, c.M) }), c.PMF, exact)
		if bound := TopMKLBound(c.N, c.M); c.KL > bound+exact || bound > math.Log(c.M)+exact {
			t.Errorf("n = %d, M = %v: KL %v, bound %v, log M %v", c.N, c.M, c.KL, bound, math.Log(c.M))
		}
	}
	for _, c := range g.TopM.OfPool {
		allNear(t, "n of the pool", TopMOfPool(c.Scores, c.N, c.M), c.Probability, exact)
	}
}

func TestGoldenBestOfPoisson(t *testing.T) {
	for _, c := range readGolden(t).BestOfPoisson.Poisson {
		for i, u := range c.U {
			near(t, "density", PoissonDensity(u, c.Mu), c.Density[i], exact)
			near(t, "cdf", PoissonCDF(u, c.Mu), c.CDF[i], exact)
			near(t, "psi", PoissonPsi(u, c.Mu), c.Psi[i], exact)
		}
		near(t, "mean rank", PoissonMeanRank(c.Mu), c.MeanQuantile, exact)
		near(t, "KL", PoissonKL(c.Mu), c.KL, quadrature)
		near(t, "largest ratio", PoissonDensity(1, c.Mu), c.MaxRatio, exact)
		for _, d := range c.Discrete {
			pmf := BestOfPoissonPMF(d.P, d.Reward, c.Mu)
			allNear(t, "pmf", pmf, d.PMF, exact)
			near(t, "KL of pmf", KL(pmf, d.P), d.KL, exact)
		}
		if n := 200; c.Mu <= 20 { // so large a pool never runs out
			near(t, "KL bound of a large pool", BestOfPoissonKLBound(n, c.Mu), c.KL, 1e-9)
		}
	}
}

func TestGoldenChiSquare(t *testing.T) {
	for _, c := range readGolden(t).ChiSquare {
		p := ChiSquare(c.Reward, c.Beta)
		allNear(t, "probability", p, c.Probability, exact)
		near(t, "lambda", ChiSquareLambda(c.Reward, c.Beta), c.Lambda, exact)
		kept, ratio := 0, 0.
		for _, q := range p {
			ratio = max(ratio, q*float64(len(p)))
			if q > 0 {
				kept++
			}
		}
		near(t, "largest ratio", ratio, c.MaxRatio, exact)
		if kept != c.Kept {
			t.Errorf("kept: got %d, want %d of %v", kept, c.Kept, c.Reward)
		}
	}
}

func TestGoldenSoft(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Soft.Pool {
		allNear(t, "pool", Soft(c.Reward, c.Beta), c.Probability, exact)
	}
	for _, c := range g.Soft.IID {
		pmf := enumerate(c.P, c.Reward, c.N, func(s []float64) []float64 { return Soft(s, c.Beta) })
		allNear(t, "i.i.d.", pmf, c.PMF, exact)
		near(t, "KL", KL(pmf, c.P), c.KL, exact)
	}
}

// enumerate returns the law of what rule chooses from n draws of p, by going through all len(p)ⁿ of them.
func enumerate(p, reward []float64, n int, rule func([]float64) []float64) []float64 {
	law := make([]float64, len(p))
	draw, scores := make([]int, n), make([]float64, n)
	for {
		weight := 1.
		for k, i := range draw {
			weight *= p[i]
			scores[k] = reward[i]
		}
		for k, q := range rule(scores) {
			law[draw[k]] += weight * q
		}
		k := 0
		for ; k < n && draw[k] == len(p)-1; k++ {
			draw[k] = 0
		}
		if k == n {
			return law
		}
		draw[k]++
	}
}
