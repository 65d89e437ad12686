package rl

import (
	"context"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"testing"

	"plumb/chat"
)

// tabular is a softmax policy over a fixed list of replies to each prompt, as an actor: the parameters are its logits, and a reply is a
// single token, its number. The state says which prompt it is.
type tabular struct {
	arms         int
	start        []float64 // log-probs of the reference, prompts × arms
	logits, grad []float32
}

func newTabular(prompts, arms int, random *rand.Rand) *tabular {
	t := &tabular{arms: arms, logits: make([]float32, prompts*arms), grad: make([]float32, prompts*arms)}
	for i := range t.logits {
		t.logits[i] = float32(random.NormFloat64())
	}
	for p := range prompts {
		t.start = append(t.start, t.logprobs(p)...)
	}
	return t
}

// logprobs returns the log-probs of all replies to a prompt.
func (t *tabular) logprobs(prompt int) []float64 {
	row, sum := t.logits[prompt*t.arms:(prompt+1)*t.arms], 0.
	for _, x := range row {
		sum += math.Exp(float64(x))
	}
	all := make([]float64, t.arms)
	for i, x := range row {
		all[i] = float64(x) - math.Log(sum)
	}
	return all
}

func (t *tabular) draw(_ context.Context, prompts []int, seeds [][]int64) ([][]reply, error) {
	all := make([][]reply, len(prompts))
	for i, prompt := range prompts {
		upTo, sum := make([]float64, t.arms), 0.
		for a, logp := range t.logprobs(prompt) {
			sum += math.Exp(logp)
			upTo[a] = sum
		}
		for _, seed := range seeds[i] {
			at := rand.New(rand.NewPCG(uint64(seed), 1)).Float64() * sum
			arm := min(t.arms-1, sort.SearchFloat64s(upTo, at))
			all[i] = append(all[i], reply{[]int32{int32(arm)}, strconv.Itoa(arm), true})
		}
	}
	return all, nil
}

func (t *tabular) forward(_ context.Context, batch []*rollout, learn bool, visit func(*rollout, []float64, []float32) []float64) error {
	_, _, width := t.parameters()
	for prompt := range width {
		state, logprobs, pulls, sum := make([]float32, width), t.logprobs(prompt), make([]float64, t.arms), 0.
		state[prompt] = 3
		for _, r := range batch {
			if r.prompt != prompt {
				continue
			}
			if d := visit(r, []float64{logprobs[r.tokens[0]]}, state); learn {
				pulls[r.tokens[0]] += d[0]
				sum += d[0]
			}
		}
		for a, logp := range logprobs { // d log π(a')/d logit a is 1 where a' = a, less π(a)
			t.grad[prompt*t.arms+a] += float32(pulls[a] - sum*math.Exp(logp))
		}
	}
	return nil
}

func (t *tabular) reference(_ context.Context, batch []*rollout) error {
	for _, r := range batch {
		r.ref = []float64{t.start[r.prompt*t.arms+int(r.tokens[0])]}
	}
	return nil
}

func (t *tabular) parameters() (values, grad []float32, width int) {
	return t.logits, t.grad, len(t.logits) / t.arms
}

// table scores replies by their numbers; prompts are numbers too.
type table [][]float64

func (t table) Score(_ context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	p, err := strconv.Atoi(prompt[0].Content)
	if err != nil {
		return nil, err
	}
	all := make([]chat.Reward, len(replies))
	for i, reply := range replies {
		arm, err := strconv.Atoi(reply)
		if err != nil {
			return nil, err
		}
		all[i].Reward = t[p][arm]
	}
	return all, nil
}

// numbered returns n prompts.
func numbered(n int) []prompt {
	all := make([]prompt, n)
	for i := range all {
		all[i] = prompt{[]chat.Message{{Role: chat.User, Content: strconv.Itoa(i)}}, i}
	}
	return all
}

func randomTable(prompts, arms int, random *rand.Rand) table {
	t := make(table, prompts)
	for p := range t {
		for range arms {
			t[p] = append(t[p], 3+.4*random.NormFloat64()) // not the unit in which it is maximised
		}
	}
	return t
}

// distance is the total variation between the policy's replies to a prompt and π ∝ π_ref·e^(reward/scale).
func (t *tabular) distance(prompt int, rewards []float64, scale float64) float64 {
	sum, want := 0., make([]float64, t.arms)
	for a := range want {
		want[a] = math.Exp(t.start[prompt*t.arms+a] + (rewards[a]-rewards[0])/scale)
		sum += want[a]
	}
	d := 0.
	for a, logp := range t.logprobs(prompt) {
		d += math.Abs(math.Exp(logp)-want[a]/sum) / 2
	}
	return d
}

