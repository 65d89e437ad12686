package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plumb/chat"
)

func sample(t *testing.T, s *Sampler, r Request) *Result {
	t.Helper()
	if r.Messages == nil {
		r.Messages = ask
	}
	result, err := s.Sample(t.Context(), r)
	if err != nil {
		t.Fatalf("Sample: %v", err)
	}
	checkResult(t, result, r)
	return result
}

// checkResult holds what is true of every result.
func checkResult(t *testing.T, result *Result, r Request) {
	t.Helper()
	if len(result.Chosen) == 0 || len(result.Chosen) > max(1, r.Return) {
		t.Fatalf("chosen: %v for Return = %d", result.Chosen, r.Return)
	}
	sum, tokens := 0., 0
	for i, c := range result.Candidates {
		if c.Index != i || c.Seed != CandidateSeed(r.Seed, i) {
			t.Errorf("candidate %d: index %d, seed %d", i, c.Index, c.Seed)
		}
		sum += c.Propensity
		tokens += c.CompletionTokens
	}
	near(t, "propensities", sum, 1, exact)
	if result.Candidates[result.Chosen[0]].Propensity == 0 {
		t.Error("chose what has propensity 0")
	}
	if result.Usage.CompletionTokens != tokens {
		t.Errorf("usage: %d tokens of %d", result.Usage.CompletionTokens, tokens)
	}
	if result.NDrawn+result.NFailed != len(result.Candidates) {
		t.Errorf("%d drawn, %d failed of %d", result.NDrawn, result.NFailed, len(result.Candidates))
	}
	seen := map[int]bool{}
	for _, i := range result.Chosen {
		if seen[i] || result.Candidates[i].Err != nil {
			t.Errorf("chosen %v: %d twice or failed", result.Chosen, i)
		}
		seen[i] = true
	}
}

func TestBestOfNReturnsTheBest(t *testing.T) {
	scorer := &table{rewards: map[string]chat.Reward{"reply 2": {Reward: 3}, "reply 4": {Reward: 5}, "reply 1": {Reward: 4}}}
	s := &Sampler{Generator: &script{reply: numbered}, Scorer: scorer}
	result := sample(t, s, Request{Method: BestOfN, N: 6, Return: 3, Seed: 11})
	if !slices.Equal(result.Chosen, []int{4, 1, 2}) {
		t.Errorf("chosen: got %v, want 4 1 2", result.Chosen)
	}
	if result.Method != BestOfN || result.DowngradedFrom != "" || result.NDrawn != 6 || result.NScored != 6 {
		t.Errorf("result: %+v", result)
	}
	near(t, "KL bound", *result.KLBound, math.Log(6)-5./6, exact)
	if len(scorer.calls) != 1 || len(scorer.calls[0]) != 6 {
		t.Errorf("scored in calls %v, want one of six", scorer.calls)
	}
	if want := len("reply 0") * 3; result.TokensDiscarded != want || result.Usage.CompletionTokens != 2*want || result.Usage.PromptTokens != 7 {
		t.Errorf("tokens: %d discarded of %+v", result.TokensDiscarded, result.Usage)
	}
}

func TestEqualTextsAreScoredOnceAndCountAsDrawn(t *testing.T) {
	reply := func(k int, _ int64) (string, error) { return []string{"a", "b", "a", "c", "a", "b"}[k], nil }
	scorer := &table{rewards: map[string]chat.Reward{"a": {Reward: 1}, "b": {Reward: 2}}}
	s := &Sampler{Generator: &script{reply: reply}, Scorer: scorer}
	result := sample(t, s, Request{Method: TopMethod, N: 6, Pressure: ptr(2.), Return: 5})
	if !reflect.DeepEqual(scorer.calls, [][]string{{"a", "b", "c"}}) {
		t.Errorf("scored %v", scorer.calls)
	}
	// Best three of six: both b, and one of the three a, which share a third.
	for i, want := range []float64{1. / 3, 2. / 3, 0, 0, 0, 0} {
		near(t, fmt.Sprintf("propensity %d", i), result.Candidates[i].Propensity, want, exact)
	}
	if want := []int{0, 1, 0, 3, 0, 1}; !reflect.DeepEqual(sames(result), want) {
		t.Errorf("same as: got %v, want %v", sames(result), want)
	}
	if result.NScored != 6 || len(result.Chosen) != 5 || !slices.Contains(result.Chosen[:3], 3) {
		t.Errorf("chosen %v, scored %d: want all three texts first", result.Chosen, result.NScored)
	}
}

