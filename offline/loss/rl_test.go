package loss

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/diff/fd"
)

// goldenRL is what testdata/losses.json.gz has for reinforcement learning, from torch in float64.
type goldenRL struct {
	PPO []struct {
		Gamma, Lambda, Clip float64
		ValueClip           float64 `json:"value_clip"`
		Rewards, Values     []float64
		LastValue           float64 `json:"last_value"`
		Advantages, Returns []float64
		Whitened            []float64
		Old                 []float64 `json:"logp_old"`
		New                 []float64 `json:"logp_new"`
		NewValues           []float64 `json:"values_new"`
		Logits              [][]float64
		PolicyLoss          float64   `json:"policy_loss"`
		DLogp               []float64 `json:"d_logp_new"`
		ValueLoss           float64   `json:"value_loss"`
		DValues             []float64 `json:"d_values_new"`
		Entropy             float64
		DLogits             [][]float64 `json:"d_logits"`
		ClipFraction        float64     `json:"clip_fraction"`
		ApproxK1            float64     `json:"approx_kl_k1"`
		ApproxK3            float64     `json:"approx_kl_k3"`
	}
	Groups []struct {
		Rewards    []float64
		RLOO       []float64
		Epsilon    float64   `json:"grpo_eps"`
		Sample     []float64 `json:"grpo_std_sample"`
		Population []float64 `json:"grpo_std_population"`
		Dr         []float64 `json:"dr_grpo"`
	} `json:"group_advantages"`
}

func allNear(got, want []float64) bool {
	return slices.EqualFunc(got, want, near)
}

func TestPPOGolden(t *testing.T) {
	var g goldenRL
	decodeGolden(t, &g)
	if len(g.PPO) != 8 {
		t.Fatalf("%d rollouts", len(g.PPO))
	}
	for i, r := range g.PPO {
		if r.Lambda == 0 {
			r.Lambda = -1
		}
		advantages, returns := GAE{r.Gamma, r.Lambda}.Estimate(r.Rewards, r.Values, r.LastValue)
		if !allNear(advantages, r.Advantages) || !allNear(returns, r.Returns) {
			t.Errorf("rollout %d: advantages %v, returns %v, want %v, %v", i, advantages, returns, r.Advantages, r.Returns)
		}
		whitened := Whiten(advantages)
		if !allNear(whitened, r.Whitened) {
			t.Errorf("rollout %d: whitened %v, want %v", i, whitened, r.Whitened)
		}
		var policy, value, entropy, clipped float64
		n := float64(len(r.New))
		for k := range r.New {
			v, d, held := Clipped{r.Clip}.Token(r.New[k], r.Old[k], whitened[k])
			policy += v / n
			if held {
				clipped += 1 / n
			}
			if !near(d/n, r.DLogp[k]) {
				t.Errorf("rollout %d token %d: policy partial %v, want %v", i, k, d/n, r.DLogp[k])
			}
			v, d = ClippedValue{r.ValueClip}.Token(r.NewValues[k], r.Values[k], returns[k])
			value += v / n
			if !near(d/n, r.DValues[k]) {
				t.Errorf("rollout %d token %d: value partial %v, want %v", i, k, d/n, r.DValues[k])
			}
			dlogits := make([]float64, len(r.Logits[k]))
			entropy += Entropy(r.Logits[k], dlogits) / n
			for j, d := range dlogits {
				if !near(d/n, r.DLogits[k][j]) {
					t.Errorf("rollout %d token %d: entropy partial %d is %v, want %v", i, k, j, d/n, r.DLogits[k][j])
				}
			}
		}
		if !near(policy, r.PolicyLoss) || !near(value, r.ValueLoss) || !near(entropy, r.Entropy) {
			t.Errorf("rollout %d: losses %v, %v, entropy %v, want %v, %v, %v", i, policy, value, entropy, r.PolicyLoss, r.ValueLoss, r.Entropy)
		}
		k1, k3 := ApproxKL(r.New, r.Old)
		if !near(k1, r.ApproxK1) || !near(k3, r.ApproxK3) || !near(clipped, r.ClipFraction) {
			t.Errorf("rollout %d: clip fraction %v, KL %v, %v, want %v, %v, %v", i, clipped, k1, k3, r.ClipFraction, r.ApproxK1, r.ApproxK3)
		}
	}
}

func TestGroupAdvantagesGolden(t *testing.T) {
	var g goldenRL
	decodeGolden(t, &g)
	if len(g.Groups) != 8 {
		t.Fatalf("%d groups", len(g.Groups))
	}
	for i, c := range g.Groups {
		for name, pair := range map[string][2][]float64{
			"leave one out": {LeaveOneOut(c.Rewards), c.RLOO},
			"sample":        {GroupRelative{Epsilon: c.Epsilon}.Advantages(c.Rewards), c.Sample},
			"population":    {GroupRelative{Epsilon: c.Epsilon, Population: true}.Advantages(c.Rewards), c.Population},
			"Dr. GRPO":      {GroupRelative{Unscaled: true}.Advantages(c.Rewards), c.Dr},
		} {
			if !allNear(pair[0], pair[1]) {
				t.Errorf("group %d, %s: %v, want %v", i, name, pair[0], pair[1])
			}
		}
	}
}

