package study

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Plot saves a picture whose form the extension chooses: .png, .svg or .pdf. A column a sampler; above what people would give, with
// the fitted forms, below what the reward model gives, both over √KL.
func (r *OveroptResult) Plot(path string) error {
	var samplers []string
	for _, c := range r.Curves {
		if len(samplers) == 0 || samplers[len(samplers)-1] != c.Sampler {
			if !strings.Contains(strings.Join(samplers, " "), c.Sampler) {
				samplers = append(samplers, c.Sampler)
			}
		}
	}
	plots := [][]*plot.Plot{nil, nil}
	for i, name := range samplers {
		gold, proxy, err := r.panels(name, i == 0)
		if err != nil {
			return err
		}
		plots[0], plots[1] = append(plots[0], gold), append(plots[1], proxy)
	}
	width, height := vg.Length(len(samplers))*11*vg.Centimeter+vg.Centimeter, 15*vg.Centimeter
	canvas, err := draw.NewFormattedCanvas(width, height, strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if err != nil {
		return fmt.Errorf("draw picture: %w; want .png, .svg or .pdf", err)
	}
	pad := .4 * vg.Centimeter
	tiles := draw.Tiles{Rows: 2, Cols: len(samplers), PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad, PadX: 2 * pad, PadY: pad}
	for row, canvases := range plot.Align(plots, tiles, draw.New(canvas)) {
		for col, c := range canvases {
			plots[row][col].Draw(c)
		}
	}
	return writePicture(path, canvas)
}

func writePicture(path string, canvas vg.CanvasWriterTo) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save picture: %w", err)
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return fmt.Errorf("save picture: %w", err)
	}
	return f.Close()
}

// guardColors are told apart by people who do not see red and green alike.
var guardColors = map[string]color.Color{"off": color.RGBA{213, 94, 0, 255}, "on": color.RGBA{0, 114, 178, 255}}

// panels draws the two panels of a sampler.
func (r *OveroptResult) panels(sampler string, legend bool) (gold, proxy *plot.Plot, err error) {
	gold, proxy = plot.New(), plot.New()
	gold.Title.Text = map[string]string{"bon": "best-of-n", "ppo": "PPO"}[sampler]
	gold.Y.Label.Text, proxy.Y.Label.Text = "gold: what people would give", "proxy: the reward model's own (s.d.)"
	proxy.X.Label.Text = "distance from the base, √KL (KL in nats a reply)"
	gold.Y.Min, gold.Y.Max = 0, 1
	gold.Legend.Left, gold.Legend.Top = true, false
	gold.Legend.XOffs, gold.Legend.YOffs, gold.Legend.Padding = vg.Points(6), vg.Points(6), vg.Points(2)
	for _, p := range []*plot.Plot{gold, proxy} {
		p.Add(faintGrid())
		p.X.Min = 0
	}
	for _, c := range r.Curves {
		if c.Sampler != sampler {
			continue
		}
		if err := c.draw(gold, proxy, legend); err != nil {
			return nil, nil, err
		}
	}
	return gold, proxy, nil
}

func faintGrid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{230}, color.Gray{230}
	return g
}

// draw adds one curve to both panels.
func (c OveroptCurve) draw(gold, proxy *plot.Plot, legend bool) error {
	ink := guardColors[c.Guard]
	var worth, reward measuredPoints
	for _, p := range c.Points {
		d := math.Sqrt(p.KL)
		worth, reward = append(worth, measuredPoint{d, p.Gold, p.GoldSE}), append(reward, measuredPoint{x: d, y: p.Proxy})
	}
	whiskers, err := plotter.NewYErrorBars(worth)
	if err != nil {
		return err
	}
	whiskers.Color, whiskers.CapWidth = ink, vg.Points(3)
	path, dots, err := plotter.NewLinePoints(worth)
	if err != nil {
		return err
	}
	path.Color, dots.Color, dots.Shape, dots.Radius = ink, ink, draw.CircleGlyph{}, vg.Points(2.5)
	path.Width = vg.Points(.7)
	gold.Add(whiskers, path, dots)
	line, marks, err := plotter.NewLinePoints(reward)
	if err != nil {
		return err
	}
	line.Color, marks.Color, marks.Shape, marks.Radius = ink, ink, draw.CircleGlyph{}, vg.Points(2.5)
	proxy.Add(line, marks)
	if legend {
		gold.Legend.Add("guards "+c.Guard, path, dots)
	}
	if c.Alpha == nil {
		return nil
	}
	far := worth[len(worth)-1].x
	for _, p := range worth {
		far = math.Max(far, p.x)
	}
	form := plotter.NewFunction(func(d float64) float64 { return c.Points[0].Gold + c.fitted.At(math.Max(0, d)) })
	form.XMin, form.XMax, form.Samples = 0, far, 200
	form.Color, form.Width, form.Dashes = ink, vg.Points(1.5), []vg.Length{vg.Points(5), vg.Points(3)}
	gold.Add(form)
	if legend {
		gold.Legend.Add("  Gao et al.'s form", form)
	}
	return nil
}

// measuredPoint is a value with its standard error, at a distance.
type measuredPoint struct{ x, y, se float64 }

type measuredPoints []measuredPoint

func (m measuredPoints) Len() int                        { return len(m) }
func (m measuredPoints) XY(i int) (float64, float64)     { return m[i].x, m[i].y }
func (m measuredPoints) YError(i int) (float64, float64) { return m[i].se, m[i].se }