func sames(result *Result) (same []int) {
	for _, c := range result.Candidates {
		same = append(same, c.SameAs)
	}
	return same
}

func TestToolCallsAreMergedByWhatTheyCall(t *testing.T) {
	candidates := make([]Candidate, 6)
	for i, calls := range []string{
		``, `[{"id":"a","function":{"name":"f","arguments":"{}"}}]`, ``, `[{"function":{"arguments":"{}","name":"f"},"id":"b"}]`,
		`[{"id":"a","function":{"name":"g","arguments":"{}"}}]`, `no list`,
	} {
		candidates[i].ToolCalls = []byte(calls)
	}
	merge(candidates)
	if want := []int{0, 1, 0, 1, 4, 5}; !reflect.DeepEqual(sames(&Result{Candidates: candidates}), want) {
		t.Errorf("same as %v, want %v", sames(&Result{Candidates: candidates}), want)
	}
}

// calling is a generator of which some candidates call a tool.
type calling struct {
	script
	calls func(k int) bool
}

func (c *calling) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	return c.script.Continue(ctx, d, func(p chat.Piece) {
		if c.calls(p.Index) {
			p.Done.Text, p.Done.ToolCalls, p.Done.Finish = "", []byte(`[{"id":"x"}]`), chat.FinishToolCalls
		}
		each(p)
	})
}

func TestToolCallsAreNotScored(t *testing.T) {
	tools := chat.Sampling{Tools: []byte(`[{"type":"function"}]`)}
	scorer := &table{rewards: map[string]chat.Reward{"reply 2": {Reward: 1}}}
	odd := func(k int) bool { return k%2 == 1 }
	even := func(k int) bool { return k%2 == 0 }

	r := sample(t, &Sampler{Generator: &calling{script{reply: numbered}, odd}, Scorer: scorer}, Request{Sampling: tools})
	if r.NDrawn != 1 || r.Method != None || r.DowngradedFrom != "" {
		t.Errorf("auto: %d drawn, %s from %q", r.NDrawn, r.Method, r.DowngradedFrom)
	}
	r = sample(t, &Sampler{Generator: &calling{script{reply: numbered}, odd}, Scorer: scorer}, Request{Sampling: tools, Method: BestOfN, N: 4})
	if r.NScored != 2 || r.Chosen[0] != 2 || r.Method != BestOfN {
		t.Errorf("a text first: %d scored, chosen %v", r.NScored, r.Chosen)
	}
	r = sample(t, &Sampler{Generator: &calling{script{reply: numbered}, even}, Scorer: scorer}, Request{Sampling: tools, Method: BestOfN, N: 4})
	if r.Chosen[0] != 0 || r.Method != None || r.DowngradedFrom != BestOfN {
		t.Errorf("a call first: chosen %v, %s from %q", r.Chosen, r.Method, r.DowngradedFrom)
	}
}

func TestStrictWantsRewards(t *testing.T) {
	s := &Sampler{Generator: &script{reply: numbered}, Scorer: &table{err: errors.New("connection refused")}}
	_, err := s.Sample(t.Context(), Request{Messages: ask, Method: BestOfN, N: 2, Strict: true})
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	if r := sample(t, s, Request{Strict: true}); r.Method != None || r.DowngradedFrom != Auto {
		t.Errorf("auto: %s from %q", r.Method, r.DowngradedFrom)
	}
}

