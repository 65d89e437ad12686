package irl

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/offline/pairs"
	"plumb/offline/rows"
	"plumb/rm"
)

var allTastes = flag.Bool("tastes", false, "measure all six tastes, on more prompts")

// base is the built-in model, opened once.
var base = sync.OnceValue(func() *lm.Model {
	m, err := tiny.Open()
	if err != nil {
		panic(err)
	}
	return m
})

func ask(text string) []chat.Message { return []chat.Message{{Role: chat.User, Content: text}} }

// demonstrations returns n replies that the corpus wrote to voted prompts, of those that keep says yes to.
func demonstrations(n int, keep func(prompt, reply string) bool) []rm.Demonstration {
	c := corpus.New()
	voted := map[string]bool{}
	for _, p := range c.Voted(1, math.MaxInt) {
		voted[p] = true
	}
	var all []rm.Demonstration
	for i := 0; len(all) < n; i++ {
		m := c.Chat(77, i) // a stream that the model was not trained on
		if len(m) == 2 && voted[m[0].Content] && keep(m[0].Content, m[1].Content) {
			all = append(all, rm.Demonstration{Prompt: m[:1], Reply: m[1].Content})
		}
	}
	return all
}

// shares returns how many replies to held-out prompts are to a taste: one drawn, and the best of eight by the reward.
func shares(t *testing.T, m *rm.Model, taste corpus.Taste, prompts int) (one, best float64) {
	t.Helper()
	p := policy{base(), nil, .8, 64, 2048}
	l := Learner{}
	for i, prompt := range corpus.New().HeldOut(2, prompts) {
		drawn, err := p.draw(context.Background(), ask(prompt), l.seeds(8, "held out", 0, i))
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, c := range drawn {
			texts = append(texts, c.text)
			if taste.Holds(prompt, c.text) {
				one += 1 / float64(8*prompts)
			}
		}
		rewards, err := m.Score(context.Background(), ask(prompt), texts)
		if err != nil {
			t.Fatal(err)
		}
		top := 0
		for k, r := range rewards {
			if r.Reward > rewards[top].Reward {
				top = k
			}
		}
		if taste.Holds(prompt, texts[top]) {
			best += 1 / float64(prompts)
		}
	}
	return one, best
}

// From demonstrations alone, no votes, best of eight comes nearer to the taste on subjects that nobody showed anything on.
func TestLearnsATasteFromDemonstrations(t *testing.T) {
	for _, taste := range corpus.New().Tastes() {
		n, prompts := 40, 16
		candidates := 6
		switch {
		case *allTastes:
			n, prompts, candidates = 100, 54, 8
		case taste.Name != "question" && taste.Name != "thrifty":
			continue
		}
		t.Run(taste.Name, func(t *testing.T) {
			result, err := Learner{Model: base(), Candidates: candidates, MaxTokens: 96}.Learn(context.Background(), Data{Demonstrations: demonstrations(n, taste.Holds)})
			if err != nil {
				t.Fatal(err)
			}
			one, best := shares(t, result.RM, taste, prompts)
			r := result.Report
			t.Logf("%.2f of replies are to the taste, %.2f of the best of 8; author %.3f, own %.3f of %d; gain %.2f nats; cut %.2f; %q",
				one, best, *r.AuthorAccuracy, *r.OwnAccuracy, r.OwnPairs, r.Rounds[0].Gain, r.Cut, r.Warnings)
			if best < one+.1 {
				t.Errorf("best of 8 is to the taste in %.2f, one reply in %.2f", best, one)
			}
		})
	}
}

// What people wrote is told from what the model wrote by a signature, and the report says that nothing else was learned.
func TestWarnsWhereOnlyTheAuthorWasLearned(t *testing.T) {
	demos := demonstrations(40, func(string, string) bool { return true })
	for i := range demos {
		demos[i].Reply += " Yours, Ada."
	}
	result, err := Learner{Model: base(), Candidates: 4, MaxTokens: 96}.Learn(context.Background(), Data{Demonstrations: demos})
	if err != nil {
		t.Fatal(err)
	}
	r := result.Report
	t.Logf("author %.3f, own %.3f of %d", *r.AuthorAccuracy, *r.OwnAccuracy, r.OwnPairs)
	if *r.AuthorAccuracy < .9 || len(r.Warnings) == 0 || !strings.Contains(r.Warnings[len(r.Warnings)-1], "who wrote") {
		t.Errorf("author accuracy %v, own %v, warnings %q", *r.AuthorAccuracy, *r.OwnAccuracy, r.Warnings)
	}
}

