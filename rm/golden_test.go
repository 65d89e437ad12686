package rm

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// golden is testdata/golden.json.gz: optima by Newton's method and scipy, calibration by scikit-learn and scipy, all in
// double precision, on features and scores that are multiples of 1/256.
type golden struct {
	BradleyTerry struct {
		Lambda                 float64
		Chosen, Rejected       [][]float64
		Target, Margin, Weight []float64
		Cases                  []struct {
			Name            string
			W               []float64
			Loss, Accuracy  float64
			LaplaceVariance []float64 `json:"laplace_variance"`
			At              []struct {
				W, Gradient []float64
				Loss        float64
			}
		}
	} `json:"bradley_terry"`
	Calibration []struct {
		Name                 string
		Score, Label         []float64
		Temperature          float64
		NLLAtTemperature     float64 `json:"nll_at_temperature"`
		Platt                []float64
		NLLPlatt             float64 `json:"nll_platt"`
		LogLoss              float64 `json:"log_loss"`
		Brier                float64
		ECE15                float64 `json:"ece15"`
		ECE15Confidence      float64 `json:"ece15_confidence"`
		ECE15AfterTemp       float64 `json:"ece15_after_temperature"`
		Isotonic             goldenIsotonic
		IsotonicWeightedTies struct {
			Score, Weight []float64
			goldenIsotonic
		} `json:"isotonic_weighted_ties"`
	}
}

