package study

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat"

	"plumb/offline/gate"
	"plumb/offline/overopt"
)

// OveroptPoint is what replies are worth at one pressure, a mean over questions and seeds.
type OveroptPoint struct {
	N      int     `json:"n"`     // candidates, or steps of PPO
	KL     float64 `json:"kl"`    // from what answers to the base, nats a reply
	Proxy  float64 `json:"proxy"` // reward of the model that steers, in standard deviations of the base's replies to the same question
	Gold   float64 `json:"gold"`  // what people would give, 0 to 1
	GoldSE float64 `json:"gold_se"`
}

// OveroptCurve is one sampler under rising pressure.
type OveroptCurve struct {
	Sampler string         `json:"sampler"` // bon or ppo
	Guard   string         `json:"guard"`   // off or on
	Points  []OveroptPoint `json:"points"`
	Alpha   *float64       `json:"alpha"` // of Gao et al.'s form, with gold counted from the first point's; null where the points fit none
	AlphaSE *float64       `json:"alpha_se"`
	Beta    *float64       `json:"beta"`
	BetaSE  *float64       `json:"beta_se"`
	Peak    float64        `json:"peak"`         // highest gold measured
	PeakN   int            `json:"peak_n"`       // and where
	Drop    float64        `json:"drop"`         // from there to the last point
	Lost    float64        `json:"drop_of_peak"` // Drop as a share of Peak
	FitPeak *float64       `json:"fit_peak"`     // gold at the peak of the fitted form; null where it has none
	FitKL   *float64       `json:"fit_peak_kl"`

	fitted  overopt.Curve
	stopped string // why PPO ended before its last step, "" if it did not
}

// OveroptVerdict is what the gate says of a model that PPO made.
type OveroptVerdict struct {
	Guard        string   `json:"guard"`
	Pass         bool     `json:"pass"`
	Why          string   `json:"why"`
	Failed       []string `json:"failed"`        // the checks that speak against the model
	RewardFailed []string `json:"reward_failed"` // those that speak against the reward model that it was trained to please
}

// OveroptPlay is what one seed showed.
type OveroptPlay struct {
	Seed           int64
	Curves         []OveroptCurve
	Gate           []OveroptVerdict
	HackResistance [2]float64 // of the reward model as it comes, and of the one fitted with canaries
	Spoiled        float64    // share of the base's replies that say a thing over and over
}

// OveroptResult is the mean over seeds.
type OveroptResult struct {
	Taste  string          `json:"taste"`
	Pairs  int             `json:"pairs"`
	Noise  float64         `json:"noise"`
	Seed   int64           `json:"seed"`
	Seeds  int             `json:"seeds"`
	Curves []OveroptCurve  `json:"curves"`
	Kept   []OveroptSaving `json:"guards"`
	Gate   []OveroptGate   `json:"gate"`
	// HackResistance of the reward models, guard off and on; see rm.Metrics.
	HackResistance [2]float64 `json:"hack_resistance"`
	Spoiled        float64    `json:"base_spoiled"` // share of the base's replies that say a thing over and over
	Picture        string     `json:"picture,omitempty"`
	Seconds        float64    `json:"seconds"`
}

// OveroptSaving is what the guards save of one sampler.
type OveroptSaving struct {
	Sampler string   `json:"sampler"`
	Off     float64  `json:"drop_off"` // from the peak, without guards
	On      float64  `json:"drop_on"`  // with them
	Ratio   *float64 `json:"ratio"`    // On over Off; null where nothing was lost without
}

// OveroptGate counts the gate's answers over seeds.
type OveroptGate struct {
	Guard   string         `json:"guard"`
	Models  int            `json:"models"`
	Refused int            `json:"refused"` // for whatever reason, too little evidence included
	Caught  int            `json:"caught"`  // of them, those that a check of what they do speaks against
	Checks  map[string]int `json:"checks"`  // how many models each such check speaks against
	Reward  map[string]int `json:"reward"`  // how many reward models each check speaks against
}

func guardName(guarded bool) string {
	if guarded {
		return "on"
	}
	return "off"
}

// pointOf is the mean over questions.
func pointOf(n int, kl, proxy, gold []float64) OveroptPoint {
	p := OveroptPoint{N: n, KL: stat.Mean(kl, nil), Proxy: stat.Mean(proxy, nil)}
	p.Gold, p.GoldSE = gate.MeanSE(gold)
	return p
}