// nudge improves nothing: it makes adapters by chance, so that later rounds draw from another policy.
type nudge struct{ calls *int }

func (n nudge) Improve(ctx context.Context, reward Rewarder, prompts [][]chat.Message) (*lm.Adapter, error) {
	if _, err := reward.Score(ctx, prompts[0], []string{"a", "b"}); err != nil {
		return nil, err
	}
	*n.calls++
	return nudged(int64(*n.calls))
}

func nudged(seed int64) (*lm.Adapter, error) {
	a, err := base().NewAdapter(lm.LoRA{Rank: 2, Seed: seed})
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(uint64(seed), 5))
	for i := range a.Data {
		a.Data[i] += float32(.01 * random.NormFloat64())
	}
	return a, nil
}

func TestSameSeedSameBytes(t *testing.T) {
	demos := demonstrations(6, func(string, string) bool { return true })
	sft, err := nudged(9)
	if err != nil {
		t.Fatal(err)
	}
	edits := []rm.Pair{{Prompt: ask("Hi"), Chosen: "Hello.", Rejected: "Yo."}}
	learn := func(cores int, seed int64) (*Result, int) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		calls := 0
		l := Learner{Model: base(), Improver: nudge{&calls}, SFT: sft, Rounds: 2, Candidates: 3, Temperature: .9, MaxTokens: 16,
			Trainer: rm.Trainer{Features: rm.NewLexical(12), DensePrior: .2, SparsePrior: 1, Heads: 2, Seed: seed, OwnText: .5}}
		result, err := l.Learn(context.Background(), Data{Demonstrations: demos, Edits: edits})
		if err != nil {
			t.Fatal(err)
		}
		return result, calls
	}
	first, calls := learn(1, 3)
	if again, _ := learn(2, 3); !bytes.Equal(first.RM.Bytes(), again.RM.Bytes()) {
		t.Error("other bytes on two cores")
	}
	if other, _ := learn(2, 4); bytes.Equal(first.RM.Bytes(), other.RM.Bytes()) {
		t.Error("another seed gives the same bytes")
	}
	r := first.Report
	if calls != 2 || first.Adapter == nil || len(r.Rounds) != 2 || r.Rounds[0].Candidates != 18 || r.Rounds[1].Candidates != 36 {
		t.Errorf("%d improvements, rounds %+v", calls, r.Rounds)
	}
	if r.Edits != 1 || r.Demonstrations != 6 || r.Own != "sft" || r.OwnPairs == 0 || *r.ESSMean >= 6 || r.Cut < .3 {
		t.Errorf("report %+v", r)
	}
	if len(r.Warnings) == 0 || !strings.Contains(r.Warnings[len(r.Warnings)-1], "cut at 16 tokens") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// The log-probs of replies of one token are those of a distribution, at any temperature.
func TestPolicyIsADistribution(t *testing.T) {
	adapter, err := nudged(2)
	if err != nil {
		t.Fatal(err)
	}
	var every []candidate
	for id := range base().Config().Vocab {
		every = append(every, candidate{ids: []int32{int32(id)}})
	}
	for _, temperature := range []float64{.6, 1, 1.8} {
		p := policy{base(), adapter, temperature, 1, 512}
		logps, err := p.logprobs(context.Background(), ask("Any tips for making tea?"), every)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.
		for _, l := range logps {
			sum += math.Exp(l)
		}
		if math.Abs(sum-1) > 1e-4 {
			t.Errorf("temperature %v: probabilities sum to %v", temperature, sum)
		}
	}
}

