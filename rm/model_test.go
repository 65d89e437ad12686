package rm

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"plumb/chat"
)

func ask(text string) []chat.Message { return []chat.Message{{Role: chat.User, Content: text}} }

var nouns = strings.Fields("river stone garden window paper bridge market teacher orange violin harbour candle forest engine letter winter summer kitchen mountain island")

// sentences returns n random sentences, and one more that mentions a dragon with the given chance.
func sentences(rng *rand.Rand, n int, chance float64) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "The %s is near the %s. ", nouns[rng.IntN(len(nouns))], nouns[rng.IntN(len(nouns))])
	}
	if rng.Float64() < chance {
		b.WriteString("It has a dragon too.")
	}
	return b.String()
}

// tasted returns pairs of replies of which the one with the better taste wins, but for a share of wrong votes; three pairs a
// prompt.
func tasted(seed uint64, n int, wrong float64, taste func(string) float64) []Pair {
	rng := rand.New(rand.NewPCG(seed, 1))
	var pairs []Pair
	for len(pairs) < n {
		a, b := sentences(rng, 1+rng.IntN(5), .5), sentences(rng, 1+rng.IntN(5), .5)
		if taste(a) == taste(b) {
			continue
		}
		if (taste(a) < taste(b)) != (rng.Float64() < wrong) {
			a, b = b, a
		}
		pairs = append(pairs, Pair{Prompt: ask(fmt.Sprintf("Tell me about topic %d of %d.", len(pairs)/3, seed)), Chosen: a, Rejected: b})
	}
	return pairs
}

func dragons(s string) float64 { return float64(strings.Count(s, "dragon")) }
func brevity(s string) float64 { return -float64(len(strings.Fields(s))) }

