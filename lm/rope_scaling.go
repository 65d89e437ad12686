package lm

import (
	"fmt"
	"math"
)

// ropeScaling stretches rotary angles over a longer context than the first training had.
type ropeScaling struct {
	kind     string  // "", linear or yarn
	factor   float64 // how much longer
	original float64 // yarn: the context of the first training, in tokens
	fast     float64 // yarn: pairs that turn at least this often in it keep their angles
	slow     float64 // yarn: pairs that turn at most this often have them divided by factor
	gain     float64 // of the rotated values of q and k alike
}

// readScaling reads the keys rope.scaling.…. Llama 3 scales by factors that its files hold as a tensor, rope_freqs.weight.
func readScaling(k *keyReader) ropeScaling {
	key := k.arch + ".rope.scaling.type"
	kind, _ := k.f.String(key)
	s := ropeScaling{kind: kind, factor: k.number("rope.scaling.factor", k.number("rope.scale_linear", 1)), gain: k.number("rope.scaling.attn_factor", 1)}
	if s.factor == 0 {
		s.factor = 1 // as llama.cpp reads it
	}
	_, factors := k.f.Tensor("rope_freqs.weight")
	switch {
	case kind == "none":
		return ropeScaling{gain: 1}
	case kind == "" || kind == "linear":
		s.gain = 1
	case kind == "llama3" && factors:
		return ropeScaling{gain: 1}
	case kind == "llama3":
		k.fail("read model: %s is llama3, but there is no tensor rope_freqs.weight with its factors", key)
	case kind == "yarn":
		s.original = k.number("rope.scaling.original_context_length", float64(k.size("context_length", 1, maxContext, required)))
		s.fast, s.slow = k.number("rope.scaling.yarn_beta_fast", 32), k.number("rope.scaling.yarn_beta_slow", 1)
		s.gain *= yarnGain(s.factor, k.number("rope.scaling.yarn_log_multiplier", 0))
	default:
		k.fail("read model: %s is %.80q; known are none, linear, llama3 and yarn", key, kind)
	}
	if !(s.factor >= 1 && s.factor <= 1<<20) || !(s.gain > 0 && s.gain < 1<<10) {
		k.fail("read model: rope.scaling.factor is %g and the gain %g; allowed are factors from 1 and gains above 0", s.factor, s.gain)
	}
	if kind == "yarn" && !(s.original >= 1 && s.original <= maxContext && s.slow > 0 && s.fast > s.slow && s.fast < 1<<20) {
		k.fail("read model: yarn from a context of %g, between %g and %g turns; allowed are contexts of 1 to %d and 0 < slow < fast", s.original, s.slow, s.fast, maxContext)
	}
	return s
}

// yarnGain is √(1/t) of Peng et al. 2023, https://arxiv.org/abs/2309.00071, equation 22: 1 + log(factor)/10. A multiplier, which
// Hugging Face calls mscale_all_dim, takes as much of it away again.
func yarnGain(factor, multiplier float64) float64 {
	gain := 1 + .1*math.Log(factor)
	if multiplier != 0 {
		gain /= 1 + .1*multiplier*math.Log(factor)
	}
	return gain
}

// scaled returns the frequency of pair i of a head whose rotated values are dim.
func (s ropeScaling) scaled(freq float64, i, dim int, base float64) float64 {
	switch s.kind {
	case "", "linear":
		if s.factor > 1 {
			return freq / s.factor
		}
		return freq
	case "yarn":
		keep := 1 - s.ramp(i, dim, base)
		return freq*keep + freq/s.factor*(1-keep)
	}
	return freq
}

// ramp goes from 0 for the pairs that turn fast times or more in the original context to 1 for those that turn slow times or less.
func (s ropeScaling) ramp(i, dim int, base float64) float64 {
	pair := func(turns float64) float64 { // that turns so often
		return float64(dim) * math.Log(s.original/(turns*2*math.Pi)) / (2 * math.Log(base))
	}
	low, high := math.Max(0, math.Floor(pair(s.fast))), math.Min(float64(dim-1), math.Ceil(pair(s.slow)))
	if high <= low {
		high = low + .001
	}
	return math.Min(1, math.Max(0, (float64(i)-low)/(high-low)))
}

func (k *keyReader) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf(format, args...)
	}
}
