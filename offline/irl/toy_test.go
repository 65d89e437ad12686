package irl

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"plumb/chat"
	"plumb/rm"
)

// The toy language is all strings of up to four of the letters a to d: 341 of them, so that every sum over it is exact. A model
// of it draws a letter, or the end, given the last letter.
var toyStrings = func() []string {
	all := []string{""}
	for from, length := 0, 1; length <= 4; length++ {
		to := len(all)
		for _, s := range all[from:to] {
			for _, letter := range "abcd" {
				all = append(all, s+string(letter))
			}
		}
		from = to
	}
	return all
}()

// chances are the reference's: of a, b, c, d and the end, at the start and after each letter.
var chances = map[byte][5]float64{
	0: {.3, .25, .2, .15, .1}, 'a': {.1, .4, .2, .1, .2}, 'b': {.35, .05, .2, .2, .2}, 'c': {.2, .2, .1, .2, .3}, 'd': {.15, .15, .2, .1, .4},
}

// toyLogprob is the log-prob of a string, its end included, at a temperature of each letter's distribution.
func toyLogprob(s string, temperature float64) float64 {
	sum, last := 0., byte(0)
	step := func(k int) {
		total := 0.
		for _, p := range chances[last] {
			total += math.Pow(p, 1/temperature)
		}
		sum += math.Log(math.Pow(chances[last][k], 1/temperature) / total)
	}
	for i := range len(s) {
		step(int(s[i] - 'a'))
		last = s[i]
	}
	if len(s) < 4 {
		step(4)
	}
	return sum
}

// table is a distribution over the toy's strings: a source.
type table struct {
	logp  []float64
	until []float64 // cumulative
	at    map[string]int
}

func newTable(logp func(s string) float64) *table {
	t := &table{at: map[string]int{}}
	for i, s := range toyStrings {
		t.at[s] = i
		t.logp = append(t.logp, logp(s))
	}
	floats.AddConst(-logSumExp(t.logp), t.logp)
	sum := 0.
	for _, l := range t.logp {
		sum += math.Exp(l)
		t.until = append(t.until, sum)
	}
	return t
}

// tempered is the toy's model at a temperature.
func tempered(temperature float64) *table {
	return newTable(func(s string) float64 { return toyLogprob(s, temperature) })
}

// tilted is π·e^r, normalised.
func (t *table) tilted(reward map[string]float64) *table {
	return newTable(func(s string) float64 { return t.logp[t.at[s]] + reward[s] })
}

func (t *table) one(u float64) string {
	return toyStrings[min(sort.SearchFloat64s(t.until, u), len(toyStrings)-1)]
}

func (t *table) draw(_ context.Context, _ []chat.Message, seeds []int64) ([]candidate, error) {
	var all []candidate
	for _, seed := range seeds {
		all = append(all, candidate{text: t.one(rand.New(rand.NewPCG(uint64(seed), 1)).Float64())})
	}
	return all, nil
}

func (t *table) logprobs(_ context.Context, _ []chat.Message, candidates []candidate) ([]float64, error) {
	var all []float64
	for _, c := range candidates {
		all = append(all, t.logp[t.at[c.text]])
	}
	return all, nil
}

// logZ is the exact log Σ π·e^r.
func (t *table) logZ(reward map[string]float64) float64 {
	terms := make([]float64, len(toyStrings))
	for i, s := range toyStrings {
		terms[i] = t.logp[i] + reward[s]
	}
	return logSumExp(terms)
}

// toyFeatures count what the planted reward is linear in.
type toyFeatures struct{}

func (toyFeatures) Spec() rm.Spec {
	return rm.Spec{Name: "toy", Version: 1, Dense: []string{"a", "b", "c", "d", "ab", "ends with c", "begins with d"}}
}

func (toyFeatures) of(s string) []float64 {
	dense := make([]float64, 7)
	for j, part := range []string{"a", "b", "c", "d", "ab"} {
		dense[j] = float64(strings.Count(s, part))
	}
	if strings.HasSuffix(s, "c") {
		dense[5] = 1
	}
	if strings.HasPrefix(s, "d") {
		dense[6] = 1
	}
	return dense
}

func (f toyFeatures) Extract(_ context.Context, _ []chat.Message, replies []string, row func(int, rm.Row)) error {
	for i, s := range replies {
		row(i, rm.Row{Dense: f.of(s)})
	}
	return nil
}

// planted is the reward that demonstrators of the toy have in mind.
func planted() map[string]float64 {
	weights := []float64{.83, -.61, .37, -.19, 1.07, 1.43, -1.29}
	reward := map[string]float64{}
	for _, s := range toyStrings {
		reward[s] = floats.Dot(weights, toyFeatures{}.of(s))
	}
	return reward
}

func scaled(reward map[string]float64, by float64) map[string]float64 {
	out := map[string]float64{}
	for s, r := range reward {
		out[s] = r * by
	}
	return out
}