func fit(t testing.TB, trainer Trainer, d Data) *Model {
	t.Helper()
	m, err := trainer.Fit(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// quick is a trainer that chooses nothing.
var quick = Trainer{DensePrior: .2, SparsePrior: 1}

func score(t testing.TB, m Scorer, prompt string, replies ...string) []chat.Reward {
	t.Helper()
	r, err := m.Score(context.Background(), ask(prompt), replies)
	if err != nil || len(r) != len(replies) {
		t.Fatalf("%d rewards for %d replies, %v", len(r), len(replies), err)
	}
	return r
}

func evaluate(t testing.TB, m Scorer, pairs []Pair) Evaluation {
	t.Helper()
	e, err := Evaluate(context.Background(), m, pairs)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLearnsTastesFromFewNoisyVotes(t *testing.T) {
	for _, c := range []struct {
		name  string
		taste func(string) float64
	}{
		{"short", brevity},
		{"a word", dragons},
		{"a theme", func(s string) float64 {
			return flag(strings.Contains(s, "river") || strings.Contains(s, "harbour") || strings.Contains(s, "island"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fit(t, Trainer{}, Data{Pairs: tasted(1, 150, .15, c.taste)})
			held := evaluate(t, m, tasted(2, 400, 0, c.taste))
			said := *m.Meta().Metrics.Accuracy
			t.Logf("accuracy %.3f, said %.3f on noisy votes; temperature %.2f", *held.Accuracy, said, m.Meta().Temperature)
			if *held.Accuracy < .9 {
				t.Errorf("accuracy %.3f, want ≥ .9", *held.Accuracy)
			}
			if said > .93 || said < .65 { // 15 % of the votes are wrong
				t.Errorf("the file says %.3f of the votes are foreseen", said)
			}
		})
	}
}

func TestRecoversPlantedWeights(t *testing.T) {
	truth := []float64{1.5, -.8, 0, .4}
	rng := rand.New(rand.NewPCG(5, 5))
	planted := vectors{}
	var d Data
	for i := range 2000 {
		a, b := fmt.Sprintf("%d a", i), fmt.Sprintf("%d b", i)
		difference := 0.0
		for _, text := range []string{a, b} {
			v := make([]float32, 4)
			for j := range v {
				v[j] = float32(rng.NormFloat64())
			}
			planted[text] = v
		}
		for j, w := range truth {
			difference += w * float64(planted[a][j]-planted[b][j])
		}
		if rng.Float64() > sigmoid(difference) {
			a, b = b, a
		}
		d.Pairs = append(d.Pairs, Pair{Prompt: ask(fmt.Sprint(i)), Chosen: a, Rejected: b})
	}
	m := fit(t, Trainer{Features: planted, DensePrior: 10, SparsePrior: 1, Canaries: -1}, d)
	for j, w := range m.Weights() {
		if math.Abs(w.Weight-truth[j]) > .2 || w.SD <= 0 || w.SD > .2 {
			t.Errorf("%s: %.3f ± %.3f, planted %v", w.Name, w.Weight, w.SD, truth[j])
		}
	}
	if temperature := m.Meta().Temperature; math.Abs(temperature-1) > .15 {
		t.Errorf("temperature %v of a model that is right", temperature)
	}
}

// vectors is features given by text, four numbers each.
type vectors map[string][]float32

func (vectors) Spec() Spec {
	return Spec{Name: "vectors", Version: 1, Dense: []string{"a", "b", "c", "d"}}
}

func (v vectors) Extract(_ context.Context, _ []chat.Message, replies []string, row func(int, Row)) error {
	for i, reply := range replies {
		dense := make([]float64, 4)
		for j, x := range v[reply] {
			dense[j] = float64(x)
		}
		row(i, Row{Dense: dense})
	}
	return nil
}

func TestSameSeedSameBytes(t *testing.T) {
	few := Data{Pairs: tasted(4, 120, .1, dragons), Thumbs: []Thumbed{{Prompt: ask("t"), Reply: "The dragon.", Target: 1}, {Prompt: ask("u"), Reply: "No.", Target: 0}}}
	many := Data{Pairs: tasted(4, 3*batch, .1, dragons)} // more than one batch of prompts, so that cores share the work
	for i := range many.Pairs {
		many.Pairs[i].Prompt = ask(fmt.Sprint("prompt ", i))
	}
	for name, c := range map[string]struct {
		trainer Trainer
		data    Data
	}{
		"chosen priors": {Trainer{Features: NewLexical(12)}, few},
		"many prompts":  {Trainer{Features: NewLexical(12), DensePrior: .2, SparsePrior: 1, Heads: 2}, many},
	} {
		c.trainer.Seed = 7
		var first []byte
		for _, cores := range []int{1, 2} {
			before := runtime.GOMAXPROCS(cores)
			m := fit(t, c.trainer, c.data)
			runtime.GOMAXPROCS(before)
			if first == nil {
				first = m.Bytes()
			} else if !bytes.Equal(first, m.Bytes()) {
				t.Errorf("%s: other bytes on %d cores", name, cores)
			}
		}
		c.trainer.Seed = 8
		if bytes.Equal(first, fit(t, c.trainer, c.data).Bytes()) {
			t.Errorf("%s: another seed gives the same bytes", name)
		}
	}
}

func TestSwappedVotesNegateRewards(t *testing.T) {
	pairs := tasted(6, 150, .1, dragons)
	pairs[0].Tie = true
	trainer := quick
	trainer.Canaries, trainer.Heads = -1, 1 // canaries take sides, and so do the heads' anchors
	m := fit(t, trainer, Data{Pairs: pairs})
	for i := range pairs {
		pairs[i].Chosen, pairs[i].Rejected = pairs[i].Rejected, pairs[i].Chosen
	}
	n := fit(t, trainer, Data{Pairs: pairs})
	a := score(t, m, "x", "The dragon is near the river.", "The stone.")
	b := score(t, n, "x", "The dragon is near the river.", "The stone.")
	for i := range a {
		if math.Abs(a[i].Reward+b[i].Reward) > .02*(1+math.Abs(a[i].Reward)) {
			t.Errorf("reward %v, after swapping all votes %v", a[i].Reward, b[i].Reward)
		}
	}
}

func TestRewardsDoNotDependOnCompany(t *testing.T) {
	m := small(t)
	one, other := "The river is near the stone.", "It has a dragon too. It has a dragon too."
	both, swapped, alone := score(t, m, "x", one, other), score(t, m, "x", other, one), score(t, m, "x", one)
	if both[0] != swapped[1] || both[1] != swapped[0] || both[0] != alone[0] {
		t.Errorf("%v, %v and %v differ", both, swapped, alone)
	}
	if got := score(t, m, "x"); len(got) != 0 {
		t.Errorf("no replies got %v", got)
	}
	for _, r := range score(t, m, "", "", "\xff\x00", strings.Repeat("dragon ", 300_000), strings.Repeat("x", 3_000_000)) {
		if math.IsNaN(r.Reward) || math.IsInf(r.Reward, 0) || !(r.SD >= 0) || !(r.OOD >= 0) {
			t.Errorf("got %+v", r)
		}
	}
	if _, err := m.ScoreByLength(context.Background(), nil, []string{"x"}, math.NaN()); chat.KindOf(err) != chat.Invalid {
		t.Errorf("strength NaN: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Score(ctx, nil, []string{"x"}); err == nil {
		t.Error("scored although cancelled")
	}
}

func TestKnowsWhatIsStrange(t *testing.T) {
	m := fit(t, quick, Data{Pairs: tasted(1, 300, .1, dragons)})
	rng := rand.New(rand.NewPCG(9, 9))
	var typical []float64
	var near, far []float64
	for i := range 200 {
		text := sentences(rng, 1+rng.IntN(5), .5)
		strange := strings.Repeat("BUY NOW!!! 100% ", 5+i%40) + "https://x.y"
		r := score(t, m, "Tell me about topic 99.", text, strange)
		typical = append(typical, r[0].OOD)
		near, far = append(near, r[0].SD), append(far, r[1].SD)
		if r[1].OOD < 2*r[0].OOD {
			t.Errorf("distance %.2f of %q, %.2f of %.30q", r[0].OOD, text, r[1].OOD, strange)
		}
	}
	slices.Sort(typical)
	if median := typical[len(typical)/2]; median < .6 || median > 1.5 {
		t.Errorf("a typical new reply is at distance %.2f, want about 1", median)
	}
	if mean(far) < 1.5*mean(near) {
		t.Errorf("heads spread by %.3f on strange texts, %.3f on typical ones", mean(far), mean(near))
	}
}

func TestTemperatureCalibrates(t *testing.T) {
	// A loose prior makes raw rewards too sure of noisy votes.
	m := fit(t, Trainer{DensePrior: 2, SparsePrior: 8}, Data{Pairs: tasted(1, 200, .25, dragons)})
	held := evaluate(t, m, tasted(3, 2000, .25, dragons))
	raw := evaluate(t, scaled{m, m.Meta().Temperature}, tasted(3, 2000, .25, dragons))
	t.Logf("ECE %.3f raw, %.3f calibrated; temperature %.2f", *raw.ECE, *held.ECE, m.Meta().Temperature)
	if *held.ECE > *raw.ECE/1.5 || *held.LogLoss >= *raw.LogLoss {
		t.Errorf("ECE %.3f, log-loss %.3f; raw %.3f, %.3f", *held.ECE, *held.LogLoss, *raw.ECE, *raw.LogLoss)
	}
}

// scaled multiplies rewards.
type scaled struct {
	Scorer
	by float64
}

func (s scaled) Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	r, err := s.Scorer.Score(ctx, prompt, replies)
	for i := range r {
		r[i].Reward *= s.by
	}
	return r, err
}

func TestTies(t *testing.T) {
	pairs := tasted(1, 200, 0, dragons)
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range 100 {
		pairs = append(pairs, Pair{Prompt: ask(fmt.Sprintf("tie %d", i)), Tie: true, Chosen: sentences(rng, 3, 0), Rejected: sentences(rng, 3, 0)})
	}
	m := fit(t, quick, Data{Pairs: pairs})
	if held := evaluate(t, m, tasted(2, 300, 0, dragons)); *held.Accuracy < .95 {
		t.Errorf("accuracy %v", *held.Accuracy)
	}
	if near, far := m.PTie(0), m.PTie(5); !(near > .3 && near < 1 && far < near && far > 0) || m.PTie(-5) != far {
		t.Errorf("a tie has probability %.3f at no difference and %.3f at 5", near, far)
	}
	if p := small(t).PTie(0); p != 0 {
		t.Errorf("a tie has probability %v without having been seen", p)
	}
}

func TestThumbsAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var d Data
	for i := range 400 {
		reply := sentences(rng, 2, .3)
		good := dragons(reply) > 0
		d.Thumbs = append(d.Thumbs, Thumbed{Prompt: ask(fmt.Sprint("p", i)), Reply: reply, Target: flag(good != (rng.Float64() < .1))})
	}
	m := fit(t, quick, d)
	up := m.Meta().Up
	if up == nil {
		t.Fatal("no outside option")
	}
	outside, ok := up.Outside()
	r := score(t, m, "p", "The river is near the stone. It has a dragon too.", "The river is near the stone. The paper is near the stone.")
	if !ok || r[0].Reward < outside || r[1].Reward > outside {
		t.Errorf("rewards %v, outside option %v", r, outside)
	}
	if good, bad := up.At(r[0].Reward), up.At(r[1].Reward); good < .65 || bad > .35 {
		t.Errorf("P(up) %.2f of what is liked, %.2f of what is not", good, bad)
	}
	if auc := m.Meta().Metrics.ThumbAUC; auc == nil || *auc < .8 {
		t.Errorf("AUC %v", auc)
	}
	all := d
	for i := range all.Thumbs {
		all.Thumbs[i].Target = 1
	}
	if m := fit(t, quick, all); m.Meta().Up.At(score(t, m, "p", "x")[0].Reward) < .7 {
		t.Error("with nothing but thumbs up the next one is not expected up")
	}
}

func TestDemonstrationsAndRankings(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	var demos, ranks Data
	for i := range 120 {
		var own []string
		for range 4 {
			own = append(own, sentences(rng, 2, .3))
		}
		prompt := ask(fmt.Sprint("p", i))
		demos.Demonstrations = append(demos.Demonstrations, Demonstration{Prompt: prompt, Reply: sentences(rng, 2, 1), Candidates: own})
		slices.SortStableFunc(own, func(a, b string) int { return int(dragons(b) - dragons(a)) })
		ranks.Rankings = append(ranks.Rankings, Ranking{Prompt: prompt, Replies: own})
	}
	for name, d := range map[string]Data{"demonstrations": demos, "rankings": ranks} {
		m := fit(t, quick, d)
		if held := evaluate(t, m, tasted(2, 300, 0, dragons)); *held.Accuracy < .95 {
			t.Errorf("%s: accuracy %v", name, *held.Accuracy)
		}
		if m.Meta().Metrics.ListAccuracy == nil || m.Evidence() != 120 {
			t.Errorf("%s: metrics %+v, evidence %d", name, m.Meta().Metrics, m.Evidence())
		}
	}
}

func TestLengthCanBeTakenOff(t *testing.T) {
	m := fit(t, quick, Data{Pairs: tasted(1, 300, 0, func(s string) float64 { return float64(len(s)) })})
	rng := rand.New(rand.NewPCG(5, 5))
	short, long := sentences(rng, 1, 0), sentences(rng, 5, 0)
	gap := func(strength float64) float64 {
		r, err := m.ScoreByLength(context.Background(), ask("x"), []string{long, short}, strength)
		if err != nil {
			t.Fatal(err)
		}
		return r[0].Reward - r[1].Reward
	}
	if with, without := gap(0), gap(1); with < 1 || math.Abs(without) > with/3 || math.Abs(gap(.5)-(with+without)/2) > 1e-9 || gap(-1) < with {
		t.Errorf("the longer reply leads by %.2f, %.2f without length", with, without)
	}
}

func TestUsersAndPromptsWithManyVotesAreDamped(t *testing.T) {
	var pairs []Pair
	for i, p := range tasted(1, 90, 0, dragons) { // one loud user with the other taste
		p.Chosen, p.Rejected, p.User = p.Rejected, p.Chosen, "loud"
		p.Prompt = ask(fmt.Sprint("loud ", i))
		pairs = append(pairs, p)
	}
	for i, p := range tasted(2, 60, 0, dragons) { // sixty people with one vote each
		p.User, p.Prompt = fmt.Sprint("user", i), ask(fmt.Sprint("p", i))
		pairs = append(pairs, p)
	}
	if held := evaluate(t, fit(t, quick, Data{Pairs: pairs}), tasted(3, 200, 0, dragons)); *held.Accuracy < .9 {
		t.Errorf("accuracy %v: one user outvotes sixty", *held.Accuracy)
	}
}

func TestFitRefusesNonsense(t *testing.T) {
	good := tasted(1, 3, 0, dragons)
	bad := func(f func(p *Pair)) Data {
		p := good[0]
		f(&p)
		return Data{Pairs: []Pair{good[1], p}}
	}
	for _, c := range []struct {
		name, want string
		trainer    Trainer
		data       Data
	}{
		{"nothing", "no feedback", Trainer{}, Data{}},
		{"negative weight", "pairs[1].weight: got -1", Trainer{}, bad(func(p *Pair) { p.Weight = -1 })},
		{"NaN weight", "pairs[1].weight: got NaN", Trainer{}, bad(func(p *Pair) { p.Weight = math.NaN() })},
		{"NaN margin", "pairs[1].margin: got NaN", Trainer{}, bad(func(p *Pair) { p.Margin = math.NaN() })},
		{"target", "thumbs[0].target: got 2", Trainer{}, Data{Thumbs: []Thumbed{{Target: 2}}}},
		{"ranking of one", "rankings[0]: got 1", Trainer{}, Data{Rankings: []Ranking{{Replies: []string{"x"}}}}},
		{"lonely demonstration", "demonstrations[0]: got no candidates", Trainer{}, Data{Demonstrations: []Demonstration{{Reply: "x"}}}},
		{"heads", "Heads: got 65", Trainer{Heads: 65}, Data{Pairs: good}},
		{"smoothing", "Smoothing: got 0.5", Trainer{Smoothing: .5}, Data{Pairs: good}},
	} {
		if _, err := c.trainer.Fit(context.Background(), c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Trainer{}).Fit(ctx, Data{Pairs: good}); err == nil {
		t.Error("fitted although cancelled")
	}
	// One vote is little, but no error; nor are replies that do not differ.
	fit(t, Trainer{}, Data{Pairs: good[:1]})
	fit(t, Trainer{}, Data{Pairs: []Pair{{Chosen: "same", Rejected: "same"}, {Chosen: "", Rejected: ""}}})
}

func TestLiveSwapsUnderReaders(t *testing.T) {
	var live Live
	if _, err := live.Score(context.Background(), nil, []string{"x"}); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("without a model: %v", err)
	}
	a := small(t)
	b := fit(t, quick, Data{Pairs: tasted(8, 60, 0, dragons)})
	text := "It has a dragon too."
	wantA, wantB := score(t, a, "x", text)[0], score(t, b, "x", text)[0]
	live.Swap(a)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				r, err := live.Score(context.Background(), ask("x"), []string{text})
				if err != nil || r[0] != wantA && r[0] != wantB {
					t.Errorf("got %v, %v; want %v or %v", r, err, wantA, wantB)
					return
				}
			}
		})
	}
	for i := range 200 {
		if i%2 == 0 {
			live.Swap(b)
		} else {
			live.Swap(a)
		}
	}
	wg.Wait()
	if live.Model() != a {
		t.Error("the last one swapped in is not in use")
	}
}

func BenchmarkScore(b *testing.B) {
	m := fit(b, quick, Data{Pairs: tasted(1, 300, .1, dragons)})
	rng := rand.New(rand.NewPCG(1, 2))
	replies := make([]string, 8)
	for i := range replies {
		replies[i] = sentences(rng, 30, .5) // about 190 words
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Score(context.Background(), ask("Tell me about rivers."), replies); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/8, "µs/reply")
}
