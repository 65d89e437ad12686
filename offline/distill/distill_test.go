package distill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/lm/tiny"
	"plumb/offline/evaluate"
	"plumb/offline/loss"
	"plumb/offline/pairs"
)

// judge rewards a reply by its number of words; "?" gets a NaN.
type judge struct{ err error }

func (j judge) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	rewards := make([]chat.Reward, len(replies))
	for i, r := range replies {
		rewards[i] = chat.Reward{Reward: float64(len(strings.Fields(r))), SD: float64(strings.Count(r, "unsure"))}
		if r == "?" {
			rewards[i].Reward = math.NaN()
		}
	}
	return rewards, j.err
}

func generation(k int, prompt string, replies ...string) feedback.Generation {
	g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%03d", k), Time: time.Unix(1e9, 0), Messages: []chat.Message{{Role: chat.User, Content: prompt}}}
	for i, r := range replies {
		g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, i), Text: r, Finish: chat.FinishStop})
	}
	return g
}

func TestPools(t *testing.T) {
	cut := generation(1, "tea?", "a", "a b", "", "a b c d")
	cut.Candidates[3].Finish = chat.FinishLength
	tools := generation(2, "tea?", "a", "?")
	tools.Candidates[0].ToolCalls = []byte("[]")
	other := generation(4, "milk?", "a", "a b")
	other.Policy.Name = "other"
	r := Reader{Judge: judge{}, Caution: 2, Except: map[string]bool{pairs.TopicKey([]chat.Message{{Role: chat.User, Content: "Coffee!"}}): true},
		By: func(p feedback.Policy) bool { return p.Name == "" }}
	pools, dropped, err := r.Pools(context.Background(), []feedback.Generation{cut, tools, generation(3, "coffee", "a"), other, generation(5, "tea ?", "a unsure b")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{dropNoText: 1, dropTools: 1, dropReward: 1, dropHeldOut: 1, dropPolicy: 1}
	if diff := cmp.Diff(want, dropped); diff != "" {
		t.Error(diff)
	}
	if len(pools) != 2 || len(pools[0].Candidates) != 3 || pools[0].Candidates[2] != (Candidate{"chatcmpl-001.3", "a b c d", 4, true}) {
		t.Fatalf("%+v", pools)
	}
	if got := pools[1].Candidates[0].Reward; got != 1 { // three words, and one deviation at a caution of 2
		t.Errorf("reward %v, want 1", got)
	}
	down := errors.New("down")
	if _, _, err := (Reader{Judge: judge{down}}).Pools(context.Background(), []feedback.Generation{cut}); !errors.Is(err, down) {
		t.Errorf("a judge that fails: %v", err)
	}
}

func TestCollectReadsAllPages(t *testing.T) {
	log := &memory.Log{}
	for k := range 1203 {
		if _, err := log.PutGeneration(context.Background(), generation(k, "p", "a")); err != nil {
			t.Fatal(err)
		}
	}
	unseen := generation(5000, "p", "of another model")
	unseen.Shadow = "chatcmpl-1"
	if _, err := log.PutGeneration(context.Background(), unseen); err != nil {
		t.Fatal(err)
	}
	all, err := Collect(context.Background(), log)
	if err != nil || len(all) != 1203 || all[0].ID >= all[1].ID {
		t.Errorf("%d generations, %v", len(all), err)
	}
	if _, err := Collect(context.Background(), broken{}); !errors.Is(err, errBroken) {
		t.Errorf("a log that fails: %v", err)
	}
}

func TestRecordsOfARun(t *testing.T) {
	r := pairs.Records{Generations: map[string]feedback.Generation{"b": generation(2, "b"), "a": generation(1, "a")}}
	if all := Voted(r); len(all) != 2 || all[0].Messages[0].Content != "a" {
		t.Errorf("%+v", all)
	}
	held := pairs.Set{Demonstrations: []pairs.Wish{{Messages: generation(1, "Coffee, please!").Messages}}}
	if topics := Topics(held); len(topics) != 1 || !topics[pairs.TopicKey(generation(2, "coffee please").Messages)] {
		t.Errorf("%v", topics)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Generations(context.Context, feedback.Query) ([]feedback.Generation, string, error) {
	return nil, "", errBroken
}

func pool(prompt string, rewards ...float64) Pool {
	p := Pool{Messages: []chat.Message{{Role: chat.User, Content: prompt}}, Prompt: prompt}
	for i, r := range rewards {
		p.Candidates = append(p.Candidates, Candidate{fmt.Sprint(prompt, ".", i), fmt.Sprint("says ", r), r, false})
	}
	return p
}

func TestBestOfEachPrompt(t *testing.T) {
	pools := []Pool{pool("b", 1, 4, 4, 2, 3), pool("a", 1, 1, 1, 1), pool("c", 1, 2), pool("c", 7, 5, 7)}
	all, dropped := Best{}.Rows(pools)
	if len(all) != 2 || dropped[dropFew] != 1 { // a has one different reply
		t.Fatalf("%+v, dropped %v", all, dropped)
	}
	if all[0].Completion.String() != "says 4" || all[1].Completion.String() != "says 7" || *all[0].Weight != 1 || all[0].Source != feedback.Model {
		t.Errorf("%+v", all)
	}
	pools[0].Candidates[1].Cut, pools[0].Candidates[2].Cut = true, true
	if all, _ := (Best{Least: 3}).Rows(pools[:1]); len(all) != 1 || all[0].Completion.String() != "says 3" {
		t.Errorf("the best that was not cut: %+v", all)
	}
	if all, _ := (Best{Least: 1}).Rows(nil); len(all) != 0 {
		t.Errorf("of nothing: %+v", all)
	}
}

// With a temperature the weights of a prompt are the softmax of its rewards, whatever is added to all of them.
func TestSoftWeights(t *testing.T) {
	for _, shift := range []float64{0, 1e6, -1e6} {
		all, _ := Best{Tau: .5}.Rows([]Pool{pool("a", shift+1, shift+2, shift+1.5, shift-3)})
		sum, got := 0., map[string]float64{}
		for _, r := range all {
			sum += *r.Weight
			got[r.Completion.String()] = *r.Weight
		}
		best, next := fmt.Sprint("says ", shift+2), fmt.Sprint("says ", shift+1.5)
		if len(all) != 3 || math.Abs(sum-1) > 1e-12 || math.Abs(got[best]/got[next]-math.E) > 1e-6 {
			t.Errorf("shift %v: %v add up to %v", shift, got, sum)
		}
	}
}

func TestBestAndWorst(t *testing.T) {
	pools := []Pool{pool("b", 3, 1, 2, 5), pool("a", 1, 1, 1, 1), pool("c", 1, 2), pool("d", 1, 2, 3, 4, 5), pool("a", 9, 8, 7, 6)}
	all, n, dropped := BoNBoN{}.Rows(pools)
	if want := map[string]int{dropAlike: 1, dropFew: 1, dropSize: 1}; n != 4 || !cmp.Equal(want, dropped) {
		t.Errorf("n %d, dropped %v", n, dropped)
	}
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprint(r.Prompt, ": ", r.Chosen, " over ", r.Rejected))
	}
	if len(all) != 2 || all[0].Chosen.String() != "says 9" || all[0].Rejected.String() != "says 6" || all[1].Rejected.String() != "says 1" {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	again, _, _ := BoNBoN{}.Rows([]Pool{pools[4], pools[1], pools[3], pools[0]})
	if diff := cmp.Diff(all, again); diff != "" {
		t.Errorf("the order of pools matters: %s", diff)
	}
	pools[0].Candidates[3].Cut, pools[4].Candidates[3].Cut = true, true
	if all, _, dropped := (BoNBoN{}).Rows(pools); len(all) != 1 || dropped[dropCut] != 1 || all[0].Rejected.String() != "says 6" {
		t.Errorf("a best and a worst that were cut: %+v, dropped %v", all, dropped)
	}
}

// The authors' β for n = 8 is .0275482094, and the loss is least, in Δ, where Δ is (n−1)·H_{n−1}.
func TestBoNBoNLoss(t *testing.T) {
	if b := Beta(8); math.Abs(b-.0275482094) > 1e-10 {
		t.Errorf("β_8 = %.12f", b)
	}
	if Beta(2) != .5 {
		t.Errorf("β_2 = %v", Beta(2))
	}
	method, beta := BoNBoN{}.Method(8)
	l, err := loss.Parse(method, loss.Options{Beta: beta})
	if err != nil {
		t.Fatal(err)
	}
	h := 1 + 1./2 + 1./3 + 1./4 + 1./5 + 1./6 + 1./7
	p := loss.Pair{Chosen: -30, Rejected: -40 - 7*h, RefChosen: -30, RefRejected: -40, NChosen: 11, NRejected: 17}
	v, dc, dr := l.Pair(p)
	if math.Abs(v-.005*30) > 1e-9 || math.Abs(dc+.005) > 1e-9 || math.Abs(dr) > 1e-9 {
		t.Errorf("at the target: %v (%v, %v), want the imitation's .15 alone", v, dc, dr)
	}
	p.Rejected++
	if v, _, dr := l.Pair(p); math.Abs(v-.995-.15) > 1e-9 || math.Abs(dr-2*.995) > 1e-9 {
		t.Errorf("one nat off the target: %v (%v)", v, dr)
	}
}

// The best-of-n policy's own log-ratio of best to worst is (n−1)·H_{n−1} on average, for rewards without ties: with u the rank of a
// reply, log π_n/π = (n−1)·log u + log n, and E over the best and the worst of n draws of the base is (n−1)·H_{n−1}.
func TestTargetIsTheBestOfNPolicy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{2, 4, 8} {
		sum := 0.
		const rounds = 200000
		for range rounds {
			low, high := 1., 0.
			for range n {
				u := random.Float64()
				low, high = min(low, u), max(high, u)
			}
			sum += float64(n-1) * (math.Log(high) - math.Log(low))
		}
		if got, want := sum/rounds, 1/(2*Beta(n)); math.Abs(got-want) > .02*want {
			t.Errorf("n %d: %v on average, 1/(2β) is %v", n, got, want)
		}
	}
}

// The expectation over subsets is what counting all of them gives.
func TestBestOfSubsets(t *testing.T) {
	d := Draws{Rewards: []float64{.3, -1, .3, 2, .1, 2}, Worth: []float64{1, 5, 2, -3, 0, 4}}
	for n := 1; n <= 6; n++ {
		sum, count := 0., 0.
		for set := range 1 << 6 {
			var in []int
			for i := range 6 {
				if set>>i&1 == 1 {
					in = append(in, i)
				}
			}
			if len(in) != n {
				continue
			}
			best, worth, ties := math.Inf(-1), 0., 0.
			for _, i := range in {
				switch r := d.Rewards[i]; {
				case r > best:
					best, worth, ties = r, d.Worth[i], 1
				case r == best:
					worth, ties = worth+d.Worth[i], ties+1
				}
			}
			sum, count = sum+worth/ties, count+1
		}
		if got := d.best(n); math.Abs(got-sum/count) > 1e-12 {
			t.Errorf("best of %d: %v, counted %v", n, got, sum/count)
		}
	}
}

func TestSaved(t *testing.T) {
	before := []Draws{{[]float64{1, 2, 3, 4}, []float64{0, 0, 0, 1}}, {[]float64{1, 2, 3, 4}, []float64{0, 0, 0, 1}}}
	after := []Draws{{[]float64{1, 2, 3, 4}, []float64{0, 1, 1, 1}}}
	s, err := Compare(before, after, 4)
	if err != nil || s.N != 2 || s.Share != .5 || s.Curve[0] != (Point{1, .25, .75}) || s.Curve[3] != (Point{4, 1, 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, _ := Compare(after, before, 3); s.N != 0 || s.Share != 0 {
		t.Errorf("a model that never reaches the old one: %+v", s)
	}
	for name, bad := range map[string][]Draws{"nobody": nil, "too few": {{[]float64{1}, []float64{1}}}, "uneven": {{make([]float64, 4), nil}}} {
		if _, err := Compare(before, bad, 4); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A policy saves nothing over itself, and everything over one that is worth less at any number of draws.
func TestMeasurement(t *testing.T) {
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	prompts := [][]chat.Message{generation(1, "Any tips for making tea?").Messages, generation(2, "How do I sleep better?").Messages}
	p := evaluate.Policy{Model: m}
	same, err := Measurement{Before: p, After: p, Choose: judge{}, Most: 4, MaxTokens: 12, Seed: 1}.Saved(context.Background(), prompts)
	if err != nil || same.N != 4 || same.Share != 0 || len(same.Curve) != 4 || same.Curve[0].Old != same.Curve[0].New {
		t.Errorf("%+v, %v", same, err)
	}
	if same.Curve[3].Old <= same.Curve[0].Old {
		t.Errorf("the best of 4 is no better than one: %+v", same.Curve)
	}
	flat, err := Measurement{Before: p, After: p, Choose: judge{}, Value: alike{}, MaxTokens: 12}.Saved(context.Background(), prompts)
	if err != nil || flat.N != 1 || flat.Share != 7./8 {
		t.Errorf("where every reply is worth the same: %+v, %v", flat, err)
	}
	if _, err := (Measurement{Before: p, After: p, Choose: judge{errors.New("down")}, Most: 2, MaxTokens: 2}).Saved(context.Background(), prompts); err == nil {
		t.Error("a judge that fails gave no error")
	}
}

// alike finds all replies equally good.
type alike struct{}

func (alike) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	return make([]chat.Reward, len(replies)), nil
}

var _ Lister = feedback.Log(nil)