func TestSameSeedSameChoice(t *testing.T) {
	reply := func(_ int, seed int64) (string, error) { return fmt.Sprint(seed % 7), nil }
	rewards := map[string]chat.Reward{}
	for i := range 7 {
		rewards[fmt.Sprint(i)] = chat.Reward{Reward: float64(i) / 3, SD: .1 * float64(i%3), OOD: 1}
	}
	choices := map[int]int{}
	for seed := range int64(60) {
		var first *Result
		for _, procs := range []int{1, 2, 4} {
			before := runtime.GOMAXPROCS(procs)
			s := &Sampler{Generator: &script{reply: reply}, Scorer: &table{rewards: rewards}, Pairs: 100}
			r := sample(t, s, Request{N: 8, Seed: seed})
			runtime.GOMAXPROCS(before)
			r.RMMillis = nil
			if first == nil {
				first = r
			} else if !reflect.DeepEqual(first, r) {
				t.Fatalf("seed %d: the results differ:\n%+v\n%+v", seed, first, r)
			}
		}
		choices[first.Chosen[0]]++
	}
	if len(choices) < 4 {
		t.Errorf("60 seeds choose among %v only", choices)
	}
}

// Rewards are 0 … 7 in a random order; the share of each rank among the choices follows top_m's k = 4.
func TestChoiceFollowsTheRule(t *testing.T) {
	rewards := map[string]chat.Reward{}
	for i := range 8 {
		rewards[fmt.Sprintf("reply %d", i)] = chat.Reward{Reward: float64(i * 5 % 8)}
	}
	s := &Sampler{Generator: &script{reply: numbered}, Scorer: &table{rewards: rewards}}
	counts := map[float64]int{}
	const rounds = 2000
	for seed := range int64(rounds) {
		s.Generator.(*script).begun = 0
		r := sample(t, s, Request{Method: TopMethod, N: 8, Pressure: ptr(2.), Seed: seed})
		counts[r.Candidates[r.Chosen[0]].Reward.Reward]++
	}
	for reward, c := range counts {
		if reward < 4 {
			t.Errorf("reward %v of the lower half was chosen %d times", reward, c)
		}
		if math.Abs(float64(c)-rounds/4) > 5*math.Sqrt(rounds*.25*.75) {
			t.Errorf("reward %v was chosen %d times of %d, want a quarter", reward, c, rounds)
		}
	}
}

func TestAuto(t *testing.T) {
	scorer := &table{}
	for _, c := range []struct {
		name       string
		s          Sampler
		r          Request
		drawn      int
		method     string
		downgraded string
		kept       int // candidates with a propensity above 0
	}{
		{"no reward model: one", Sampler{}, Request{}, 1, None, "", 1},
		{"no reward model, n asked: drawn and kept", Sampler{}, Request{N: 6}, 6, None, Auto, 1},
		{"no reward model, three replies asked", Sampler{}, Request{Return: 3}, 3, None, "", 1},
		{"no reward model, bon", Sampler{}, Request{Method: BestOfN, N: 4}, 4, None, BestOfN, 1},
		{"no reward model, none", Sampler{}, Request{Method: None, N: 4}, 4, None, "", 1},
		{"no reward model, strict auto", Sampler{}, Request{Strict: true}, 1, None, "", 1},
		{"no votes: M = 2", Sampler{Scorer: scorer}, Request{}, 8, TopMethod, "", 4},
		{"199 pairs: M = 2", Sampler{Scorer: scorer, Pairs: 199}, Request{}, 8, TopMethod, "", 4},
		{"200 pairs: M = 4", Sampler{Scorer: scorer, Pairs: 200}, Request{}, 8, TopMethod, "", 2},
		{"500 pairs: M = 8", Sampler{Scorer: scorer, Pairs: 500}, Request{}, 8, TopMethod, "", 1},
		{"2000 pairs: M = 8 is what auto wants", Sampler{Scorer: scorer, Pairs: 2000}, Request{N: 16}, 16, TopMethod, "", 2},
		{"2000 pairs, 16 asked", Sampler{Scorer: scorer, Pairs: 2000}, Request{N: 16, Pressure: ptr(64.)}, 16, TopMethod, "", 1},
		{"less asked", Sampler{Scorer: scorer, Pairs: 2000}, Request{Pressure: ptr(1.)}, 8, TopMethod, "", 8},
		{"top_m is not capped", Sampler{Scorer: scorer, Pairs: 3}, Request{Method: TopMethod, Pressure: ptr(8.)}, 8, TopMethod, "", 1},
		{"more replies than N", Sampler{Scorer: scorer, N: 2}, Request{Return: 5}, 5, TopMethod, "", 3},
		{"greedy: all would be equal", Sampler{Scorer: scorer}, Request{Sampling: chat.Sampling{Temperature: ptr(0.)}}, 1, TopMethod, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			scorer.rewards = map[string]chat.Reward{}
			for i := range 64 {
				scorer.rewards[fmt.Sprintf("reply %d", i)] = chat.Reward{Reward: float64(i)}
			}
			c.s.Generator = &script{reply: numbered}
			r := sample(t, &c.s, c.r)
			kept := 0
			for _, candidate := range r.Candidates {
				if candidate.Propensity > 0 {
					kept++
				}
			}
			if r.NDrawn != c.drawn || r.Method != c.method || r.DowngradedFrom != c.downgraded || kept != c.kept {
				t.Errorf("got %d drawn, %s from %q, %d kept; want %d, %s, %q, %d",
					r.NDrawn, r.Method, r.DowngradedFrom, kept, c.drawn, c.method, c.downgraded, c.kept)
			}
			if c.method == None && r.Chosen[0] != 0 {
				t.Errorf("chose %d without rewards, want the first", r.Chosen[0])
			}
		})
	}
}

