package gate

import (
	"fmt"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// Aside is two replies to one request: one that the person got, and one by the new model that nobody sees.
type Aside struct {
	Live, Shadow Said
	Failed       bool     // the new model gave none
	Gain         *float64 // reward of the unseen one less that of the other; nil without a reward model
}

// Said is what is looked at in a reply.
type Said struct {
	Words                    int
	Empty, Repeats, Declines bool
}

// SaidOf looks at a reply.
func SaidOf(text string) Said {
	words := len(strings.Fields(text))
	return Said{Words: words, Empty: words == 0, Repeats: Repeats(text), Declines: Refuses(text)}
}

// ShadowLimits say what new models may do unseen. Zero fields mean the defaults in their comments.
type ShadowLimits struct {
	Alpha  float64 `json:"alpha,omitempty"`  // chance, in each of five looks, that a model no worse is taken back; .01
	Failed float64 `json:"failed,omitempty"` // share of requests that it may leave unanswered; .05
}

// JudgeShadow says whether people may get a model that has answered so many of their requests unseen, wanted or more: not if it fails
// to answer more than it may, if it is empty, runs in circles or declines more often than what people got (one-sided sign tests on
// the requests where the two differ), or if the reward model likes its replies less (one-sided sign test; a reward's size means little
// far from what it was fitted to). Before that the verdict is [Wait]: a few requests are cheap, and nobody sees what comes of them.
func JudgeShadow(asides []Aside, wanted int, l ShadowLimits) (verdict, why string) {
	if l.Alpha == 0 {
		l.Alpha = .01
	}
	if l.Failed == 0 {
		l.Failed = .05
	}
	var failed, answered, shadowWords, liveWords int
	looks := []struct {
		name        string
		of          func(Said) bool
		shadow, all int // of the unseen, among requests where the two differ
		live        int
	}{{name: "empty", of: func(s Said) bool { return s.Empty }}, {name: "in circles", of: func(s Said) bool { return s.Repeats }}, {name: "declining", of: func(s Said) bool { return s.Declines }}}
	worse, scored := 0, 0
	for _, a := range asides {
		if a.Failed {
			failed++
			continue
		}
		answered++
		shadowWords, liveWords = shadowWords+a.Shadow.Words, liveWords+a.Live.Words
		for i := range looks {
			k := &looks[i]
			if s, m := k.of(a.Shadow), k.of(a.Live); s != m {
				k.all++
				if s {
					k.shadow++
				} else {
					k.live++
				}
			}
		}
		if a.Gain != nil && *a.Gain != 0 {
			scored++
			if *a.Gain < 0 {
				worse++
			}
		}
	}
	var faults []string
	z := distuv.UnitNormal.Quantile(1 - l.Alpha)
	if low, _ := Wilson(float64(failed), float64(len(asides)), z); low > l.Failed {
		faults = append(faults, "it fails to answer")
	}
	told := []string{fmt.Sprintf("%d of %d requests answered unseen, %d failed", len(asides), wanted, failed)}
	for _, k := range looks {
		told = append(told, fmt.Sprintf("only it is %s in %d, only the other in %d", k.name, k.shadow, k.live))
		if SignTest(k.shadow, k.all) < l.Alpha {
			faults = append(faults, "it is "+k.name+" more often")
		}
	}
	told = append(told, fmt.Sprintf("lower reward in %d of %d", worse, scored))
	if SignTest(worse, scored) < l.Alpha {
		faults = append(faults, "its reward is lower")
	}
	if liveWords > 0 && answered > 0 {
		told = append(told, fmt.Sprintf("%.2f times the words", float64(shadowWords)/float64(liveWords)))
	}
	why = strings.Join(told, "; ")
	switch {
	case len(asides) < wanted:
		return Wait, why
	case len(faults) > 0:
		return Bad, strings.Join(faults, ", ") + ": " + why
	}
	return Good, why
}
