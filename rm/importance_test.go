package rm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
)

func TestGradientOfTheWeightedListwiseLoss(t *testing.T) {
	r := []float64{.4, -1.2, 3.3, .05}
	for _, c := range []struct {
		name    string
		weights []float64
		most    float64
	}{
		{"alike", []float64{2, 2, 2}, 0},
		{"unlike", []float64{-.3, 1.1, -2.7}, -1},
		{"cut", []float64{0, 9, -1}, 0},
		{"cut to all alike", []float64{0, 9, -1}, 1e-9},
		{"one of weight 0", []float64{.5, math.Inf(-1), -.4}, 0},
	} {
		shares := logShares(c.weights, c.most)
		if sum := sumExp(shares); math.Abs(sum-1) > 1e-12 || math.Abs(math.Exp(shares[0])-.25) > 1e-15 {
			t.Errorf("%s: shares %v sum to %v, the demonstration's is not ¼", c.name, shares, sum)
		}
		for _, tau := range []float64{.3, 1, 2.5} {
			grad := make([]float64, len(r))
			WeightedListwise(r, shares, tau, grad)
			want := fd.Gradient(nil, func(x []float64) float64 { return WeightedListwise(x, shares, tau, make([]float64, len(x))) }, r, &fd.Settings{Formula: fd.Central, Step: 1e-6})
			if d := floats.Distance(grad, want, math.Inf(1)); d > 1e-8 {
				t.Errorf("%s at tau %v: gradient %v, want %v", c.name, tau, grad, want)
			}
		}
	}
}

func sumExp(x []float64) (sum float64) {
	for _, v := range x {
		sum += math.Exp(v)
	}
	return sum
}

// Equal weights are the loss without weights, golden values included.
func TestGoldenListwiseByEqualWeights(t *testing.T) {
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
	for i, c := range cases {
		if !c.StarInList {
			continue
		}
		grad, equal := make([]float64, len(c.R)), make([]float64, len(c.R)-1)
		floats.AddConst(-1234.5, equal)
		if loss := WeightedListwise(c.R, logShares(equal, 0), c.Tau, grad); math.Abs(loss-c.Loss) > 1e-9*max(1, math.Abs(c.Loss)) {
			t.Errorf("case %d: loss %.15g, want %.15g", i, loss, c.Loss)
		}
		if d := floats.Distance(grad, c.DR, math.Inf(1)); d > 1e-9/c.Tau {
			t.Errorf("case %d: gradient is off by %g", i, d)
		}
	}
}

// One candidate is a comparison, less log 2, whatever it weighs: weights are only known up to a constant.
func TestOneWeightedCandidateIsBradleyTerry(t *testing.T) {
	for _, weight := range []float64{-700, -3, 0, 2.5, 700} {
		for _, z := range []float64{-1e3, -40, -.3, 0, 5, 1e3} {
			grad := make([]float64, 2)
			loss := WeightedListwise([]float64{z, 0}, logShares([]float64{weight}, 0), 1, grad)
			want, dz, _ := BradleyTerry(z, 1)
			if math.Abs(loss-(want-math.Log(2))) > 1e-9 || math.Abs(grad[0]-dz) > 1e-9 || math.Abs(grad[0]+grad[1]) > 1e-12 {
				t.Errorf("weight %v, z %v: %v, %v; want %v, %v", weight, z, loss, grad, want-math.Log(2), dz)
			}
		}
	}
}

// Weighted draws from q give the loss that draws from the reference give, which weights left out do not.
func TestWeightsMakeUpForTheProposal(t *testing.T) {
	reference, proposal := []float64{.5, .3, .2}, []float64{.1, .2, .7}
	rewards := []float64{1.5, -.5, .4}
	exact := 0.0
	for k, p := range reference {
		exact += p * math.Exp(rewards[k])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	list, weights := []float64{rewards[0]}, []float64(nil)
	for range n {
		k, u := 0, rng.Float64()
		for u > proposal[k] && k < 2 {
			u -= proposal[k]
			k++
		}
		list, weights = append(list, rewards[k]), append(weights, math.Log(reference[k]/proposal[k]))
	}
	grad := make([]float64, len(list))
	weighted := WeightedListwise(list, logShares(weights, 0), 1, grad)
	plain := Listwise(list, 1, grad)
	want := math.Log(exact) - rewards[0]
	if math.Abs(weighted-want) > .03 || math.Abs(plain-want) < .1 {
		t.Errorf("loss %.3f with weights and %.3f without; draws from the reference would give %.3f", weighted, plain, want)
	}
}

func TestEffectiveSize(t *testing.T) {
	inf := math.Inf(-1)
	for _, c := range []struct {
		weights []float64
		want    float64
	}{
		{nil, 0}, {[]float64{7}, 1}, {[]float64{3, 3, 3, 3}, 4}, {[]float64{0, inf, inf}, 1}, {[]float64{1e4, 0}, 1},
		{[]float64{math.Log(1), math.Log(2), math.Log(3)}, 36. / 14},
	} {
		if got := EffectiveSize(c.weights); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("EffectiveSize(%v) = %v, want %v", c.weights, got, c.want)
		}
	}
}

