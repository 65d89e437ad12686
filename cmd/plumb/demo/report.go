package demo

import (
	"fmt"
	"image/color"
	"io"
	"text/tabwriter"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Table writes the result as a person reads it.
func (r *Result) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nHidden taste %q: %s. %d votes, %d of them wrong.\n\n", r.Taste, r.Doc, r.Votes, r.Wrong)
	fmt.Fprintf(t, "held-out prompts\tto the taste\t95 %% interval\treward\twords\treplies\n")
	for _, c := range r.Rows {
		reward := "–"
		if c.Reward != nil {
			reward = fmt.Sprintf("%.2f", *c.Reward)
		}
		fmt.Fprintf(t, "%s\t%.0f %%\t%.0f–%.0f %%\t%s\t%.0f\t%d\n", c.Name, 100*c.Share, 100*c.Lo, 100*c.Hi, reward, c.Words, c.Replies)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nRun: %s, from %d pairs.", r.Decision, r.Pairs)
	if r.Why != "" {
		fmt.Fprintf(w, " %s.", r.Why)
	}
	if r.NLL != nil {
		fmt.Fprintf(w, " Neutral text became %+.1f %% harder (NLL).", 100**r.NLL)
	}
	if len(r.Rows) > 2 {
		fmt.Fprintf(w, " Rolling back restored the base's replies: %v.", r.Restored)
	}
	if r.SpeedBefore > 0 && r.SpeedWhile > 0 {
		fmt.Fprintf(w, " Chat kept %.0f %% of its speed while the run trained.", 100*r.SpeedWhile/r.SpeedBefore)
	}
	_, err := fmt.Fprintf(w, " %.0f seconds in all.\n", r.Seconds)
	return err
}

// Plot saves a picture (the extension chooses the form: .png, .svg, .pdf): for each play one group of bars, the share of
// replies to the taste under each condition, with its 95 % interval.
func Plot(path string, results []*Result) error {
	p := plot.New()
	p.Title.Text = "Replies to the hidden taste, on prompts nobody voted on"
	p.Y.Label.Text = "share of replies (95 % interval)"
	p.Y.Min, p.Y.Max = 0, 1.4 // room for the legend
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: .25}, {Value: .5, Label: "0.5"}, {Value: .75}, {Value: 1, Label: "1"}}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), vg.Points(-4)
	colors := map[string]color.Color{
		Base: color.RGBA{150, 150, 150, 255}, Search: color.RGBA{86, 180, 233, 255}, Trained: color.RGBA{0, 158, 115, 255},
		TrainedBest: color.RGBA{0, 114, 178, 255}, RolledBack: color.RGBA{210, 210, 210, 255},
	}
	const group = 6 * vg.Centimeter // of one taste's bars
	width := group * .16
	names := make([]string, len(results))
	for g, r := range results {
		names[g] = r.Taste
		for i, c := range r.Rows {
			offset := (float64(i) - float64(len(r.Rows)-1)/2) * .16
			bar, err := plotter.NewBarChart(plotter.Values{c.Share}, width)
			if err != nil {
				return err
			}
			bar.XMin, bar.Color, bar.LineStyle.Width = float64(g)+offset, colors[c.Name], 0
			whisker, err := plotter.NewYErrorBars(interval95{float64(g) + offset, c})
			if err != nil {
				return err
			}
			p.Add(bar, whisker)
			if g == 0 {
				p.Legend.Add(c.Name, bar)
			}
		}
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -.5, float64(len(results))-.5
	return p.Save(vg.Length(len(results))*group*1.1+3*vg.Centimeter, 10*vg.Centimeter, path)
}

// interval95 is one bar's interval, in the form that plotter wants.
type interval95 struct {
	x float64
	c Condition
}

func (interval95) Len() int                        { return 1 }
func (i interval95) XY(int) (float64, float64)     { return i.x, i.c.Share }
func (i interval95) YError(int) (float64, float64) { return i.c.Share - i.c.Lo, i.c.Hi - i.c.Share }