// toyDemonstrations are n prompts with a reply each, drawn from π_ref·e^{r/τ}.
func toyDemonstrations(n int, tau float64) []rm.Demonstration {
	expert := tempered(1).tilted(scaled(planted(), 1/tau))
	random := rand.New(rand.NewPCG(11, 7))
	var all []rm.Demonstration
	for i := range n {
		all = append(all, rm.Demonstration{Prompt: []chat.Message{{Role: chat.User, Content: fmt.Sprintf("toy %d", i)}}, Reply: expert.one(random.Float64())})
	}
	return all
}

// toyLearning is a learning over the toy in place of a language model.
func toyLearning(temperature, tau float64, candidates int) *learning {
	reference := tempered(1)
	first := reference
	if temperature != 1 {
		first = tempered(temperature)
	}
	l := Learner{Rounds: 1, Candidates: candidates, MaxTokens: 4,
		Trainer: rm.Trainer{Features: toyFeatures{}, Tau: tau, Heads: 1, DensePrior: 3, SparsePrior: 1, Canaries: -1, Log: func(string, ...any) {}}}
	return &learning{Learner: l, reference: reference, first: first}
}

// learned returns what a reward model says of every string.
func learned(t *testing.T, m *rm.Model) map[string]float64 {
	t.Helper()
	scored, err := m.Score(context.Background(), nil, toyStrings)
	if err != nil {
		t.Fatal(err)
	}
	reward := map[string]float64{}
	for i, s := range toyStrings {
		reward[s] = scored[i].Reward
	}
	return reward
}

// kendall is the rank correlation of two rewards over all strings.
func kendall(a, b map[string]float64) float64 {
	var x, y []float64
	for _, s := range toyStrings {
		x, y = append(x, a[s]), append(y, b[s])
	}
	return stat.Kendall(x, y, nil)
}

// distance is the root mean square of the difference of two rewards under π, less its mean: rewards have no zero.
func (t *table) distance(a, b map[string]float64) float64 {
	var d, p []float64
	for i, s := range toyStrings {
		d, p = append(d, a[s]-b[s]), append(p, math.Exp(t.logp[i]))
	}
	_, variance := stat.PopMeanVariance(d, p)
	return math.Sqrt(variance)
}

func TestToyIsADistribution(t *testing.T) {
	for _, temperature := range []float64{.6, 1, 1.7} {
		sum := 0.
		for _, s := range toyStrings {
			sum += math.Exp(toyLogprob(s, temperature))
		}
		if len(toyStrings) != 341 || math.Abs(sum-1) > 1e-12 {
			t.Fatalf("%d strings of total probability %v", len(toyStrings), sum)
		}
	}
}

// From demonstrations of π_ref·e^{r/τ} alone the planted reward comes back: its ranking, and its values in units of τ, whatever
// temperature the candidates were drawn at.
func TestRecoversAPlantedReward(t *testing.T) {
	for _, c := range []struct {
		name             string
		temperature, tau float64
	}{
		{"candidates of the reference", 1, 1},
		{"another tau", 1, 2},
		{"hotter candidates", 1.6, 1},
		{"colder candidates", .75, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := toyLearning(c.temperature, c.tau, 8)
			m, err := s.learn(context.Background(), Data{Demonstrations: toyDemonstrations(3000, c.tau)})
			if err != nil {
				t.Fatal(err)
			}
			truth, got := planted(), learned(t, m)
			tau, off := kendall(truth, got), s.reference.(*table).distance(got, scaled(truth, 1/c.tau))
			spread := s.reference.(*table).distance(scaled(truth, 1/c.tau), nil)
			t.Logf("Kendall τ %.3f; off by %.3f of a spread of %.3f; ESS %.1f of 8, least %.1f", tau, off, spread, *s.report.ESSMean, *s.report.ESSLeast)
			if tau < .9 {
				t.Errorf("Kendall τ %.3f, want ≥ .9", tau)
			}
			if off > .2*spread {
				t.Errorf("rewards are off by %.3f of a spread of %.3f", off, spread)
			}
		})
	}
}

// Without weights, candidates of another temperature teach what their temperature looks like.
func TestWeightsAreNeeded(t *testing.T) {
	demos := toyDemonstrations(3000, 1)
	off := func(weighted bool) float64 {
		s := toyLearning(.6, 1, 8)
		reference := s.reference.(*table)
		if !weighted {
			s.reference = s.first
		}
		m, err := s.learn(context.Background(), Data{Demonstrations: demos})
		if err != nil {
			t.Fatal(err)
		}
		return reference.distance(learned(t, m), planted())
	}
	with, without := off(true), off(false)
	t.Logf("off by %.3f with weights, %.3f without", with, without)
	if with > .7*without {
		t.Errorf("off by %.3f with weights, %.3f without", with, without)
	}
}

