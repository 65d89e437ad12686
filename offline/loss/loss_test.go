package loss

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/diff/fd"

	"plumb/chat"
)

// golden is testdata/losses.json.gz: values and partials from torch's automatic differentiation in float64.
type golden struct {
	Params struct {
		CDPO     float64 `json:"cdpo_epsilon"`
		Robust   float64 `json:"robust_epsilon"`
		EXO      float64 `json:"exo_epsilon"`
		DiscoPOP float64 `json:"discopop_tau"`
		SimPO    float64 `json:"simpo_gamma"`
	}
	DPO []struct {
		Beta        float64
		Chosen      []float64 `json:"logp_chosen"`
		Rejected    []float64 `json:"logp_rejected"`
		RefChosen   []float64 `json:"ref_chosen"`
		RefRejected []float64 `json:"ref_rejected"`
		NChosen     []int     `json:"n_chosen"`
		NRejected   []int     `json:"n_rejected"`
		Losses      map[string]struct {
			Value     []float64
			DChosen   []float64 `json:"d_chosen"`
			DRejected []float64 `json:"d_rejected"`
		}
	}
	KTO []struct {
		Beta        float64
		Desirable   float64 `json:"desirable_weight"`
		Undesirable float64 `json:"undesirable_weight"`
		Label       []bool
		Logp, Ref   []float64
		KLLogp      []float64 `json:"kl_logp"`
		KLRef       []float64 `json:"kl_ref"`
		KL, Loss    float64
		PerExample  []float64 `json:"per_example"`
		DLogp       []float64 `json:"d_logp"`
		APOLoss     float64   `json:"apo_zero_unpaired_loss"`
		APODLogp    []float64 `json:"apo_zero_unpaired_d_logp"`
	}
	BCO []struct {
		Rule        string
		Beta, Decay float64
		Desirable   float64 `json:"desirable_weight"`
		Undesirable float64 `json:"undesirable_weight"`
		Steps       []struct {
			Label       []bool
			Logp, Ref   []float64
			Delta, Loss float64
			DLogp       []float64 `json:"d_logp"`
		}
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	decodeGolden(t, &g)
	return g
}

func decodeGolden(t *testing.T, into any) {
	t.Helper()
	f, err := os.Open("testdata/losses.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// near compares within 1e-13 absolute (small values come from 1 − σ there) and 1e-12 relative.
func near(got, want float64) bool { return math.Abs(got-want) <= 1e-13+1e-12*math.Abs(want) }

func TestPairwiseGolden(t *testing.T) {
	g := readGolden(t)
	for _, set := range g.DPO {
		if len(set.Losses) != len(Names())-2 { // sft and sft_sum are terms, not in the file
			t.Errorf("the file has %d losses, the package %d", len(set.Losses), len(Names()))
		}
		for name, want := range set.Losses {
			t.Run(fmt.Sprintf("%s beta %v", name, set.Beta), func(t *testing.T) {
				l, err := Parse(strings.Replace(name, "ipo_mean", "ipo", 1), Options{Beta: set.Beta, Tau: g.Params.DiscoPOP, Gamma: g.Params.SimPO})
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range want.Value {
					got, dc, dr := l.Pair(Pair{set.Chosen[i], set.Rejected[i], set.RefChosen[i], set.RefRejected[i], set.NChosen[i], set.NRejected[i]})
					if !near(got, v) || !near(dc, want.DChosen[i]) || !near(dr, want.DRejected[i]) {
						t.Fatalf("vector %d: got %.17g (%.17g, %.17g), want %.17g (%.17g, %.17g)", i, got, dc, dr, v, want.DChosen[i], want.DRejected[i])
					}
				}
			})
		}
	}
}

func TestKTOGolden(t *testing.T) {
	for i, b := range readGolden(t).KTO {
		mismatched := make([]Example, len(b.KLLogp))
		for k := range mismatched {
			mismatched[k] = Example{Logp: b.KLLogp[k], Ref: b.KLRef[k]}
		}
		kto := KTO{b.Beta, b.Desirable, b.Undesirable}
		kl := kto.Point(mismatched)
		if !near(kl, b.KL) {
			t.Errorf("batch %d: KL %v, want %v", i, kl, b.KL)
		}
		var sum, apo float64
		n := float64(len(b.Label))
		for k, label := range b.Label {
			e := Example{b.Logp[k], b.Ref[k], label}
			v, d := kto.Example(e, kl)
			if !near(v, b.PerExample[k]) || !near(d/n, b.DLogp[k]) {
				t.Errorf("batch %d example %d: got %v (%v), want %v (%v)", i, k, v, d/n, b.PerExample[k], b.DLogp[k])
			}
			sum += v
			v, d = APOUnpaired{b.Beta, b.Desirable, b.Undesirable}.Example(e, math.NaN())
			if !near(d/n, b.APODLogp[k]) {
				t.Errorf("batch %d example %d: apo partial %v, want %v", i, k, d/n, b.APODLogp[k])
			}
			apo += v
		}
		if !near(sum/n, b.Loss) || !near(apo/n, b.APOLoss) {
			t.Errorf("batch %d: losses %v, %v, want %v, %v", i, sum/n, apo/n, b.Loss, b.APOLoss)
		}
	}
}

func TestBCOGolden(t *testing.T) {
	for i, b := range readGolden(t).BCO {
		delta := Delta{}
		if b.Rule == "ema" {
			delta.Decay = b.Decay
		}
		for s, step := range b.Steps {
			rewards := make([]float64, len(step.Logp))
			for k := range rewards {
				rewards[k] = b.Beta * (step.Logp[k] - step.Ref[k])
			}
			if got := delta.Update(rewards); !near(got, step.Delta) {
				t.Errorf("set %d step %d: delta %v, want %v", i, s, got, step.Delta)
			}
			sum, n := 0., float64(len(step.Logp))
			for k, label := range step.Label {
				v, d := BCO{b.Beta, b.Desirable, b.Undesirable}.Example(Example{step.Logp[k], step.Ref[k], label}, delta.Value)
				if sum += v; !near(d/n, step.DLogp[k]) {
					t.Errorf("set %d step %d example %d: partial %v, want %v", i, s, k, d/n, step.DLogp[k])
				}
			}
			if !near(sum/n, step.Loss) {
				t.Errorf("set %d step %d: loss %v, want %v", i, s, sum/n, step.Loss)
			}
		}
	}
}

// The closed forms of one pair, worked out by hand: Δ = 5, β = .1.
func TestClosedForm(t *testing.T) {
	p := Pair{Chosen: -12, Rejected: -20, RefChosen: -14, RefRejected: -17, NChosen: 10, NRejected: 16}
	for name, want := range map[string]float64{
		"dpo": .474076984, "cdpo": .524076984, "robust": .411576984, "hinge": .5, "ipo_sum": 0, "ipo": 21.275156250,
		"nca_pair": 1.274385926, "bco_pair": 1.152494114, "sppo_hard": 13, "apo_zero": .875723486,
		"apo_down": .927374666, "discopop": .606524647, "sigmoid_norm": .673959864, "simpo": .970967626,
	} {
		l, err := Parse(name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := l.Pair(p); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %.9f, want %.9f", name, got, want)
		}
	}
}

var asymmetric = []Pair{
	{-31.25, -40.5, -33, -37.75, 12, 29},
	{-80.125, -22.0625, -61.5, -25.25, 41, 7},
	{-3.5, -9.75, -2.25, -14.5, 5, 3},
}

func TestCentralDifferences(t *testing.T) {
	for _, name := range append(Names(), "0.7*robust+0.3*nca_pair+sft") {
		l, err := Parse(name, Options{Beta: .3})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range asymmetric {
			_, dc, dr := l.Pair(p)
			want := fd.Gradient(nil, func(x []float64) float64 {
				q := p
				q.Chosen, q.Rejected = x[0], x[1]
				v, _, _ := l.Pair(q)
				return v
			}, []float64{p.Chosen, p.Rejected}, &fd.Settings{Formula: fd.Central})
			if math.Abs(dc-want[0]) > 2e-7*(1+math.Abs(dc)) || math.Abs(dr-want[1]) > 2e-7*(1+math.Abs(dr)) {
				t.Errorf("%s at point %d: (%v, %v), differences give %v", name, i, dc, dr, want)
			}
		}
	}
	for _, l := range []Unpaired{KTO{Beta: .2, Desirable: 1.3, Undesirable: .6}, BCO{.2, .4, 0}, APOUnpaired{.2, 0, 2}} {
		for _, e := range []Example{{-20, -22.5, true}, {-20, -13.25, false}, {-7, -9.5, false}} {
			_, d := l.Example(e, .75)
			want := fd.Derivative(func(x float64) float64 {
				v, _ := l.Example(Example{x, e.Ref, e.Label}, .75)
				return v
			}, e.Logp, &fd.Settings{Formula: fd.Central})
			if math.Abs(d-want) > 1e-8 {
				t.Errorf("%T at %v: %v, differences give %v", l, e, d, want)
			}
		}
	}
}

func TestIdentities(t *testing.T) {
	for i, p := range asymmetric {
		want, wc, wr := Sigmoid{}.Pair(p)
		for _, l := range []Pairwise{CDPO{}, Robust{}, Mix{{1, Sigmoid{}}}} {
			if v, c, r := l.Pair(p); math.Abs(v-want) > 1e-12 || math.Abs(c-wc) > 1e-12 || math.Abs(r-wr) > 1e-12 {
				t.Errorf("%T at point %d without flips: %v, want the sigmoid loss %v", l, i, v, want)
			}
		}
		// A swapped pair is a flipped vote: E[robust] under flips is the clean loss.
		swapped := Pair{p.Rejected, p.Chosen, p.RefRejected, p.RefChosen, p.NRejected, p.NChosen}
		r := Robust{Epsilon: .2}
		clean, _, _ := r.Pair(p)
		flipped, _, _ := r.Pair(swapped)
		if got := .8*clean + .2*flipped; math.Abs(got-want) > 1e-12 {
			t.Errorf("point %d: expected robust loss %v, clean loss %v", i, got, want)
		}
		// The policy at its reference.
		p.RefChosen, p.RefRejected = p.Chosen, p.Rejected
		for _, l := range []Pairwise{Sigmoid{}, CDPO{Epsilon: .3}, Robust{Epsilon: .3}, SigmoidNorm{}} {
			if v, _, _ := l.Pair(p); math.Abs(v-math.Ln2) > 1e-12 {
				t.Errorf("%T with policy = reference: %v, want log 2", l, v)
			}
		}
	}
	// SLiC: no gradient once the margin is there.
	if v, c, r := (Hinge{Beta: 1}).Pair(Pair{Chosen: -1, Rejected: -9, RefChosen: -2, RefRejected: -2}); v != 0 || c != 0 || r != 0 {
		t.Errorf("hinge beyond its margin: %v, %v, %v", v, c, r)
	}
	if kl := (KTO{}).Point([]Example{{Logp: -9, Ref: -3}}); kl != 0 {
		t.Errorf("a negative KL estimate gave %v, want 0", kl)
	}
	if kl := (KTO{}).Point(nil); kl != 0 {
		t.Errorf("no mismatched pairs: %v, want 0", kl)
	}
}

func TestExtremesStayFinite(t *testing.T) {
	for _, name := range Names() {
		for _, beta := range []float64{.01, .1, 1, 10} {
			l, _ := Parse(name, Options{Beta: beta})
			for _, x := range []float64{-1e3, -300, -1, -1e-9, 0} {
				for _, y := range []float64{-1e3, -1, 0} {
					v, c, r := l.Pair(Pair{Chosen: x, Rejected: y, RefChosen: y, RefRejected: x, NChosen: 1, NRejected: 7})
					for _, f := range []float64{v, c, r} {
						if math.IsNaN(f) || math.IsInf(f, 0) {
							t.Errorf("%s beta %v at (%v, %v): %v, %v, %v", name, beta, x, y, v, c, r)
						}
					}
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	l, err := Parse("0.8*sigmoid + 0.2*bco_pair+sft", Options{Beta: .3})
	if err != nil {
		t.Fatal(err)
	}
	m, ok := l.(Mix)
	if !ok || len(m) != 3 || m[0] != (Term{.8, Sigmoid{.3}}) || m[2] != (Term{1, SFT{}}) || !l.Reference() {
		t.Errorf("got %#v", l)
	}
	if l, _ := Parse("simpo+sft", Options{}); l.Reference() {
		t.Error("simpo + sft wants a reference")
	}
	for _, c := range []struct {
		spec string
		o    Options
		want string
	}{
		{"ppo", Options{}, `got "ppo", want one of apo_down`},
		{"", Options{}, `got ""`},
		{"sigmoid+", Options{}, `got ""`},
		{"x*sigmoid", Options{}, `got weight "x"`},
		{"-1*sigmoid", Options{}, `got weight "-1"`},
		{"NaN*sigmoid", Options{}, `got weight "NaN"`},
		{"sigmoid", Options{Beta: math.NaN()}, "beta: got NaN"},
		{"sigmoid", Options{Beta: -1}, "beta: got -1"},
		{"cdpo", Options{Epsilon: .5}, "epsilon: got 0.5"},
	} {
		_, err := Parse(c.spec, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%q %+v: %v, want %q", c.spec, c.o, err, c.want)
		}
	}
}

func TestParseUnpaired(t *testing.T) {
	if l, err := ParseUnpaired("kto", Options{Beta: .2, Undesirable: 3}); err != nil || l != (KTO{Beta: .2, Undesirable: 3}) {
		t.Errorf("got %#v, %v", l, err)
	}
	if _, err := ParseUnpaired("sigmoid", Options{}); err == nil || !strings.Contains(err.Error(), "want one of apo_zero_unpaired, bco, kto") {
		t.Errorf("got %v", err)
	}
	if _, err := ParseUnpaired("bco", Options{Desirable: -1}); err == nil {
		t.Error("a negative weight was taken")
	}
}

func BenchmarkSigmoid(b *testing.B) {
	for b.Loop() {
		Sigmoid{}.Pair(asymmetric[0])
	}
}