// OveroptMean summarises plays of different seeds that are equal otherwise; there must be at least one.
func OveroptMean(plays []*OveroptPlay) *OveroptResult {
	r := &OveroptResult{Seeds: len(plays), Seed: plays[0].Seed}
	for _, p := range plays {
		share := 1 / float64(len(plays))
		r.Spoiled += share * p.Spoiled
		for k := range r.HackResistance {
			r.HackResistance[k] += share * p.HackResistance[k]
		}
	}
	for k := range plays[0].Curves {
		var same []OveroptCurve
		for _, p := range plays {
			same = append(same, p.Curves[k])
		}
		r.Curves = append(r.Curves, meanCurve(same))
	}
	for k := range plays[0].Gate {
		g := OveroptGate{Guard: plays[0].Gate[k].Guard, Models: len(plays), Checks: map[string]int{}, Reward: map[string]int{}}
		for _, p := range plays {
			g.count(p.Gate[k])
		}
		r.Gate = append(r.Gate, g)
	}
	r.savings()
	return r
}

func (g *OveroptGate) count(v OveroptVerdict) {
	if !v.Pass {
		g.Refused++
	}
	if len(v.Failed) > 0 {
		g.Caught++
	}
	for _, name := range v.Failed {
		g.Checks[name]++
	}
	for _, name := range v.RewardFailed {
		g.Reward[name]++
	}
}

// meanCurve is the mean of curves point by point. A training that stopped early answers on with what it had.
func meanCurve(same []OveroptCurve) OveroptCurve {
	c := OveroptCurve{Sampler: same[0].Sampler, Guard: same[0].Guard}
	longest := same[0].Points
	for _, s := range same {
		if len(s.Points) > len(longest) {
			longest = s.Points
		}
	}
	for i := range longest {
		var kl, proxy, gold []float64
		for _, s := range same {
			p := s.Points[min(i, len(s.Points)-1)]
			kl, proxy, gold = append(kl, p.KL), append(proxy, p.Proxy), append(gold, p.Gold)
		}
		p := pointOf(longest[i].N, kl, proxy, gold)
		if len(same) == 1 {
			p.GoldSE = same[0].Points[i].GoldSE
		}
		c.Points = append(c.Points, p)
	}
	c.measure()
	return c
}

// measure fits the form and finds the peak.
func (c *OveroptCurve) measure() {
	var points []overopt.Point
	var gold []float64
	for _, p := range c.Points {
		points, gold = append(points, overopt.Point{KL: p.KL, Gold: p.Gold - c.Points[0].Gold}), append(gold, p.Gold)
	}
	at, drop := overopt.Drop(gold)
	c.Peak, c.PeakN, c.Drop = gold[at], c.Points[at].N, drop
	if c.Peak > 0 {
		c.Lost = drop / c.Peak
	}
	form := overopt.BestOfN
	if c.Sampler == "ppo" {
		form = overopt.RL
	}
	fitted, err := overopt.Fit(form, points)
	if err != nil {
		return
	}
	c.fitted, c.Alpha, c.Beta = fitted, &fitted.Alpha, &fitted.Beta
	if !math.IsNaN(fitted.AlphaSE) {
		c.AlphaSE, c.BetaSE = &fitted.AlphaSE, &fitted.BetaSE
	}
	if d, above, ok := fitted.Peak(); ok {
		kl, peak := d*d, above+gold[0]
		c.FitKL, c.FitPeak = &kl, &peak
	}
}

// savings sets what was lost with the guards on against what was lost without.
func (r *OveroptResult) savings() {
	for _, off := range r.Curves {
		for _, on := range r.Curves {
			if off.Guard != "off" || on.Guard != "on" || on.Sampler != off.Sampler {
				continue
			}
			s := OveroptSaving{Sampler: off.Sampler, Off: off.Drop, On: on.Drop}
			if off.Drop > 0 {
				ratio := on.Drop / off.Drop
				s.Ratio = &ratio
			}
			r.Kept = append(r.Kept, s)
		}
	}
}

// String is the play in a line.
func (p *OveroptPlay) String() string {
	var parts []string
	for _, c := range p.Curves {
		c.measure()
		parts = append(parts, fmt.Sprintf("%s guard %s gold %.2f → %.2f → %.2f", c.Sampler, c.Guard, c.Points[0].Gold, c.Peak, c.Peak-c.Drop))
	}
	for _, v := range p.Gate {
		verdict := "passed"
		switch {
		case len(v.Failed) > 0:
			verdict = "refused by " + strings.Join(v.Failed, ", ")
		case !v.Pass:
			verdict = "not passed: " + v.Why
		}
		parts = append(parts, fmt.Sprintf("gate guard %s: %s", v.Guard, verdict))
	}
	return strings.Join(parts, "; ")
}