func TestPartialsOfRL(t *testing.T) {
	central := &fd.Settings{Formula: fd.Central, Step: 1e-5}
	for name, c := range map[string]struct {
		f  func(x float64) (float64, float64)
		at []float64
	}{
		"policy, liked":    {func(x float64) (float64, float64) { v, d, _ := Clipped{.2}.Token(x, -1.5, 1.7); return v, d }, []float64{-2.3, -1.45, -1.37, -1.2}},
		"policy, disliked": {func(x float64) (float64, float64) { v, d, _ := Clipped{.3}.Token(x, -1.5, -.6); return v, d }, []float64{-2.3, -1.9, -1.45, -.2}},
		"value":            {func(x float64) (float64, float64) { return ClippedValue{.2}.Token(x, .5, 1.1) }, []float64{-.4, .45, .65, .9, 1.7}},
		"k1":               {func(x float64) (float64, float64) { return K1(x, -2.25) }, []float64{-7, -2.2, -.5}},
		"k3":               {func(x float64) (float64, float64) { return K3(x, -2.25) }, []float64{-5, -2.2, -.5}},
		"reverse KL":       {func(x float64) (float64, float64) { return ReverseKL(x, -1.75, -2.25) }, []float64{-5, -2.2, -1.75, -.5}},
	} {
		for _, x := range c.at {
			_, d := c.f(x)
			want := fd.Derivative(func(x float64) float64 { v, _ := c.f(x); return v }, x, central)
			if math.Abs(d-want) > 1e-8*(1+math.Abs(want)) {
				t.Errorf("%s at %v: %v, differences give %v", name, x, d, want)
			}
		}
	}
	for _, logits := range [][]float64{{.3, -1.2, 2, .75}, {-40, 3, 2.5}, {7}} {
		d := make([]float64, len(logits))
		Entropy(logits, d)
		want := fd.Gradient(nil, func(x []float64) float64 { return Entropy(x, nil) }, logits, central)
		for i := range d {
			if math.Abs(d[i]-want[i]) > 1e-8 {
				t.Errorf("entropy of %v: partials %v, differences give %v", logits, d, want)
			}
		}
	}
}

// Worked out by hand, γ = .5, λ = .5: δ₁ = 3 + .5·4 − 2 = 3, δ₀ = 1 + .5·2 − 1 = 1; A₁ = 3, A₀ = 1 + .25·3 = 1.75.
func TestGAEByHand(t *testing.T) {
	advantages, returns := GAE{Gamma: .5, Lambda: .5}.Estimate([]float64{1, 3}, []float64{1, 2}, 4)
	if !allNear(advantages, []float64{1.75, 3}) || !allNear(returns, []float64{2.75, 5}) {
		t.Errorf("advantages %v, returns %v", advantages, returns)
	}
	// With λ = γ = 1 it is the sum of what follows, less the value.
	rewards, values := []float64{.5, -1, 2, .25}, []float64{3, 1, -2, .5}
	advantages, _ = GAE{Gamma: 1, Lambda: 1}.Estimate(rewards, values, 0)
	for i := range rewards {
		sum := -values[i]
		for _, r := range rewards[i:] {
			sum += r
		}
		if !near(advantages[i], sum) {
			t.Errorf("step %d: %v, want %v", i, advantages[i], sum)
		}
	}
	// The defaults are γ = 1, λ = .95.
	a, _ := GAE{}.Estimate(rewards, values, 1)
	b, _ := GAE{1, .95}.Estimate(rewards, values, 1)
	if !slices.Equal(a, b) {
		t.Errorf("defaults: %v, want %v", a, b)
	}
	if a, r := (GAE{}).Estimate(nil, nil, 3); len(a) != 0 || len(r) != 0 {
		t.Error("an empty episode")
	}
}

// Under the policy that draws, k1, k3 and ρ·k3 are KL(π‖q) on average, and the partial of ρ·k3 is its gradient; that of k3 is not.
func TestKLOnAverage(t *testing.T) {
	p, q := []float64{.6, .3, .1}, []float64{.2, .3, .5}
	var kl, k1, k3, reverse, gradient, biased float64
	for i := range p {
		lp, lq := math.Log(p[i]), math.Log(q[i])
		kl += p[i] * (lp - lq)
		a, _ := K1(lp, lq)
		b, db := K3(lp, lq)
		c, dc := ReverseKL(lp, lp, lq)
		k1, k3, reverse = k1+p[i]*a, k3+p[i]*b, reverse+p[i]*c
		score := -p[0] // d log p_i / d logit₀
		if i == 0 {
			score++
		}
		gradient, biased = gradient+p[i]*dc*score, biased+p[i]*db*score
	}
	want := fd.Derivative(func(x float64) float64 {
		sum, kl := math.Exp(x)+1-p[0], 0.
		for i := range p {
			v := p[i] / sum
			if i == 0 {
				v = math.Exp(x) / sum
			}
			kl += v * math.Log(v/q[i])
		}
		return kl
	}, math.Log(p[0]), &fd.Settings{Formula: fd.Central, Step: 1e-6})
	if math.Abs(k1-kl) > 1e-12 || math.Abs(k3-kl) > 1e-12 || math.Abs(reverse-kl) > 1e-12 {
		t.Errorf("k1 %v, k3 %v, ρ·k3 %v, want %v", k1, k3, reverse, kl)
	}
	if math.Abs(gradient-want) > 1e-8 || math.Abs(biased-want) < .03 {
		t.Errorf("gradient %v, want %v; that of k3 alone is %v", gradient, want, biased)
	}
}