func TestInvalidRequests(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		param string
		s     Sampler
		r     Request
	}{
		{"align.method", Sampler{}, Request{Method: "best"}},
		{"align.method", Sampler{}, Request{Method: "mbr"}},
		{"align.method", Sampler{}, Request{Method: "guide"}},
		{"align.method", Sampler{}, Request{Method: BestOfN, Strict: true}},
		{"align.n", Sampler{}, Request{N: 65}},
		{"align.n", Sampler{MaxN: 4}, Request{N: 5}},
		{"align.n", Sampler{}, Request{N: -1}},
		{"align.n", Sampler{}, Request{N: 2, Return: 3}},
		{"n", Sampler{}, Request{Return: 65}},
		{"align.pressure", Sampler{}, Request{Method: TopMethod, Pressure: ptr(.5)}},
		{"align.pressure", Sampler{}, Request{Pressure: &nan}},
		{"align.pressure", Sampler{}, Request{Method: BestOfN, Pressure: ptr(4.)}},
		{"align.pressure", Sampler{}, Request{Method: SoftMethod, Pressure: ptr(0.)}},
		{"align.conservatism", Sampler{}, Request{Conservatism: ptr(-1.)}},
		{"align.conservatism", Sampler{}, Request{Conservatism: &nan}},
		{"align.length", Sampler{}, Request{Length: 1.5}},
		{"align.length", Sampler{Scorer: &table{}}, Request{Length: .5}},
		{"align.budget_tokens", Sampler{}, Request{BudgetTokens: -1}},
		{"align.deadline_ms", Sampler{}, Request{Deadline: -time.Second}},
		{"max_tokens", Sampler{}, Request{MaxTokens: -1}},
		{"messages", Sampler{}, Request{Messages: []chat.Message{}}},
	} {
		generator := &script{reply: numbered}
		c.s.Generator = generator
		if c.r.Messages == nil {
			c.r.Messages = ask
		}
		_, err := c.s.Sample(t.Context(), c.r)
		var e *chat.Error
		if !errors.As(err, &e) || e.Kind != chat.Invalid || e.Param != c.param || len(generator.draws) > 0 {
			t.Errorf("%+v: got %v after %d draws, want an invalid %s", c.r, err, len(generator.draws), c.param)
		}
	}
}

func TestLengthCorrectionIsTheScorers(t *testing.T) {
	scorer := &byLength{}
	s := &Sampler{Generator: &script{reply: numbered}, Scorer: scorer}
	sample(t, s, Request{Method: BestOfN, N: 2, Length: -.25})
	if scorer.strength != -.25 {
		t.Errorf("strength: got %v", scorer.strength)
	}
}