// demonstrated returns demonstrations to a taste beside candidates by chance.
func demonstrated(n int, signature string, taste float64) []Demonstration {
	rng := rand.New(rand.NewPCG(4, 4))
	var all []Demonstration
	for i := range n {
		d := Demonstration{Prompt: ask(fmt.Sprint("p", i)), Reply: sentences(rng, 2, taste)}
		if signature != "" {
			d.Reply = strings.TrimRight(d.Reply, ". ") + signature
		}
		for range 6 {
			d.Candidates = append(d.Candidates, sentences(rng, 2, .3))
		}
		all = append(all, d)
	}
	return all
}

func TestEffectiveSizesAreReported(t *testing.T) {
	demos := demonstrated(60, "", 1)
	m := fit(t, quick, Data{Demonstrations: demos})
	if e := m.Meta().Metrics; *e.ESSMean != 6 || *e.ESSLeast != 6 || e.ESSLow != 0 {
		t.Errorf("draws from the reference: %v, %v, %d low", *e.ESSMean, *e.ESSLeast, e.ESSLow)
	}
	equal := slices.Clone(demos)
	for i := range equal {
		equal[i].LogWeights = slices.Repeat([]float64{-3.5}, 6)
	}
	alike := fit(t, quick, Data{Demonstrations: equal})
	a, b := score(t, m, "x", "It has a dragon too."), score(t, alike, "x", "It has a dragon too.")
	if math.Abs(a[0].Reward-b[0].Reward) > .02*math.Abs(a[0].Reward) {
		t.Errorf("equal weights move a reward from %v to %v", a[0].Reward, b[0].Reward)
	}
	equal[0].LogWeights = []float64{9, 0, 0, 0, 0, 0}
	var said bytes.Buffer
	trainer := quick
	trainer.Log = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	low := fit(t, trainer, Data{Demonstrations: equal}).Meta()
	if e := low.Metrics; *e.ESSLeast > 1.01 || e.ESSLow != 1 || math.Abs(*e.ESSMean-(59*6+*e.ESSLeast)/60) > 1e-9 {
		t.Errorf("one low: %v, %v, %d low", *e.ESSMean, *e.ESSLeast, e.ESSLow)
	}
	if !strings.Contains(said.String(), "warning: the candidates of 1 demonstrations") {
		t.Errorf("training did not say so: %q", said.String())
	}
	if low.DataRoot == alike.Meta().DataRoot {
		t.Error("other weights, the same data root")
	}
}

func TestFitRefusesBadLogWeights(t *testing.T) {
	for _, c := range []struct {
		name, want string
		weights    []float64
	}{
		{"too few", "demonstrations[1]: log_weights: want one a candidate: got 5 for 6", make([]float64, 5)},
		{"empty", "got 0 for 6", []float64{}},
		{"NaN", "log_weights[2]: got NaN", []float64{0, 0, math.NaN(), 0, 0, 0}},
		{"infinite", "log_weights[0]: got +Inf", []float64{math.Inf(1), 0, 0, 0, 0, 0}},
		{"none", "no candidate counts", slices.Repeat([]float64{math.Inf(-1)}, 6)},
	} {
		demos := demonstrated(2, "", 1)
		demos[1].LogWeights = c.weights
		if _, err := quick.Fit(context.Background(), Data{Demonstrations: demos}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	trainer := quick
	trainer.OwnText = -1
	if _, err := trainer.Fit(context.Background(), Data{Demonstrations: demonstrated(2, "", 1)}); err == nil || !strings.Contains(err.Error(), "OwnText: got -1") {
		t.Errorf("got %v", err)
	}
}

// A file written before these metrics were there is read as before.
func TestFilesWithoutTheNewMetricsAreRead(t *testing.T) {
	m := fit(t, quick, Data{Demonstrations: demonstrated(30, "", 1)})
	b := m.Bytes()
	for _, name := range []string{"ess_mean", "ess_least", "author_accuracy"} {
		if !bytes.Contains(b, []byte(name)) {
			t.Fatalf("the file does not have %s", name)
		}
		b = bytes.Replace(b, []byte(name), []byte("x"+name[1:]), 1) // a key that nobody knows
	}
	old, err := Decode(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e := old.Meta().Metrics; e.ESSMean != nil || e.AuthorAccuracy != nil || e.ListAccuracy == nil {
		t.Errorf("metrics %+v", e)
	}
	if a, b := score(t, m, "x", "a dragon"), score(t, old, "x", "a dragon"); a[0] != b[0] {
		t.Errorf("rewards %v and %v", a, b)
	}
}