func TestPropertiesOfRL(t *testing.T) {
	rewards := []float64{3, -1, .5, 2, 2}
	for name, advantages := range map[string]func([]float64) []float64{
		"leave one out": LeaveOneOut, "whiten": Whiten, "grpo": GroupRelative{}.Advantages,
		"population": GroupRelative{Population: true}.Advantages, "Dr. GRPO": GroupRelative{Unscaled: true}.Advantages,
	} {
		sum, a := 0., advantages(rewards)
		for _, x := range a {
			sum += x
		}
		shifted := advantages([]float64{13, 9, 10.5, 12, 12})
		for i := range a {
			if math.Abs(a[i]-shifted[i]) > 1e-12 {
				t.Errorf("%s: shifted rewards gave %v, want %v", name, shifted, a)
			}
		}
		if math.Abs(sum) > 1e-12 || !(a[0] > a[3] && a[3] == a[4] && a[2] > a[1]) {
			t.Errorf("%s: %v", name, a)
		}
		for _, equal := range [][]float64{{.1, .1, .1}, {7, 7}, {1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9}, {-.3}, {}} {
			for _, x := range advantages(equal) {
				if math.Abs(x) > 1e-6 {
					t.Errorf("%s of equal rewards %v: %v", name, equal, x)
				}
			}
		}
	}
	if got := LeaveOneOut([]float64{1, 2, 6}); !allNear(got, []float64{-3, -1.5, 4.5}) {
		t.Errorf("leave one out: %v", got)
	}
	if e := Entropy([]float64{5, 5, 5, 5}, nil); !near(e, math.Log(4)) {
		t.Errorf("entropy of four equals: %v", e)
	}
	if got := ExplainedVariance([]float64{1, 2, 3}, []float64{2, 3, 4}); got != 1 {
		t.Errorf("values one below explain %v", got)
	}
	if got := ExplainedVariance([]float64{0, 0, 0}, []float64{2, 3, 4}); got != 0 {
		t.Errorf("a constant explains %v", got)
	}
	if got := ExplainedVariance([]float64{4, 3, 2}, []float64{2, 3, 4}); got != -3 {
		t.Errorf("the wrong way round explains %v", got)
	}
	if got := ExplainedVariance([]float64{4, 3}, []float64{2, 2}); got != 0 {
		t.Errorf("of constant returns: %v", got)
	}
}

// What pulls and what does not: a ratio beyond the clip in the direction of its advantage is left alone, the other way it is not.
func TestClipping(t *testing.T) {
	for _, c := range []struct {
		ratio, advantage float64
		pulls            bool
	}{{1, 1, true}, {1.3, 1, false}, {.7, 1, true}, {1.3, -1, true}, {.7, -1, false}, {1.1, -1, true}} {
		if _, d, held := (Clipped{}).Token(math.Log(c.ratio), 0, c.advantage); (d != 0) != c.pulls || held == c.pulls {
			t.Errorf("ratio %v, advantage %v: partial %v", c.ratio, c.advantage, d)
		}
	}
	if _, d := (ClippedValue{}).Token(.9, .5, 2); d != 0 {
		t.Errorf("a value that went %v of the way: partial %v", .4, d)
	}
	if v, d := (ClippedValue{}).Token(.1, .5, 2); d != -1.9 || !near(v, .5*1.9*1.9) {
		t.Errorf("a value that went the wrong way: %v, %v", v, d)
	}
}

func TestRLStaysFinite(t *testing.T) {
	for _, x := range []float64{-1e3, -1, 0} {
		for _, y := range []float64{-1e3, -1e-9, 0} {
			var all []float64
			add := func(v, d float64) { all = append(all, v, d) }
			for _, advantage := range []float64{3, -3} {
				v, d, _ := Clipped{}.Token(x, y, advantage)
				add(v, d)
			}
			add(K1(x, y))
			add(K3(x, y))
			add(ReverseKL(x, y, 0))
			add(ReverseKL(x, -1e3, y))
			add(ApproxKL([]float64{x}, []float64{y}))
			dlogits := make([]float64, 3)
			add(Entropy([]float64{x, y, 1e3}, dlogits), dlogits[0])
			for i, v := range all {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("value %d at (%v, %v) is %v", i, x, y, v)
				}
			}
		}
	}
}
