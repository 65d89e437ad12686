package rm

import (
	"errors"
	"fmt"
	"math"
)

// Candidates that were not drawn from the reference π_ref itself, but from some q (another temperature, a policy trained
// meanwhile), stand in for draws from it by their importance weights w = π_ref/q.

// WeightedListwise is [Listwise] over a list whose replies count for unequal shares sⱼ,
//
//	−r₀/τ + log Σⱼ sⱼ e^{rⱼ/τ},
//
// given as logarithms: −Inf for a reply that does not count, which reply 0 must. Shares of 1/n each are [Listwise]. The
// sum is the partition function of π_ref·e^{r/τ}, estimated by self-normalised importance sampling (Finn et al. 2016, Eq. 4
// and §4.2, https://arxiv.org/abs/1603.00448). It panics if rewards is empty, if tau is not positive, or if there are not as
// many shares.
func WeightedListwise(rewards, logShares []float64, tau float64, grad []float64) float64 {
	if len(rewards) == 0 || !(tau > 0) || len(logShares) != len(rewards) {
		panic("rm: listwise loss: no rewards, tau ≤ 0, or as many shares as rewards are missing")
	}
	top := math.Inf(-1)
	for i, r := range rewards {
		top = max(top, r/tau+logShares[i])
	}
	sum := 0.0
	for i, r := range rewards {
		grad[i] = math.Exp(r/tau + logShares[i] - top)
		sum += grad[i]
	}
	for i := range grad[:len(rewards)] {
		grad[i] /= sum * tau
	}
	grad[0] -= 1 / tau
	return top - rewards[0]/tau + math.Log(sum)
}

// EffectiveSize returns (Σw)²/Σw², how many equally weighted draws the weighted ones are worth: from 1 to their number
// (Kong 1992). Weights are given as logarithms, of which one at least is finite and none is +Inf; of none it is 0.
func EffectiveSize(logWeights []float64) float64 {
	w, sum := relative(logWeights)
	squares := 0.0
	for _, x := range w {
		squares += x * x
	}
	if len(w) == 0 {
		return 0
	}
	return sum * sum / squares
}

// relative returns e^{l − max l} and their sum.
func relative(logWeights []float64) (w []float64, sum float64) {
	top := math.Inf(-1)
	for _, l := range logWeights {
		top = max(top, l)
	}
	w = make([]float64, len(logWeights))
	for i, l := range logWeights {
		w[i] = math.Exp(l - top)
		sum += w[i]
	}
	return w, sum
}

// logShares returns what the replies of a list count for, the demonstration first: 1 of n + 1, and the n candidates the rest,
// in proportion to their weights. A weight above most times their mean is cut to that before: a little bias for much less
// variance. most 0 means √n, with which the estimate still converges (Ionides 2008, "Truncated importance sampling", §2,
// https://doi.org/10.1198/106186008X320456); below 0 nothing is cut. Whatever a single candidate weighs, the list is a
// Bradley–Terry comparison.
func logShares(logWeights []float64, most float64) []float64 {
	w, sum := relative(logWeights)
	n := float64(len(w))
	if most == 0 {
		most = math.Sqrt(n)
	}
	if most > 0 {
		limit := most * sum / n
		sum = 0
		for i := range w {
			w[i] = min(w[i], limit)
			sum += w[i]
		}
	}
	shares := []float64{-math.Log(n + 1)}
	for _, x := range w {
		shares = append(shares, math.Log(x/sum*n/(n+1)))
	}
	return shares
}

var (
	errWeightsNumber = errors.New("log_weights: want one a candidate")
	errWeightsNone   = errors.New("log_weights: all are -Inf: no candidate counts")
)

// demonstrate adds a demonstration with its candidates.
func (c *corpus) demonstrate(d Demonstration, tau, most, weight float64) error {
	n := len(d.Candidates)
	if n == 0 {
		return errors.New("got no candidates, want at least 1")
	}
	list := choice{demonstration: true, tau: tau, weight: weight}
	size := float64(n)
	if d.LogWeights != nil {
		if err := checkLogWeights(d.LogWeights, n); err != nil {
			return err
		}
		list.shares, size = logShares(d.LogWeights, most), EffectiveSize(d.LogWeights)
	}
	c.sizes = append(c.sizes, listSize{n, size})
	c.list(d.Prompt, append([]string{d.Reply}, d.Candidates...), list, d.User)
	return nil
}

func checkLogWeights(logWeights []float64, candidates int) error {
	if len(logWeights) != candidates {
		return fmt.Errorf("%w: got %d for %d", errWeightsNumber, len(logWeights), candidates)
	}
	none := true
	for i, l := range logWeights {
		if math.IsNaN(l) || math.IsInf(l, 1) {
			return fmt.Errorf("log_weights[%d]: got %v, want a number or -Inf", i, l)
		}
		none = none && math.IsInf(l, -1)
	}
	if none {
		return errWeightsNone
	}
	return nil
}

// listSize is how many candidates a demonstration has, and how many draws from the reference they are worth.
type listSize struct {
	candidates int
	effective  float64
}

// effectiveSizes puts what the candidates of the demonstrations are worth into m.
func (c *corpus) effectiveSizes(m *Metrics) {
	if len(c.sizes) == 0 {
		return
	}
	sum, least := 0.0, math.Inf(1)
	for _, s := range c.sizes {
		sum += s.effective
		least = min(least, s.effective)
		if 2*s.effective < float64(s.candidates) {
			m.ESSLow++
		}
	}
	m.ESSMean, m.ESSLeast = number(sum/float64(len(c.sizes))), number(least)
}
