package study

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// names of the samplers, for people.
var samplerNames = map[string]string{"bon": "best-of-n", "ppo": "PPO"}

// Table writes the result as a person reads it.
func (r *OveroptResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range r.Curves {
		unit := "n"
		if c.Sampler == "ppo" {
			unit = "step"
		}
		fmt.Fprintf(t, "\n%s, guards %s\t%s\tKL\tproxy\tgold\t± s.e.\t\n", samplerNames[c.Sampler], c.Guard, unit)
		for _, p := range thinned(c.Points, 8) {
			fmt.Fprintf(t, "\t%d\t%.2f\t%+.2f\t%.3f\t%.3f\t\n", p.N, p.KL, p.Proxy, p.Gold, p.GoldSE)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(w, "  peak %.3f at %s = %d; %.3f lost from there (%.0f %%)%s\n", c.Peak, unit, c.PeakN, c.Drop, 100*c.Lost, c.form())
	}
	fmt.Fprintln(w)
	for _, s := range r.Kept {
		if s.Ratio == nil {
			fmt.Fprintf(w, "%s: nothing was lost without guards\n", samplerNames[s.Sampler])
			continue
		}
		fmt.Fprintf(w, "%s: the guards leave %.0f %% of the loss (%.3f of %.3f)\n", samplerNames[s.Sampler], 100**s.Ratio, s.On, s.Off)
	}
	for _, g := range r.Gate {
		fmt.Fprintf(w, "gate, guards %s: %d of %d models refused, %d for what they do%s; their reward models%s\n",
			g.Guard, g.Refused, g.Models, g.Caught, counted(g.Checks), counted(g.Reward))
	}
	_, err := fmt.Fprintf(w, "hack resistance of the reward model: %.2f, fitted with canaries %.2f; %.1f %% of the base's replies are spoiled\n",
		r.HackResistance[0], r.HackResistance[1], 100*r.Spoiled)
	return err
}

// form is the fitted form in words.
func (c OveroptCurve) form() string {
	if c.Alpha == nil {
		return ""
	}
	law := "d·(α − β·d)"
	if c.Sampler == "ppo" {
		law = "d·(α − β·log d)"
	}
	text := fmt.Sprintf("; gold above the base's ≈ %s with α = %.3f, β = %.3f", law, *c.Alpha, *c.Beta)
	if c.FitKL == nil {
		return text + ", which has no peak"
	}
	return text + fmt.Sprintf(", peak %.3f at KL %.2f", *c.FitPeak, *c.FitKL)
}

// counted names the checks that spoke against models, most often first.
func counted(checks map[string]int) string {
	if len(checks) == 0 {
		return ": none"
	}
	names := slices.Sorted(maps.Keys(checks))
	slices.SortStableFunc(names, func(a, b string) int { return checks[b] - checks[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, checks[name])
	}
	return ": " + strings.Join(names, ", ")
}

// thinned returns about n of the points, the first and the last among them.
func thinned(points []OveroptPoint, n int) []OveroptPoint {
	step := max(1, (len(points)+n-2)/n)
	var some []OveroptPoint
	for i := 0; i < len(points); i += step {
		some = append(some, points[i])
	}
	if last := points[len(points)-1]; some[len(some)-1].N != last.N {
		some = append(some, last)
	}
	return some
}