// All algorithms end at the optimum of the objective they share, E[reward] − β·KL: π ∝ π_ref·e^(reward/β) (Korbak et al. 2022, Eq. 2,
// https://arxiv.org/abs/2205.11275). β counts in the reference's deviations; where advantages are scaled and the KL is not, in those of
// the policy itself.
func TestReachesTheOptimum(t *testing.T) {
	for name, c := range map[string]Config{
		"ppo":              {Algorithm: AlgorithmPPO},
		"ppo, KL in loss":  {Algorithm: AlgorithmPPO, KL: InLoss},
		"rloo":             {Algorithm: AlgorithmRLOO},
		"rloo, KL in loss": {Algorithm: AlgorithmRLOO, KL: InLoss},
		"Dr. GRPO":         {Algorithm: AlgorithmGRPO, Unscaled: true},
		"grpo, KL in loss": {Algorithm: AlgorithmGRPO},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(11, 12))
			policy, rewards := newTabular(1, 50, random), randomTable(1, 50, random)
			c.Steps, c.Batch, c.Group, c.Beta, c.LR, c.Schedule = 200, 1024, 256, .6, .05, "cosine"
			c.KLTarget, c.KLBudget, c.RewardClip, c.StepKL, c.Clip, c.Conservatism = -1, -1, -1, -1, -1, -1
			before := policy.distance(0, rewards[0], .6*.4)
			r := newRun(c.WithDefaults(), policy, numbered(1))
			r.reward = rewards
			if err := r.train(context.Background()); err != nil {
				t.Fatal(err)
			}
			scale := c.Beta * r.Scale.SD
			if c.Algorithm == AlgorithmGRPO && !c.Unscaled || c.Algorithm == AlgorithmPPO && c.KL == InLoss {
				mean, square := 0., 0.
				for a, logp := range policy.logprobs(0) {
					mean += math.Exp(logp) * rewards[0][a]
					square += math.Exp(logp) * rewards[0][a] * rewards[0][a]
				}
				scale = c.Beta * math.Sqrt(square-mean*mean)
			}
			got := policy.distance(0, rewards[0], scale)
			t.Logf("total variation %.3f → %.4f, KL %.2f", before, got, r.Last.KL)
			if got > .02 || before < .2 {
				t.Errorf("total variation from the optimum: %v at first, %v in the end, want .02", before, got)
			}
		})
	}
}

// The policy finds a hack: a rare reply that the reward overrates. The watcher sees it.
func TestWatcherEndsARun(t *testing.T) {
	const arms = 20
	train := func(watch bool, rewards, truth table) (*tabular, *run, []Step) {
		policy := newTabular(4, arms, rand.New(rand.NewPCG(5, 6)))
		var steps []Step
		r := newRun(Config{Algorithm: AlgorithmRLOO, Steps: 80, LR: .05, KLBudget: -1, Beta: -1, RewardClip: -1, Seed: 3}.WithDefaults(), policy, numbered(4))
		r.reward, r.each = rewards, func(s Step) error { steps = append(steps, s); return nil }
		if watch {
			r.watch = truth
		}
		if err := r.train(context.Background()); err != nil {
			t.Fatal(err)
		}
		return policy, r, steps
	}
	truth := randomTable(4, arms, rand.New(rand.NewPCG(7, 8)))
	hacked := make(table, len(truth))
	for p := range truth {
		hacked[p] = append([]float64(nil), truth[p]...)
		hacked[p][p] = 8
		truth[p][p] = 0
	}
	expected := func(policy *tabular, params []float32) (sum float64) {
		copy(policy.logits, params)
		for p := range truth {
			for a, logp := range policy.logprobs(p) {
				sum += math.Exp(logp) * truth[p][a] / float64(len(truth))
			}
		}
		return sum
	}
	policy, r, steps := train(true, hacked, truth)
	last := append([]float32(nil), policy.logits...)
	if len(r.Stopped) < 6 || r.Stopped[:6] != "watch:" || !r.Done || r.Step >= 80 || r.Best.Step >= r.Last.Step || len(steps) != r.Last.Step+1 {
		t.Fatalf("stopped %q after %d steps, best %d", r.Stopped, r.Step, r.Best.Step)
	}
	best, end := expected(policy, r.kept), expected(policy, last)
	t.Logf("%s; worth %.3f, at the end %.3f", r.Stopped, best, end)
	if best <= end+.1 || *r.Best.RewardWatch <= *r.Last.RewardWatch || r.Last.Reward <= r.Best.Reward {
		t.Errorf("kept a policy worth %v, the last is worth %v; best step %+v, last %+v", best, end, r.Best, r.Last)
	}
	// Nothing of the kind without a watcher, or with one that agrees.
	if policy, r, _ := train(false, hacked, truth); r.Stopped != "" || r.Step != 80 || r.Last.RewardWatch != nil || expected(policy, r.kept) > 1 {
		t.Errorf("without a watcher: stopped %q after %d steps", r.Stopped, r.Step)
	}
	if _, r, _ := train(true, truth, truth); r.Stopped != "" || r.Step != 80 || r.Best.Step < 40 {
		t.Errorf("with a watcher that agrees: stopped %q after %d steps, best %d", r.Stopped, r.Step, r.Best.Step)
	}
}