func TestRewardsThatAreNoNumberAreDropped(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	scorer := &table{rewards: map[string]chat.Reward{
		"reply 0": {Reward: nan}, "reply 1": {Reward: inf}, "reply 2": {Reward: -1}, "reply 3": {Reward: 9, SD: nan}, "reply 4": {Reward: 1},
	}}
	s := &Sampler{Generator: &script{reply: numbered}, Scorer: scorer}
	r := sample(t, s, Request{Method: BestOfN, N: 5, Return: 5})
	if r.NScored != 2 || r.Chosen[0] != 4 || r.Chosen[1] != 2 || len(r.Chosen) != 5 {
		t.Errorf("scored %d, chosen %v", r.NScored, r.Chosen)
	}
	if r.Candidates[0].Reward != nil || !math.IsNaN(r.Candidates[0].Score) {
		t.Errorf("candidate 0 has reward %v", r.Candidates[0].Reward)
	}
}

func TestNoUsableRewardsMeansTheFirst(t *testing.T) {
	for name, scorer := range map[string]Scorer{
		"all NaN": &table{rewards: map[string]chat.Reward{"a": {Reward: math.NaN()}}},
		"error":   &table{err: errors.New("connection refused")},
		"short":   shortScorer{},
	} {
		for _, method := range []string{Auto, BestOfN, SoftMethod} {
			reply := func(k int, _ int64) (string, error) {
				if k == 0 {
					return "", errors.New("lost")
				}
				return "a", nil
			}
			s := &Sampler{Generator: &script{reply: reply}, Scorer: scorer}
			r := sample(t, s, Request{Method: method, N: 3})
			if r.Method != None || r.DowngradedFrom != method || r.Chosen[0] != 1 || r.ScoreErr == nil || r.NScored != 0 {
				t.Errorf("%s, %s: got %s from %q, chosen %v, %v", name, method, r.Method, r.DowngradedFrom, r.Chosen, r.ScoreErr)
			}
		}
	}
}

type shortScorer struct{}

func (shortScorer) Score(context.Context, []chat.Message, []string) ([]chat.Reward, error) {
	return nil, nil
}

func TestSomeCandidatesFail(t *testing.T) {
	reply := func(k int, seed int64) (string, error) {
		if k%2 == 0 {
			return "", &chat.Error{Kind: chat.Upstream, Msg: "cut off"}
		}
		return numbered(k, seed)
	}
	s := &Sampler{Generator: &script{reply: reply}, Scorer: &table{rewards: map[string]chat.Reward{"reply 3": {Reward: 1}}}}
	r := sample(t, s, Request{Method: BestOfN, N: 5, Return: 4})
	if r.NDrawn != 2 || r.NFailed != 3 || r.NRetried != 3 || !slices.Equal(r.Chosen, []int{3, 1}) {
		t.Errorf("drawn %d, failed %d, retried %d, chosen %v", r.NDrawn, r.NFailed, r.NRetried, r.Chosen)
	}
}

func TestAllCandidatesFail(t *testing.T) {
	missing := &chat.Error{Kind: chat.NotFound, Param: "model", Msg: "model nope: not found"}
	cut := &chat.Error{Kind: chat.Upstream, Msg: "cut off"}
	for _, c := range []struct {
		name  string
		reply func(k int) error
		whole error
		want  chat.Kind
		msg   string
	}{
		{"one kind", func(int) error { return missing }, nil, chat.NotFound, "model nope"},
		{"several", func(k int) error { return []error{missing, cut}[k%2] }, nil, chat.Upstream, "all 4 failed"},
		{"no kind", func(int) error { return errors.New("boom") }, nil, chat.Upstream, "all 4 failed"},
		{"the draw", nil, missing, chat.NotFound, "model nope"},
		{"away", nil, &chat.Error{Kind: chat.Unavailable, Msg: "connect upstream", RetryAfter: time.Second}, chat.Unavailable, "connect"},
	} {
		generator := &script{whole: c.whole, reply: func(k int, _ int64) (string, error) { return "", c.reply(k) }}
		s := &Sampler{Generator: generator}
		_, err := s.Sample(t.Context(), Request{Messages: ask, N: 4})
		if chat.KindOf(err) != c.want || !strings.Contains(fmt.Sprint(err), c.msg) {
			t.Errorf("%s: got %v of kind %v, want %v and %q", c.name, err, chat.KindOf(err), c.want, c.msg)
		}
	}
}