type goldenIsotonic struct {
	Query, Value []float64
	X            []float64 `json:"thresholds_x"`
	Y            []float64 `json:"thresholds_y"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	f, err := os.Open("testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// objectiveOf sets up a golden case as a fit does, all features dense.
func (g *golden) objectiveOf(name string) *objective {
	bt := &g.BradleyTerry
	m := &matrix{nd: len(bt.Chosen[0]), start: []int{0}}
	o := &objective{m: m, denseL2: bt.Lambda, sparseL2: bt.Lambda}
	for i := range bt.Chosen {
		m.dense = append(append(m.dense, bt.Chosen[i]...), bt.Rejected[i]...)
		m.start = append(m.start, 0, 0)
		c := comparison{a: int32(2 * i), b: int32(2*i + 1), target: 1, weight: 1}
		c.tie = (name == "ties" || name == "all") && bt.Target[i] == .5
		if name == "margins" || name == "all" {
			c.margin = bt.Margin[i]
		}
		if name == "weights" || name == "all" {
			c.weight = bt.Weight[i]
		}
		o.comparisons = append(o.comparisons, c)
	}
	return o
}

func TestGoldenOptima(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.BradleyTerry.Cases {
		t.Run(c.Name, func(t *testing.T) {
			o := g.objectiveOf(c.Name)
			grad := make([]float64, o.dims())
			for _, at := range c.At {
				loss := o.value(append(append([]float64(nil), at.W...), 0, 0), grad)
				if math.Abs(loss-at.Loss) > 1e-10*at.Loss {
					t.Errorf("loss %.12g, want %.12g", loss, at.Loss)
				}
				if d := floats.Distance(grad[:20], at.Gradient, math.Inf(1)); d > 1e-10 {
					t.Errorf("gradient is off by %g", d)
				}
			}
			w, err := o.minimise(nil, 1e-10, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if d := floats.Distance(w[:20], c.W, math.Inf(1)); d > 1e-7 {
				t.Errorf("optimum is off by %g", d)
			}
			if loss := o.value(w, grad); math.Abs(loss-c.Loss) > 1e-10*c.Loss {
				t.Errorf("loss at the optimum %.12g, want %.12g", loss, c.Loss)
			}
			right := 0.0
			for i := range o.comparisons {
				if o.rewards[2*i] > o.rewards[2*i+1] {
					right++
				}
			}
			if got := right / float64(len(o.comparisons)); math.Abs(got-c.Accuracy) > 1e-12 {
				t.Errorf("accuracy %v, want %v", got, c.Accuracy)
			}
			variance, err := o.laplace(w)
			if err != nil {
				t.Fatal(err)
			}
			if d := floats.Distance(variance[:20], c.LaplaceVariance, math.Inf(1)); d > 1e-9 {
				t.Errorf("Laplace variances are off by %g", d)
			}
		})
	}
}

func TestGoldenCalibration(t *testing.T) {
	near := func(t *testing.T, what string, got, want, tolerance float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s %.12g, want %.12g", what, got, want)
		}
	}
	for _, c := range readGolden(t).Calibration {
		t.Run(c.Name, func(t *testing.T) {
			temperature := Temperature(c.Score, c.Label)
			near(t, "temperature", temperature, c.Temperature, 1e-7)
			scaled := append([]float64(nil), c.Score...)
			floats.Scale(1/temperature, scaled)
			near(t, "log-loss at it", LogLoss(scaled, c.Label), c.NLLAtTemperature, 1e-12)
			a, b := Platt(c.Score, c.Label)
			near(t, "Platt a", a, c.Platt[0], 1e-7)
			near(t, "Platt b", b, c.Platt[1], 1e-7)
			near(t, "log-loss", LogLoss(c.Score, c.Label), c.LogLoss, 1e-12)
			p, q := probabilities(c.Score), probabilities(scaled)
			near(t, "Brier", Brier(p, c.Label), c.Brier, 1e-12)
			near(t, "ECE", ECE(p, c.Label, 15), c.ECE15, 1e-12)
			near(t, "ECE after temperature", ECE(q, c.Label, 15), c.ECE15AfterTemp, 1e-7)
			confidence, correct := Confidence(p, c.Label)
			near(t, "ECE of confidence", ECE(confidence, correct, 15), c.ECE15Confidence, 1e-12)
			sameIsotonic(t, FitIsotonic(c.Score, c.Label, nil), c.Isotonic)
			w := c.IsotonicWeightedTies
			sameIsotonic(t, FitIsotonic(w.Score, c.Label, w.Weight), w.goldenIsotonic)
		})
	}
}

func probabilities(scores []float64) []float64 {
	p := make([]float64, len(scores))
	for i, s := range scores {
		p[i] = sigmoid(s)
	}
	return p
}

func sameIsotonic(t *testing.T, f Isotonic, want goldenIsotonic) {
	t.Helper()
	if len(f.X) != len(want.X) || floats.Distance(f.X, want.X, math.Inf(1)) > 0 || floats.Distance(f.Y, want.Y, math.Inf(1)) > 1e-12 {
		t.Errorf("isotonic thresholds\n%v\n%v, want\n%v\n%v", f.X, f.Y, want.X, want.Y)
	}
	for i, q := range want.Query {
		if d := math.Abs(f.At(q) - want.Value[i]); d > 1e-12 {
			t.Errorf("isotonic at %v: %v, want %v", q, f.At(q), want.Value[i])
		}
	}
}

// laplace returns the variances of the weights in the normal approximation at w: the diagonal of the inverse Hessian of
// the comparisons' loss.
func (o *objective) laplace(w []float64) ([]float64, error) {
	nd := o.m.nd
	h := mat.NewSymDense(nd, nil)
	for j := range nd {
		h.SetSym(j, j, o.denseL2)
	}
	x := make([]float64, nd)
	for _, c := range o.comparisons {
		floats.SubTo(x, o.m.dense[int(c.a)*nd:int(c.a+1)*nd], o.m.dense[int(c.b)*nd:int(c.b+1)*nd])
		if c.tie {
			c.margin = 0
		}
		_, _, dzz := BradleyTerry(floats.Dot(x, w[:nd])-c.margin, c.target)
		h.SymRankOne(h, c.weight*dzz, mat.NewVecDense(nd, x))
	}
	var chol mat.Cholesky
	chol.Factorize(h)
	var inverse mat.SymDense
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, err
	}
	variance := make([]float64, nd)
	for j := range variance {
		variance[j] = inverse.At(j, j)
	}
	return variance, nil
}

func TestGoldenListwise(t *testing.T) {
	b, err := os.ReadFile("testdata/maxent_irl.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Tau        float64
		StarInList bool `json:"star_in_list"`
		R          []float64
		Loss       float64
		DR         []float64 `json:"d_r"`
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for i, c := range cases {
		if !c.StarInList { // ours always has the demonstration in the list, design: "n + 1"
			continue
		}
		checked++
		grad := make([]float64, len(c.R))
		if loss := Listwise(c.R, c.Tau, grad); math.Abs(loss-c.Loss) > 1e-12*max(1, math.Abs(c.Loss)) {
			t.Errorf("case %d: loss %.15g, want %.15g", i, loss, c.Loss)
		}
		if d := floats.Distance(grad, c.DR, math.Inf(1)); d > 1e-12/c.Tau {
			t.Errorf("case %d: gradient is off by %g", i, d)
		}
	}
	if checked == 0 {
		t.Fatal("no case was checked")
	}
}