func TestGuard(t *testing.T) {
	g := guard{Window: 2, Errors: 2}
	for name, c := range map[string]struct {
		seen  []sight
		best  []bool
		stops bool
	}{
		"rises":                     {[]sight{{1, .1, 1}, {2, .1, 2}, {3, .1, 3}}, []bool{true, true, true}, false},
		"falls while reward rises":  {[]sight{{3, .1, 1}, {3, .1, 2}, {1, .1, 3}}, []bool{true, true, false}, true},
		"falls a little":            {[]sight{{3, .1, 1}, {3, .1, 2}, {2.5, .1, 3}}, []bool{true, true, false}, false},
		"falls with reward":         {[]sight{{3, .1, 3}, {3, .1, 3}, {1, .1, 2}}, []bool{true, true, false}, false},
		"falls without any spread":  {[]sight{{3, 0, 1}, {3, 0, 2}, {2.9, 0, 3}}, []bool{true, true, false}, true},
		"too early to tell":         {[]sight{{3, .1, 1}}, []bool{true}, false},
		"as good as the best":       {[]sight{{3, .1, 1}, {3, .1, 2}, {3, .1, 3}}, []bool{true, true, true}, false},
		"noisy: errors count first": {[]sight{{3, 4, 1}, {3, 4, 2}, {-1, 4, 3}}, []bool{true, true, false}, false},
	} {
		var w watched
		fallen := 0.
		for i, s := range c.seen {
			var best bool
			if best, fallen = g.see(&w, s); best != c.best[i] {
				t.Errorf("%s: step %d best: %v", name, i, best)
			}
		}
		if (fallen > 0) != c.stops || len(w.Seen) > 2 {
			t.Errorf("%s: %v standard errors, want to stop: %v", name, fallen, c.stops)
		}
	}
	// Two prompts of means 1 and 3: mean 2, variance of a mean 2/2. The replies to a prompt do not count apart.
	if mean, variance := overPrompts([]float64{0, 2, 3, 3}, 2); mean != 2 || variance != 1 {
		t.Errorf("mean %v, variance %v, want 2 and 1", mean, variance)
	}
	if mean, variance := overPrompts([]float64{0, 2}, 2); mean != 1 || variance != 1 {
		t.Errorf("of one prompt: mean %v, variance %v, want 1 and 1", mean, variance)
	}
	if mean, variance := overPrompts([]float64{5}, 1); mean != 5 || variance != 0 {
		t.Errorf("of one reply: mean %v, variance %v", mean, variance)
	}
}

func TestKLBudget(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	policy, rewards := newTabular(2, 30, random), randomTable(2, 30, random)
	var steps []Step
	r := newRun(Config{Algorithm: AlgorithmPPO, Steps: 200, LR: .05, Beta: -1, KLBudget: .5, KLTarget: -1}.WithDefaults(), policy, numbered(2))
	r.reward, r.each = rewards, func(s Step) error { steps = append(steps, s); return nil }
	if err := r.train(context.Background()); err != nil {
		t.Fatal(err)
	}
	last := steps[len(steps)-1]
	if len(r.Stopped) < 3 || r.Stopped[:3] != "kl:" || last.KL <= .5 || last.Updates != 0 || r.Best.KL > .5 || r.Best.Step != last.Step-1 {
		t.Errorf("stopped %q at KL %v, kept one at %v", r.Stopped, last.KL, r.Best.KL)
	}
	if steps[0].KL > 1e-9 || steps[0].KL < -1e-9 || steps[0].KLCoef != 0 {
		t.Errorf("the reference is %v from itself, coefficient %v", steps[0].KL, steps[0].KLCoef)
	}
}

// A batch is not learned from further once the policy has moved too far from it.
func TestStepKL(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	policy, rewards := newTabular(1, 10, random), randomTable(1, 10, random)
	r := newRun(Config{Steps: 1, Epochs: 50, LR: .05, StepKL: .02, Beta: -1, Clip: -1}.WithDefaults(), policy, numbered(1))
	r.reward = rewards
	var first Step
	r.each = func(s Step) error {
		if s.Step == 0 {
			first = s
		}
		return nil
	}
	if err := r.train(context.Background()); err != nil {
		t.Fatal(err)
	}
	if first.Updates == 0 || first.Updates >= 200 || *first.StepKL <= .02 || *first.StepKL > .1 {
		t.Errorf("%d updates, moved %v", first.Updates, *first.StepKL)
	}
}

func TestControl(t *testing.T) {
	c := control{Target: 4, Gain: .1}
	for _, x := range []struct{ kl, want float64 }{{4, 1}, {4.4, 1.01}, {100, 1.02}, {0, .98}, {-3, .98}} {
		if got := c.next(1, x.kl); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("KL %v: %v, want %v", x.kl, got, x.want)
		}
	}
	if got := (control{-1, .1}).next(.3, 50); got != .3 {
		t.Errorf("without a target: %v", got)
	}
}
