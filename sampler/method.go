package sampler

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"plumb/chat"
)

// Methods of choosing a reply.
const (
	Auto                = "auto"  // the documented default; see [Sampler]
	None                = "none"  // the first candidate drawn
	BestOfN             = "bon"   // the best of n
	TopMethod           = "top_m" // one of the best ⌈n/M⌉, uniformly
	SoftMethod          = "soft"  // softmax of the scores
	BestOfPoissonMethod = "bop"   // the best of 1 + Poisson(M−1), at most n
	ChiSquareMethod     = "chi2"  // inference-time pessimism
)

// Methods lists the methods that can be asked for.
func Methods() []string {
	return []string{Auto, None, BestOfN, TopMethod, SoftMethod, BestOfPoissonMethod, ChiSquareMethod}
}

// Planned lists methods that have a name and are not built yet.
func Planned() []string { return []string{"mbr", "sc", "specrej", "blocks", "guide", "qalign"} }

// Defaults of the knobs.
const (
	DefaultN            = 8
	DefaultMaxN         = 64
	DefaultPressure     = 8. // of top_m, bop and auto: a density ratio
	DefaultInverse      = 2. // of soft and chi2: an inverse temperature
	DefaultConservatism = 1.
	maxPressure         = 1024
	maxConservatism     = 100
)

// rule is a method with its knobs set: a pure function of scores, and the bound on KL that it keeps.
type rule struct {
	method string
	// probabilities has one entry for each score; they sum to 1.
	probabilities func(scores []float64) []float64
	// bound is an upper bound of the divergence, in nats, given the probabilities over the n that were scored.
	bound func(probabilities []float64) float64
}

// ruleOf builds the rule of method, which must not be Auto or None.
func ruleOf(method string, pressure float64) rule {
	r := rule{method: method}
	switch method {
	case BestOfN:
		r.probabilities = Max
		r.bound = func(p []float64) float64 { return BestOfNKLBound(len(p)) }
	case TopMethod:
		r.probabilities = func(s []float64) []float64 { return TopM(s, pressure) }
		r.bound = func(p []float64) float64 { return TopMKLBound(len(p), pressure) }
	case BestOfPoissonMethod:
		r.probabilities = func(s []float64) []float64 { return BestOfPoisson(s, pressure-1) }
		r.bound = func(p []float64) float64 { return BestOfPoissonKLBound(len(p), pressure-1) }
	case SoftMethod:
		r.probabilities = func(s []float64) []float64 { return Soft(s, 1/pressure) }
		r.bound = PoolKL
	case ChiSquareMethod:
		r.probabilities = func(s []float64) []float64 { return ChiSquare(s, 1/pressure) }
		r.bound = PoolKL
	default:
		panic("sampler: no rule for method " + method)
	}
	return r
}

// pressureCap is the largest pressure that so many votes carry: a reward model fitted on few pairs is soon over-optimised
// (Gao et al. 2210.10760: the gold reward of a proxy fitted on 500 pairs peaks at about n = 19).
func pressureCap(pairs int) float64 {
	switch {
	case pairs < 200:
		return 2
	case pairs < 500:
		return 4
	case pairs < 2000:
		return 8
	}
	return 16
}

// checkMethod refuses what is no method, or not one yet.
func checkMethod(method string) error {
	if slices.Contains(Methods(), method) {
		return nil
	}
	if slices.Contains(Planned(), method) {
		return invalid("align.method", "%s is not built yet; want one of %s", method, strings.Join(Methods(), ", "))
	}
	return invalid("align.method", "got %q, want one of %s", method, strings.Join(Methods(), ", "))
}

// settlePressure holds an asked-for pressure against the method and fills in the default.
func settlePressure(method string, asked *float64) (float64, error) {
	low, standard := 1., DefaultPressure
	switch method {
	case BestOfN, None:
		if asked != nil {
			return 0, invalid("align.pressure", "got %v with method %s, which takes none", *asked, method)
		}
		return 0, nil
	case SoftMethod, ChiSquareMethod:
		low, standard = 1./maxPressure, DefaultInverse
	}
	if asked == nil {
		return standard, nil
	}
	if !(*asked >= low && *asked <= maxPressure) { // NaN too
		return 0, invalid("align.pressure", "got %v with method %s, want %v … %v", *asked, method, low, maxPressure)
	}
	return *asked, nil
}

func settleConservatism(asked *float64) (float64, error) {
	if asked == nil {
		return DefaultConservatism, nil
	}
	if !(*asked >= 0 && *asked <= maxConservatism) {
		return 0, invalid("align.conservatism", "got %v, want 0 … %d", *asked, maxConservatism)
	}
	return *asked, nil
}

func settleLength(length float64) error {
	if math.IsNaN(length) || math.Abs(length) > 1 {
		return invalid("align.length", "got %v, want -1 … 1", length)
	}
	return nil
}

func invalid(param, format string, args ...any) error {
	return &chat.Error{Kind: chat.Invalid, Param: param, Msg: param + ": " + fmt.Sprintf(format, args...)}
}