// Draws of one temperature, weighted, stand for draws of another: the mean of π_ref/q is 1.
func TestWeightsOfThePolicyAverageToOne(t *testing.T) {
	reference, q := policy{base(), nil, 1, 3, 2048}, policy{base(), nil, 1.3, 3, 2048}
	prompt := ask("Any tips for making tea?")
	drawn, err := q.draw(context.Background(), prompt, (&Learner{}).seeds(600, "test", 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	a, err := reference.logprobs(context.Background(), prompt, drawn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := q.logprobs(context.Background(), prompt, drawn)
	if err != nil {
		t.Fatal(err)
	}
	sum, squares := 0., 0.
	for i := range drawn {
		w := math.Exp(a[i] - b[i])
		sum, squares = sum+w/600, squares+w*w/600
	}
	if se := math.Sqrt((squares - sum*sum) / 600); math.Abs(sum-1) > 3*se || se > .2 {
		t.Errorf("mean weight %.3f ± %.3f", sum, se)
	}
}

func TestLearnRefusesNonsense(t *testing.T) {
	demos := demonstrations(3, func(string, string) bool { return true })
	long := rm.Demonstration{Prompt: ask(strings.Repeat("tea ", 5000)), Reply: "no"}
	fails := errors.New("out of paper")
	for _, c := range []struct {
		name, want string
		learner    Learner
		data       []rm.Demonstration
	}{
		{"no model", "no model", Learner{}, demos},
		{"rounds", "rounds: got 101", Learner{Model: base(), Rounds: 101}, demos},
		{"one candidate", "candidates: got 1", Learner{Model: base(), Candidates: 1}, demos},
		{"temperature", "temperature: got NaN", Learner{Model: base(), Temperature: math.NaN()}, demos},
		{"nothing", "0 demonstrations", Learner{Model: base()}, nil},
		{"one", "1 demonstrations", Learner{Model: base()}, demos[:1]},
		{"what does not fit", dropLong, Learner{Model: base()}, []rm.Demonstration{demos[0], long, {Prompt: ask("x")}}},
		{"an improver that fails", "improve policy: out of paper", Learner{Model: base(), Improver: failing{fails}, MaxTokens: 4, Candidates: 2}, demos},
	} {
		_, err := c.learner.Learn(context.Background(), Data{Demonstrations: c.data})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Learner{Model: base()}).Learn(ctx, Data{Demonstrations: demos}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Improve(context.Context, Rewarder, [][]chat.Message) (*lm.Adapter, error) {
	return nil, f.err
}

func TestData(t *testing.T) {
	meta := func(class pairs.Class, prompt string, users ...string) pairs.Meta {
		return pairs.Meta{Class: class, Weight: 2, Prompt: prompt, Users: users}
	}
	d := FromSet(pairs.Set{
		Preferences: []pairs.Preference{
			{Meta: meta(pairs.Edited, "p", "u"), Messages: ask("p"), Chosen: "better", Rejected: "worse"},
			{Meta: meta(pairs.Compared, "q"), Messages: ask("q"), Chosen: "a", Rejected: "b"},
		},
		Demonstrations: []pairs.Wish{{Meta: meta(pairs.Edited, "p", "u"), Messages: ask("p"), Reply: "better", Candidates: []string{"worse"}},
			{Meta: meta(pairs.Demonstration, "r"), Messages: ask("r"), Reply: "shown"}},
	})
	if len(d.Edits) != 1 || d.Edits[0].Chosen != "better" || d.Edits[0].Weight != 2 || d.Edits[0].User != "u" {
		t.Errorf("edits %+v", d.Edits)
	}
	if len(d.Demonstrations) != 2 || d.Demonstrations[0].Candidates != nil || d.Demonstrations[1].Reply != "shown" || d.Demonstrations[1].User != "" {
		t.Errorf("demonstrations %+v", d.Demonstrations)
	}
	if len(d.prompts()) != 3 {
		t.Errorf("prompts %v", d.prompts())
	}
	none, half := 0., .5
	d = FromRows([]rows.Demonstration{
		{Prompt: rows.Plain("p"), Completion: rows.Plain("x")},
		{Prompt: rows.Plain("p"), Completion: rows.Plain("y"), Weight: &none},
		{Prompt: rows.Text{Messages: ask(" p ")}, Completion: rows.Plain("z"), Weight: &half, User: "u"},
	})
	if len(d.Demonstrations) != 2 || d.Demonstrations[1].Weight != .5 || d.Demonstrations[0].Prompt[0].Role != chat.User || len(d.prompts()) != 1 {
		t.Errorf("got %+v", d)
	}
}