func TestDeadline(t *testing.T) {
	slow := func(k int) time.Duration { return time.Duration(k+1) * time.Second }
	t.Run("the best of what is drawn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &Sampler{Generator: &script{reply: numbered, wait: slow}, Scorer: &table{rewards: map[string]chat.Reward{"reply 1": {Reward: 1}}}}
			began := time.Now()
			r := sample(t, s, Request{Method: BestOfN, N: 8, Deadline: 3500 * time.Millisecond})
			if r.NDrawn != 3 || r.NFailed != 5 || r.StoppedBy != StoppedDeadline || r.Chosen[0] != 1 {
				t.Errorf("drawn %d, failed %d, %q, chosen %v", r.NDrawn, r.NFailed, r.StoppedBy, r.Chosen)
			}
			if took := time.Since(began); took != 3500*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("nothing drawn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &Sampler{Generator: &script{reply: numbered, wait: slow}}
			_, err := s.Sample(t.Context(), Request{Messages: ask, N: 8, Deadline: time.Millisecond})
			if chat.KindOf(err) != chat.Timeout {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("all drawn in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &Sampler{Generator: &script{reply: numbered, wait: slow}}
			if r := sample(t, s, Request{N: 2, Deadline: time.Minute}); r.StoppedBy != "" {
				t.Errorf("stopped by %q", r.StoppedBy)
			}
		})
	})
	t.Run("the caller's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := &Sampler{Generator: &script{reply: numbered, wait: slow}}
			_, err := s.Sample(ctx, Request{Messages: ask, N: 8, Deadline: time.Minute})
			if chat.KindOf(err) != chat.Timeout {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := &Sampler{Generator: &script{reply: numbered, wait: func(int) time.Duration { return time.Hour }}, Scorer: &table{}}
		_, err := s.Sample(ctx, Request{Messages: ask, N: 8})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a cancelled context", err)
		}
	})
}

func TestBatches(t *testing.T) {
	same := func(int, int64) (string, error) { return "always", nil }
	long := func(k int, _ int64) (string, error) { return strings.Repeat("x", 100+k), nil }
	for _, c := range []struct {
		name    string
		g       *script
		r       Request
		batches []int
		limits  []int
		stopped string
	}{
		{"all at once", &script{reply: numbered}, Request{Method: None, N: 9}, []int{9}, []int{0}, ""},
		{"by slots", &script{reply: numbered, slots: 4}, Request{Method: None, N: 9}, []int{4, 4, 1}, []int{0, 0, 0}, ""},
		{"equal: enough", &script{reply: same, slots: 4}, Request{Return: 3}, []int{3}, []int{0}, ""},
		{"equal, but n was asked", &script{reply: same, slots: 4}, Request{N: 8}, []int{4, 4}, []int{0, 0}, ""},
		{"budget by MaxTokens", &script{reply: long}, Request{N: 8, MaxTokens: 200, BudgetTokens: 1000}, []int{5, 2, 1}, []int{200, 200, 200}, ""},
		{"budget ends", &script{reply: long}, Request{N: 8, MaxTokens: 200, BudgetTokens: 450}, []int{2, 1}, []int{200, 200}, StoppedBudget},
		{"budget below one", &script{reply: long}, Request{N: 8, MaxTokens: 200, BudgetTokens: 150}, []int{1}, []int{150}, StoppedBudget},
		{"budget without MaxTokens", &script{reply: long}, Request{N: 8, BudgetTokens: 1000}, []int{1, 4, 2, 1}, []int{1000, 225, 245, 279}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sample(t, &Sampler{Generator: c.g}, c.r)
			var batches, limits []int
			for _, d := range c.g.draws {
				batches, limits = append(batches, len(d.Prefixes)), append(limits, d.MaxTokens)
			}
			if !slices.Equal(batches, c.batches) || !slices.Equal(limits, c.limits) || r.StoppedBy != c.stopped {
				t.Errorf("got batches %v of %v tokens, stopped by %q; want %v, %v, %q", batches, limits, r.StoppedBy, c.batches, c.limits, c.stopped)
			}
			if c.r.BudgetTokens > 0 && r.Usage.CompletionTokens > c.r.BudgetTokens && c.name != "budget below one" {
				t.Errorf("spent %d of %d tokens", r.Usage.CompletionTokens, c.r.BudgetTokens)
			}
		})
	}
	t.Run("auto stops when all are equal", func(t *testing.T) {
		g := script{reply: same, slots: 4}
		r := sample(t, &Sampler{Generator: &g, Scorer: &table{}}, Request{})
		if r.NDrawn != 4 || r.StoppedBy != StoppedEqual || r.Candidates[0].Propensity != 1 {
			t.Errorf("drew %d, stopped by %q", r.NDrawn, r.StoppedBy)
		}
	})
}