// The estimate of log Z lies within three standard errors of the exact sum, which themselves are right, for draws of the reference
// and of other temperatures.
func TestLogZ(t *testing.T) {
	reference, reward := tempered(1), planted()
	exact := reference.logZ(reward)
	for _, temperature := range []float64{1, .75, 1.5, 2.5} {
		q := tempered(temperature)
		within, errors, squares := 0, 0., 0.
		const runs, n = 200, 2000
		for run := range runs {
			random := rand.New(rand.NewPCG(3, uint64(run)))
			var rewards, weights []float64
			for range n {
				s := q.one(random.Float64())
				rewards, weights = append(rewards, reward[s]), append(weights, reference.logp[q.at[s]]-q.logp[q.at[s]])
			}
			if temperature == 1 {
				weights = nil
			}
			z, se := LogZ(rewards, weights)
			if math.Abs(z-exact) <= 3*se {
				within++
			}
			errors += se / runs
			squares += (z - exact) * (z - exact) / runs
		}
		t.Logf("temperature %v: exact %.4f, error %.4f, said %.4f; %d of %d within three", temperature, exact, math.Sqrt(squares), errors, within, runs)
		if within < runs*98/100 || errors > .2 || math.Abs(math.Sqrt(squares)/errors-1) > .25 {
			t.Errorf("temperature %v: %d of %d within three standard errors; error %.4f, said %.4f", temperature, within, runs, math.Sqrt(squares), errors)
		}
	}
	if z, se := LogZ([]float64{2.5}, nil); z != 2.5 || !math.IsNaN(se) {
		t.Errorf("one candidate: %v ± %v", z, se)
	}
	if z, se := LogZ([]float64{700, 700, 700}, []float64{900, 900, -900}); math.Abs(z-700) > 1e-9 || math.IsNaN(se) {
		t.Errorf("huge rewards: %v ± %v", z, se)
	}
}

// What a Learner reports of log Z is right for the reward it learned.
func TestRoundsReportLogZ(t *testing.T) {
	for _, temperature := range []float64{1, 1.5} {
		s := toyLearning(temperature, 1, 64)
		m, err := s.learn(context.Background(), Data{Demonstrations: toyDemonstrations(150, 1)})
		if err != nil {
			t.Fatal(err)
		}
		exact, r := s.reference.(*table).logZ(learned(t, m)), s.report.Rounds[0]
		if math.Abs(r.LogZ-exact) > 3*r.LogZSE || r.LogZSE > .05 {
			t.Errorf("temperature %v: log Z %.4f ± %.4f, exactly %.4f", temperature, r.LogZ, r.LogZSE, exact)
		}
	}
}

// Rounds of reward and policy end where the policy draws as the demonstrators did, and the reward is right all the way though its
// candidates come from three policies.
func TestRoundsComeToTheDemonstrations(t *testing.T) {
	s := toyLearning(1, 1, 8)
	s.Rounds = 3
	s.improve = func(_ context.Context, reward Rewarder) (source, error) {
		return s.reference.(*table).tilted(learned(t, reward.(*rm.Model))), nil // what PPO comes to with all the time there is
	}
	m, err := s.learn(context.Background(), Data{Demonstrations: toyDemonstrations(1000, 1)})
	if err != nil {
		t.Fatal(err)
	}
	rounds := s.report.Rounds
	for i, r := range rounds {
		t.Logf("round %d: gap %.3f, fresh %.3f, gain %.3f, log Z %.3f ± %.3f, ESS %.1f of %d", i, r.Gap, r.FreshGap, r.Gain, r.LogZ, r.LogZSE, *r.ESSMean, 8*(i+1))
	}
	if len(rounds) != 3 || rounds[2].Candidates != 3*8*1000 {
		t.Fatalf("rounds %+v", rounds)
	}
	if first, last := rounds[0].FreshGap, rounds[2].FreshGap; math.Abs(last) > .15*first {
		t.Errorf("demonstrations lead the policy by %.3f, at first by %.3f", last, first)
	}
	truth, got := planted(), learned(t, m)
	if tau := kendall(truth, got); tau < .9 {
		t.Errorf("Kendall τ %.3f, want ≥ .9", tau)
	}
	exact := s.reference.(*table).logZ(got)
	if last := rounds[2]; math.Abs(last.LogZ-exact) > 3*last.LogZSE+.05 { // the logarithm of 24 draws is a little low
		t.Errorf("log Z %.4f ± %.4f, exactly %.4f", last.LogZ, last.LogZSE, exact)
	}
}

// The balance heuristic: weights are those of the mixture, and bounded by it.
func TestLogWeights(t *testing.T) {
	reference, q := tempered(1), tempered(.5)
	p := &pool{}
	for k, s := range []*table{reference, q} {
		var seeds []int64
		for i := range 10 * (k + 1) {
			seeds = append(seeds, int64(i))
		}
		fresh, _ := s.draw(context.Background(), nil, seeds)
		p.add(fresh)
		if err := p.weigh(context.Background(), reference, []source{reference, q}[:k+1]); err != nil {
			t.Fatal(err)
		}
		for j, w := range p.logWeights() {
			at := reference.at[p.all[j].text]
			want := 0.
			if k == 1 {
				want = reference.logp[at] - math.Log(math.Exp(reference.logp[at])/3+2*math.Exp(q.logp[at])/3)
			}
			if math.Abs(w-want) > 1e-12 || w > math.Log(3)+1e-12 {
				t.Errorf("source %d, candidate %d: weight %v, want %v", k, j, w, want)
			}
		}
	}
}
