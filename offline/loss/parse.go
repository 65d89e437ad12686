package loss

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"plumb/chat"
)

// Options are the hyper-parameters that losses share. A zero field means the loss's own default.
type Options struct {
	Beta        float64 // (0, 1000]; .1
	Epsilon     float64 // (0, ½): share of flipped votes; cdpo and robust .1, exo_pair .001
	Gamma       float64 // [0, 100]: simpo's margin; .5
	Tau         float64 // (0, 100]: discopop's temperature; .05
	Desirable   float64 // (0, 1000]: KTO's weight of liked replies; 1
	Undesirable float64 // (0, 1000]: KTO's weight of disliked replies; 1
}

// pairwise makes the losses of pairs by name.
var pairwise = map[string]func(o Options) Pairwise{
	"sigmoid":      func(o Options) Pairwise { return Sigmoid{o.Beta} },
	"cdpo":         func(o Options) Pairwise { return CDPO{o.Beta, or(o.Epsilon, .1)} },
	"robust":       func(o Options) Pairwise { return Robust{o.Beta, or(o.Epsilon, .1)} },
	"ipo":          func(o Options) Pairwise { return IPO{Beta: o.Beta} },
	"ipo_sum":      func(o Options) Pairwise { return IPO{Beta: o.Beta, Sum: true} },
	"hinge":        func(o Options) Pairwise { return Hinge{o.Beta} },
	"exo_pair":     func(o Options) Pairwise { return EXO{o.Beta, o.Epsilon} },
	"nca_pair":     func(o Options) Pairwise { return NCA{o.Beta} },
	"bco_pair":     func(o Options) Pairwise { return BCOPair{o.Beta} },
	"sppo_hard":    func(o Options) Pairwise { return SPPO{o.Beta} },
	"apo_zero":     func(o Options) Pairwise { return APOZero{o.Beta} },
	"apo_down":     func(o Options) Pairwise { return APODown{o.Beta} },
	"discopop":     func(o Options) Pairwise { return DiscoPOP{o.Beta, o.Tau} },
	"sigmoid_norm": func(o Options) Pairwise { return SigmoidNorm{o.Beta} },
	"simpo":        func(o Options) Pairwise { return SimPO{o.Beta, or(o.Gamma, .5)} },
	"orpo":         func(o Options) Pairwise { return ORPO{o.Beta} },
	"cpo":          func(o Options) Pairwise { return CPO{o.Beta} },
	"sft":          func(Options) Pairwise { return SFT{} },
	"sft_sum":      func(Options) Pairwise { return SFT{Sum: true} },
}

// Names returns the names of the pairwise losses, sorted.
func Names() []string { return slices.Sorted(maps.Keys(pairwise)) }

// Parse makes a pairwise loss from its name, "dpo" being "sigmoid", or a [Mix] from a sum such as
// "0.8*sigmoid+0.2*bco_pair+sft". What it does not know is an error of kind Invalid.
func Parse(spec string, o Options) (Pairwise, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	var mix Mix
	for _, part := range strings.Split(spec, "+") {
		term, err := parseTerm(strings.TrimSpace(part), o)
		if err != nil {
			return nil, err
		}
		mix = append(mix, term)
	}
	if len(mix) == 1 && mix[0].Weight == 1 {
		return mix[0].Loss, nil
	}
	return mix, nil
}

// AssumesFlips reports whether a loss, or a term of a sum, makes up for votes that are flipped: its Epsilon is then their share.
func AssumesFlips(spec string) bool {
	for _, part := range strings.Split(spec, "+") {
		_, name, weighted := strings.Cut(part, "*")
		if !weighted {
			name = part
		}
		if name = strings.TrimSpace(name); name == "cdpo" || name == "robust" {
			return true
		}
	}
	return false
}

// unpaired makes the losses of single replies by name.
var unpaired = map[string]func(o Options) Unpaired{
	"kto":               func(o Options) Unpaired { return KTO{o.Beta, o.Desirable, o.Undesirable} },
	"bco":               func(o Options) Unpaired { return BCO{o.Beta, o.Desirable, o.Undesirable} },
	"apo_zero_unpaired": func(o Options) Unpaired { return APOUnpaired{o.Beta, o.Desirable, o.Undesirable} },
}

// UnpairedNames returns the names of the losses of single replies, sorted.
func UnpairedNames() []string { return slices.Sorted(maps.Keys(unpaired)) }

// ParseUnpaired makes a loss of single replies from its name.
func ParseUnpaired(name string, o Options) (Unpaired, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	make, ok := unpaired[name]
	if !ok {
		return nil, invalid("loss", "got %q, want one of %s", name, strings.Join(UnpairedNames(), ", "))
	}
	return make(o), nil
}

func parseTerm(part string, o Options) (Term, error) {
	weight, name := 1., part
	if factor, rest, ok := strings.Cut(part, "*"); ok {
		w, err := strconv.ParseFloat(strings.TrimSpace(factor), 64)
		if err != nil || !(w > 0 && w <= 1e3) {
			return Term{}, invalid("loss", "got weight %q in %q, want (0, 1000]", factor, part)
		}
		weight, name = w, strings.TrimSpace(rest)
	}
	if name == "dpo" {
		name = "sigmoid"
	}
	make, ok := pairwise[name]
	if !ok {
		return Term{}, invalid("loss", "got %q, want one of %s, or a sum such as 0.9*sigmoid+0.1*sft", part, strings.Join(Names(), ", "))
	}
	return Term{weight, make(o)}, nil
}

// Check reports the first field that is out of its range, as an error of kind Invalid.
func (o Options) Check() error {
	for _, f := range []struct {
		name        string
		value, most float64
	}{
		{"beta", o.Beta, 1e3}, {"epsilon", o.Epsilon, math.Nextafter(.5, 0)}, {"gamma", o.Gamma, 100}, {"tau", o.Tau, 100},
		{"desirable", o.Desirable, 1e3}, {"undesirable", o.Undesirable, 1e3},
	} {
		if !(f.value >= 0 && f.value <= f.most) {
			return invalid(f.name, "got %v, want a number up to %.3g, above 0", f.value, f.most)
		}
	}
	return nil
}

func invalid(param, format string, args ...any) error {
	return &chat.Error{Kind: chat.Invalid, Param: param, Msg: "choose loss: " + param + ": " + fmt.Sprintf(format, args...)}
}