func TestStreamPassesOneCandidate(t *testing.T) {
	var got strings.Builder
	stream := func(p chat.Piece) { got.WriteString(p.Text) }
	s := &Sampler{Generator: &script{reply: numbered}}
	r := sample(t, s, Request{Stream: stream})
	if text := r.Candidates[0].Text; text != got.String() || text == "" {
		t.Errorf("streamed %q of %q", got.String(), text)
	}
	got.Reset()
	sample(t, &Sampler{Generator: &script{reply: numbered}}, Request{Stream: stream, N: 2})
	if got.Len() > 0 {
		t.Errorf("streamed %q of two candidates", got.String())
	}
}

// trickle sends a piece a second and never ends by itself.
type trickle struct{ script }

func (*trickle) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	for {
		select {
		case <-time.After(time.Second):
			each(chat.Piece{Text: "x"})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestStreamThatTheDeadlineCutsStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Sampler{Generator: &trickle{}}
		r := sample(t, s, Request{Stream: func(chat.Piece) {}, Deadline: 3500 * time.Millisecond})
		c := r.Candidates[0]
		if c.Text != "xxx" || c.Finish != chat.FinishLength || c.CompletionTokens != 3 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestStack(t *testing.T) {
	rewards := []chat.Reward{{Reward: 1, SD: 0, OOD: 0}, {Reward: 3, SD: 1, OOD: 0}, {Reward: 5, SD: 0, OOD: 2}}
	unit := math.Sqrt(8. / 3) // population standard deviation of 1, 3, 5
	allNear(t, "stack", Stack(rewards, 1), []float64{-2 / unit, -1 / unit, 2/unit - 1}, exact)
	allNear(t, "no doubt", Stack(rewards, 0), []float64{-2 / unit, 0, 2 / unit}, exact)
	shifted := slices.Clone(rewards)
	for i := range shifted {
		shifted[i].Reward += 100
	}
	allNear(t, "shifted", Stack(shifted, 1), Stack(rewards, 1), 1e-12)
	allNear(t, "all equal", Stack([]chat.Reward{{Reward: .1}, {Reward: .1, SD: 2}, {Reward: .1}}, 1), []float64{0, -2, 0}, exact)
	allNear(t, "one", Stack([]chat.Reward{{Reward: 7, SD: 1, OOD: 1}}, 1), []float64{-1.5}, exact)
}

func TestKLEstimateNeedsThePlainDistribution(t *testing.T) {
	one, half := 1., .5
	c := Candidate{Completion: chat.Completion{Logprob: ptr(math.Log(.1))}}
	sure, split := []float64{0, 1, 0, 0}, []float64{.5, .5, 0, 0}
	if e := estimateKL(chat.Sampling{Temperature: &one}, sure, c); e == nil || *e != BestOfNKLEstimate(math.Log(.1), 4) {
		t.Errorf("got %v", e)
	}
	for name, e := range map[string]*float64{
		"temperature unknown": estimateKL(chat.Sampling{}, sure, c),
		"temperature .5":      estimateKL(chat.Sampling{Temperature: &half}, sure, c),
		"top_p":               estimateKL(chat.Sampling{Temperature: &one, TopP: &half}, sure, c),
		"not the best":        estimateKL(chat.Sampling{Temperature: &one}, split, c),
		"no log-prob":         estimateKL(chat.Sampling{Temperature: &one}, sure, Candidate{}),
	} {
		if e != nil {
			t.Errorf("%s: got %v", name, *e)
		}
	}
}
