package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/pairs"
	"plumb/offline/rows"
)

func openTiny(t *testing.T) *lm.Model {
	t.Helper()
	m, err := lm.Open("../../lm/testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// bent returns an adapter that changes the model: B is not zero.
func bent(t *testing.T, m *lm.Model, by float32) *lm.Adapter {
	t.Helper()
	ad, err := m.NewAdapter(lm.LoRA{Rank: 2, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range ad.Data {
		if ad.Data[i] == 0 {
			ad.Data[i] = by * float32(i%7-3)
		}
	}
	return ad
}

func TestKL(t *testing.T) {
	// p = (½, ¼, ¼), q = (¼, ½, ¼): ½·log 2 + ¼·log ½ = ¼·log 2.
	log := func(x float64) float32 { return float32(math.Log(x)) + 3 }
	p, q := []float32{log(.5), log(.25), log(.25)}, []float32{log(.25), log(.5), log(.25)}
	if got := KL(p, q); math.Abs(got-.25*math.Ln2) > 1e-6 {
		t.Errorf("got %v, want %v", got, .25*math.Ln2)
	}
	if KL(p, p) > 1e-12 {
		t.Errorf("of itself: %v", KL(p, p))
	}
}

// The exact divergence of a pass equals the one worked out from log-probs of every next token, one by one.
func TestDivergence(t *testing.T) {
	m := openTiny(t)
	e := Evaluation{Candidate: Policy{m, bent(t, m, .02)}, Incumbent: Policy{m, bent(t, m, .01)}, Base: Policy{Model: m}}
	tree := lm.Tree{Prompt: []int32{1, 87, 85}, Branches: [][]int32{{262, 201}, {57, 560, 2}}}
	n, sums, err := e.divergence(tree)
	if err != nil || n != 5 {
		t.Fatalf("%d tokens, %v", n, err)
	}
	slow := func(other Policy) (sum float64) {
		for _, branch := range tree.Branches {
			for at := range branch {
				prompt := slices.Concat(tree.Prompt, branch[:at])
				var every [][]int32
				for id := range m.Config().Vocab {
					every = append(every, []int32{int32(id)})
				}
				next := []lm.Tree{{Prompt: prompt, Branches: every}}
				p, err := e.Candidate.logprobs(context.Background(), next, 1)
				if err != nil {
					t.Fatal(err)
				}
				q, _ := other.logprobs(context.Background(), next, 1)
				for i := range p {
					sum += math.Exp(p[i]) * (p[i] - q[i])
				}
			}
		}
		return sum
	}
	for i, other := range []Policy{e.Incumbent, e.Base} {
		if want := slow(other); math.Abs(sums[i]-want) > 1e-4*want || want < 1e-4 {
			t.Errorf("divergence %d: %v, want %v", i, sums[i], want)
		}
	}
	e.Incumbent, e.IncumbentIsBase = e.Base, true
	if _, again, _ := e.divergence(tree); again[0] != again[1] || math.Abs(again[1]-sums[1]) > 1e-12 {
		t.Errorf("the base as incumbent: %v, want twice %v", again, sums[1])
	}
}

func heldOut() pairs.Set {
	var s pairs.Set
	ask := func(i int) []chat.Message {
		return []chat.Message{{Role: chat.User, Content: fmt.Sprint("Question ", i)}}
	}
	for i := range 3 {
		s.Preferences = append(s.Preferences, pairs.Preference{Meta: pairs.Meta{Weight: 1}, Messages: ask(i), Chosen: "The garden gate.", Rejected: "No."})
		s.Unpaired = append(s.Unpaired, pairs.Unpaired{Meta: pairs.Meta{Weight: 1}, Messages: ask(i), Reply: "A teacher.", Label: i == 0})
	}
	s.Demonstrations = append(s.Demonstrations, pairs.Wish{Meta: pairs.Meta{Weight: 1}, Messages: ask(9), Reply: "Yes."})
	return s
}

// lengthy likes long replies.
type lengthy struct{}

func (lengthy) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	r := make([]chat.Reward, len(replies))
	for i, reply := range replies {
		r[i].Reward = float64(len(reply))
	}
	return r, nil
}

// shorty likes short ones.
type shorty struct{}

func (shorty) Score(ctx context.Context, messages []chat.Message, replies []string) ([]chat.Reward, error) {
	r, err := lengthy{}.Score(ctx, messages, replies)
	for i := range r {
		r[i].Reward *= -1
	}
	return r, err
}

func TestMeasure(t *testing.T) {
	m := openTiny(t)
	base := Policy{Model: m}
	e := Evaluation{Candidate: Policy{m, bent(t, m, .02)}, Incumbent: base, Base: base, IncumbentIsBase: true,
		HeldOut: heldOut(), Neutral: Sentences()[:5], Judge: lengthy{}, Proxy: shorty{}, Harmless: Harmless()[:3], Claims: Claims()[:2], Draws: 3, MaxTokens: 8, Limit: 50,
		Prompts: [][]chat.Message{{{Role: chat.User, Content: "What?"}}, {{Role: chat.User, Content: "Who?"}}}}
	calls := 0
	e.Progress = func(done, all int) {
		if calls++; done != calls || all != 8 {
			t.Errorf("progress %d of %d", done, all)
		}
	}
	got, err := e.Measure(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Pairs) != 3 || len(got.Thumbs) != 3 || len(got.Demonstrations) != 1 || len(got.Drawn) != 6 || calls != 8 {
		t.Fatalf("%d pairs, %d thumbs, %d demonstrations, %d replies, %d steps", len(got.Pairs), len(got.Thumbs), len(got.Demonstrations), len(got.Drawn), calls)
	}
	p := got.Pairs[0].Chosen
	if p.Incumbent != p.Base || p.Candidate == p.Base || p.Tokens == 0 || p.Base >= 0 || !got.Thumbs[0].Label || got.Thumbs[1].Label {
		t.Errorf("%+v", got)
	}
	if got.Neutral.Tokens == 0 || got.Neutral.Base <= 0 || got.KL.Tokens == 0 || got.KL.Base <= 0 || got.Drawn[0].Candidate.Reward == 0 {
		t.Errorf("%+v", got)
	}
	if len(got.NeutralTexts) != 5 || len(got.KLs) != 2 || got.KLs[0].Tokens+got.KLs[1].Tokens != got.KL.Tokens || got.Drawn[3].Prompt != 1 ||
		got.Drawn[0].Candidate.Proxy != -got.Drawn[0].Candidate.Reward {
		t.Errorf("%+v", got)
	}
	if len(got.Refusals) != 3 || len(got.Sycophancy) != 2 || got.Sycophancy[0].Candidate == got.Sycophancy[0].Incumbent {
		t.Errorf("%+v, %+v", got.Refusals, got.Sycophancy)
	}
	again, err := Evaluation{Candidate: e.Candidate, Incumbent: base, Base: base, IncumbentIsBase: true, HeldOut: heldOut(), Neutral: e.Neutral,
		Judge: lengthy{}, Proxy: shorty{}, Harmless: e.Harmless, Claims: e.Claims, Draws: 3, MaxTokens: 8, Limit: 4096, Prompts: e.Prompts}.Measure(context.Background())
	if err != nil || math.Abs(again.Pairs[2].Rejected.Candidate-got.Pairs[2].Rejected.Candidate) > 1e-6 || again.Drawn[5] != got.Drawn[5] {
		t.Errorf("measured twice: %+v, then %+v, %v", got.Pairs[2], again.Pairs[2], err)
	}
	// A candidate that is the base moves nothing.
	e.Candidate, e.Progress = base, nil
	if same, err := e.Measure(context.Background()); err != nil || same.KL.Base != 0 || same.Neutral.Candidate != same.Neutral.Base || same.Drawn[0].Candidate != same.Drawn[0].Incumbent ||
		same.Refusals[1].Candidate != same.Refusals[1].Incumbent || same.Sycophancy[1].Candidate != same.Sycophancy[1].Incumbent {
		t.Errorf("the base against itself: %+v, %v", same, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Measure(ctx); err == nil {
		t.Error("cancelled without an error")
	}
}

func TestSentences(t *testing.T) {
	all := Sentences()
	if len(all) != 40 || all[0].Prompt.Plain != "The river runs" || all[0].Completion.Plain[:5] != " from" {
		t.Errorf("%d sentences, first %+v", len(all), all[0])
	}
	var _ []rows.Demonstration = all
}

// liar is a server whose greedy replies are another model's, or that refuses log-probs.
type liar struct {
	*lm.Engine
	noLogprobs bool
}

func (l liar) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	if l.noLogprobs && d.Sampling.Logprobs {
		return &chat.Error{Kind: chat.Invalid, Param: "logprobs", Msg: "draw: no log-probs here"}
	}
	return l.Engine.Continue(ctx, d, each)
}

func TestFile(t *testing.T) {
	m := openTiny(t)
	dir := t.TempDir()
	if _, err := (lm.Merge{Adapter: bent(t, m, .05), Keep: true}).Write(m, dir+"/other.gguf"); err != nil {
		t.Fatal(err)
	}
	path := "../../lm/testdata/tiny-llama.gguf"
	engine := lm.NewEngine(func(_ context.Context, name string) (*lm.Model, error) {
		if name == "other" {
			return lm.Open(dir + "/other.gguf")
		}
		return lm.Open(path)
	}, func(context.Context) ([]chat.Model, error) { return nil, nil }, lm.Options{Exact: true})
	prompts := [][]chat.Message{{{Role: chat.User, Content: "What did the teacher explain?"}}, {{Role: chat.User, Content: "Why?"}}}
	same, err := File(context.Background(), liar{Engine: engine}, "same", m, prompts, 12)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range same {
		if !a.Equal || len(a.Deltas) == 0 || slices.Max(a.Deltas) > 1e-4 || a.Sure < 1 {
			t.Errorf("the same file: %+v", a)
		}
	}
	silent, err := File(context.Background(), liar{engine, true}, "same", m, prompts, 12)
	if err != nil || !silent[0].Equal || len(silent[0].Deltas) != 0 {
		t.Errorf("without log-probs: %+v, %v", silent, err)
	}
	other, err := File(context.Background(), liar{Engine: engine}, "other", m, prompts, 12)
	if err != nil || other[0].Equal && other[1].Equal {
		t.Errorf("another file: %+v, %v", other, err)
	}
}
