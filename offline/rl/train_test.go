package rl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/rm"
)

var _ Rewarder = (*rm.Model)(nil)

func openTest(t testing.TB) *lm.Model {
	t.Helper()
	m, err := lm.Open("../../lm/testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func ask(questions ...string) [][]chat.Message {
	var all [][]chat.Message
	for _, q := range questions {
		all = append(all, []chat.Message{{Role: chat.User, Content: q}})
	}
	return all
}

// scorer scores a reply by its text.
type scorer func(reply string) float64

func (s scorer) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	all := make([]chat.Reward, len(replies))
	for i, r := range replies {
		all[i].Reward = s(r)
	}
	return all, nil
}

// vowels is a reward that any language model can raise.
var vowels = scorer(func(reply string) float64 {
	n := 0.
	for _, c := range reply {
		if strings.ContainsRune("aeiou", c) {
			n++
		}
	}
	return n / math.Sqrt(float64(1+len(reply)))
})

var short = Config{Steps: 4, Batch: 12, Group: 3, Minibatches: 2, MaxTokens: 8, Baseline: 12, LR: 1e-3, StepKL: -1, Rank: 4, Seed: 7}

var questions = ask("Who?", "What did the teacher explain?", "Why is the garden gate open?", "Where?", "And now?")

func collect(into *[]Step) func(Step) error {
	return func(s Step) error { *into = append(*into, s); return nil }
}

func TestSameBytesOnAnyThreads(t *testing.T) {
	m := openTest(t)
	for _, algorithm := range Algorithms() {
		var want *Result
		var steps []byte
		for _, procs := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(procs)
			c := short
			c.Algorithm = algorithm
			var got []Step
			r, err := Trainer{Model: m, Config: c, Reward: vowels, Watch: scorer(func(s string) float64 { return float64(len(s)) }), Each: collect(&got)}.Train(context.Background(), questions)
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want, steps = r, lines
				if len(got) != c.Steps+1 || r.Steps != c.Steps || r.Stopped != "" || got[0].Updates != 4 || got[c.Steps].Updates != 0 || math.Abs(got[0].KL) > 1e-5 || got[c.Steps].KL == 0 {
					t.Errorf("%s: %s", algorithm, lines)
				}
				continue
			}
			if r.Weights != want.Weights || !bytes.Equal(lines, steps) {
				t.Errorf("%s: another result on %d threads", algorithm, procs)
			}
		}
	}
}

// A training that is stopped again and again ends with the bytes of one that was not.
func TestResumeIsNotHavingStopped(t *testing.T) {
	m := openTest(t)
	kill := errors.New("killed")
	for _, algorithm := range Algorithms() {
		c := short
		c.Algorithm, c.Schedule, c.WatchWindow = algorithm, "linear", 2
		base := Trainer{Model: m, Config: c, Reward: vowels, Watch: vowels}
		var all []Step
		whole := base
		whole.Each = collect(&all)
		want, err := whole.Train(context.Background(), questions)
		if err != nil {
			t.Fatal(err)
		}
		stopped := base
		stopped.Dir = t.TempDir()
		var lines []string
		for round := 0; ; round++ {
			steps := 0
			stopped.Each = func(s Step) error {
				if steps++; steps == 2 {
					return kill
				}
				line, err := json.Marshal(s)
				lines = append(lines, string(line))
				return err
			}
			r, err := stopped.Train(context.Background(), questions)
			if err == nil {
				if a, b := asJSON(t, *r), asJSON(t, *want); a != b || !slices.Equal(r.Adapter.Data, want.Adapter.Data) {
					t.Errorf("%s: stopped %d times, the result is\n%s, want\n%s", algorithm, round, a, b)
				}
				break
			}
			if !errors.Is(err, kill) || round > 10 {
				t.Fatal(err)
			}
		}
		for i, s := range all {
			if i < len(lines) && lines[i] != asJSON(t, s) {
				t.Errorf("%s: step %d is %s, want %s", algorithm, i, lines[i], asJSON(t, s))
			}
		}
		// Once finished, the same call does nothing and returns the same; another training does not go on from there.
		stopped.Each = func(Step) error { return kill }
		if r, err := stopped.Train(context.Background(), questions); err != nil || r.Weights != want.Weights {
			t.Errorf("%s: a finished training gave %v", algorithm, err)
		}
		stopped.Config.Seed++
		if _, err := stopped.Train(context.Background(), questions); err == nil || !strings.Contains(err.Error(), "another configuration") {
			t.Errorf("%s: another seed gave %v", algorithm, err)
		}
	}
}

func asJSON(t *testing.T, x any) string {
	t.Helper()
	if r, ok := x.(Result); ok {
		r.Adapter = nil
		x = r
	}
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The policy to begin with is the reference, and is not changed.
func TestStart(t *testing.T) {
	m := openTest(t)
	start, err := m.NewAdapter(lm.LoRA{Rank: 2, Seed: 4, Targets: []string{"attn_q", "ffn_down"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range start.Data {
		start.Data[i] += .02 * float32(i%7-3)
	}
	before := slices.Clone(start.Data)
	var steps []Step
	r, err := Trainer{Model: m, Config: short, Start: start, Reward: vowels, Each: collect(&steps)}.Train(context.Background(), questions)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(start.Data, before) || slices.Equal(r.Adapter.Data, before) || r.Adapter.Rank != 2 || math.Abs(steps[0].KL) > 1e-5 {
		t.Errorf("rank %d, first step %+v", r.Adapter.Rank, steps[0])
	}
	fresh, err := Trainer{Model: m, Config: short, Reward: vowels}.Train(context.Background(), questions)
	if err != nil || fresh.Adapter.Rank != 4 || fresh.RewardMean == r.RewardMean {
		t.Errorf("without one: rank %d, reference's reward %v, with it %v; %v", fresh.Adapter.Rank, fresh.RewardMean, r.RewardMean, err)
	}
}

// The gradient of the whole loss of a minibatch, through the model: along it the loss changes as differences say.
func TestGradientOfTheLoss(t *testing.T) {
	m := openTest(t)
	for _, c := range []Config{{Algorithm: AlgorithmPPO}, {Algorithm: AlgorithmGRPO, Beta: .7}} {
		c.Batch, c.Group, c.Minibatches, c.MaxTokens, c.Rank, c.Seed = 6, 3, 1, 6, 4, 2
		c = c.WithDefaults()
		p, err := newPolicy(m, nil, c)
		if err != nil {
			t.Fatal(err)
		}
		asked, _, err := p.take(questions, c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.adapter.Data { // B is zero at first
			p.adapter.Data[i] += .03 * float32(i%5-2)
		}
		r := newRun(c, p, asked)
		r.reward, r.Scale = vowels, scale{SD: 1, RawSD: 1}
		ctx := context.Background()
		batch, err := r.rollOut(ctx, 0, c.prompts())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.measure(ctx, batch, &Step{}); err != nil {
			t.Fatal(err)
		}
		r.estimator.estimate(batch, c.Group, r.betaIn(InReward))
		for i := range p.adapter.Data { // the policy has moved since it drew the batch
			p.adapter.Data[i] += .002 * float32(i%3-1)
		}
		lossAt := func() float64 {
			f, err := r.gradient(ctx, pointers(batch))
			if err != nil {
				t.Fatal(err)
			}
			return f.loss
		}
		lossAt()
		along, square := slices.Clone(r.grad), 0.
		for _, g := range along {
			square += float64(g) * float64(g)
		}
		at, h := slices.Clone(r.params), 3e-4/math.Sqrt(square)
		move := func(by float64) float64 {
			for i, g := range along {
				r.params[i] = at[i] + float32(by*float64(g))
			}
			return lossAt()
		}
		want := (move(h) - move(-h)) / (2 * h)
		if math.Abs(square-want) > .003*square {
			t.Errorf("%s: along the gradient %v, differences give %v", c.Algorithm, square, want)
		}
	}
}

func TestRewardsThatAreNoNumbers(t *testing.T) {
	m := openTest(t)
	bad := rewardOf(func(prompt []chat.Message, n int) []chat.Reward {
		all := make([]chat.Reward, n)
		if prompt[0].Content == "Where?" {
			all[1].Reward = math.NaN()
		}
		return all
	})
	for name, trainer := range map[string]Trainer{"reward": {Reward: bad}, "watch": {Reward: vowels, Watch: bad}} {
		trainer.Model, trainer.Config = m, short
		_, err := trainer.Train(context.Background(), questions)
		var e *chat.Error
		if !errors.As(err, &e) || e.Kind != chat.Invalid || e.Param != "prompts[3]" || !strings.Contains(err.Error(), "prompts[3]: reply 1 has reward NaN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	few := rewardOf(func(_ []chat.Message, n int) []chat.Reward { return make([]chat.Reward, n-1) })
	if _, err := (Trainer{Model: m, Config: short, Reward: few}).Train(context.Background(), questions); err == nil || !strings.Contains(err.Error(), "2 rewards for 3 replies") {
		t.Errorf("too few rewards: %v", err)
	}
}

type rewardOf func(prompt []chat.Message, n int) []chat.Reward

func (r rewardOf) Score(_ context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	return r(prompt, len(replies)), nil
}

// The spread and the distance of a reward model's replies hold a policy back from them.
func TestConservatism(t *testing.T) {
	m := openTest(t)
	doubtful := doubter{}
	train := func(c float64) Step {
		config := short
		config.Conservatism, config.Beta, config.Steps, config.Batch, config.LR, config.Algorithm = c, -1, 8, 24, 3e-3, AlgorithmRLOO
		r, err := Trainer{Model: m, Config: config, Reward: doubtful}.Train(context.Background(), questions)
		if err != nil {
			t.Fatal(err)
		}
		return r.Last
	}
	bold, careful := train(-1), train(4)
	if bold.SD <= careful.SD || bold.Reward <= careful.Reward {
		t.Errorf("conservatism 0: reward %v, spread %v; 4: reward %v, spread %v", bold.Reward, bold.SD, careful.Reward, careful.SD)
	}
}

// doubter likes vowels, but is the less sure of a reply the more it likes it.
type doubter struct{}

func (doubter) Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	all, err := vowels.Score(ctx, prompt, replies)
	for i := range all {
		all[i].SD = all[i].Reward / 2
	}
	return all, err
}

func TestRefusals(t *testing.T) {
	m := openTest(t)
	long := ask(strings.Repeat("hi ", 800), "Who?")
	r, err := Trainer{Model: m, Config: short, Reward: vowels}.Train(context.Background(), long)
	if err != nil || r.Prompts != 1 || r.Dropped != 1 {
		t.Errorf("a prompt that is too long: %+v, %v", r, err)
	}
	for name, trainer := range map[string]Trainer{
		"no reward":  {Config: short},
		"no prompts": {Config: short, Reward: vowels},
		"wrong":      {Config: Config{Algorithm: "reinforce"}, Reward: vowels},
		"rank":       {Config: Config{Rank: 1 << 20}, Reward: vowels},
	} {
		trainer.Model = m
		if _, err := trainer.Train(context.Background(), nil); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Trainer{Model: m, Config: short, Reward: vowels}).Train(ctx, questions); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).Check(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	off := Config{Conservatism: -1, RewardClip: -1, EndPenalty: -1, Beta: -1, KLTarget: -1, KLBudget: -1, StepKL: -1, Clip: -1}
	if err := off.Check(); err != nil || off.WithDefaults().Beta != -1 {
		t.Errorf("all switched off: %v", err)
	}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Algorithm: "a2c"}, `algorithm: got "a2c", want one of ppo, rloo, grpo`},
		{Config{KL: "both"}, `kl: got "both", want reward or loss`},
		{Config{Batch: 60}, "batch: got 60, want a multiple of group, which is 8"},
		{Config{Group: 16, Batch: 48}, "minibatches: got 4, want at most the prompts of a step, which are 3"},
		{Config{Algorithm: "rloo", Group: 1, Minibatches: 1}, "group: got 1; rloo compares"},
		{Config{Steps: -1, MaxTokens: -2}, "steps: got -1, want 1 … 1000000; max_tokens: got -2"},
		{Config{Beta: -.5}, "beta: got -0.5, want (0, 1000], or -1 for none"},
		{Config{Beta: math.NaN()}, "beta: got NaN"},
		{Config{LR: math.Inf(1)}, "lr: got +Inf"},
		{Config{Lambda: 1.5}, "lambda: got 1.5, want (0, 1], or -1 for none"},
		{Config{ClipRatio: -1}, "clip_ratio: got -1"},
		{Config{WatchErrors: -1}, "watch_errors: got -1"},
		{Config{Schedule: "step"}, `schedule: got "step"`},
	} {
		if err := c.c.Check(); err == nil || !strings.Contains(err.Error(), c.want) || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%+v: %v, want %q", c.c, err, c.want)
		}
	}
}

// The built-in model learns to end its replies with a question mark.
func TestPlantedReward(t *testing.T) {
	if testing.Short() {
		t.Skip("trains the built-in model")
	}
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	asks := scorer(func(reply string) float64 {
		if strings.HasSuffix(strings.TrimSpace(reply), "?") {
			return 1
		}
		return 0
	})
	for _, algorithm := range Algorithms() {
		c := Config{Algorithm: algorithm, Steps: 8, Batch: 32, MaxTokens: 40, Baseline: 64, LR: 1e-3, Seed: 1}
		r, err := Trainer{Model: m, Config: c, Reward: asks}.Train(context.Background(), voted(32))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: reward %.2f → %.2f at KL %.2f", algorithm, r.RewardMean, r.Last.Reward, r.Last.KL)
		if r.Last.Reward < r.RewardMean+.3 || r.Last.KL > 4 || r.Stopped != "" {
			t.Errorf("%s: reward %v → %v at KL %v, stopped %q", algorithm, r.RewardMean, r.Last.Reward, r.Last.KL, r.Stopped)
		}
	}
}

func voted(n int) [][]chat.Message {
	return ask(corpus.New().Voted(1, n)...)
}

func BenchmarkStep(b *testing.B) {
	m, err := tiny.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for _, algorithm := range Algorithms() {
		b.Run(algorithm, func(b *testing.B) {
			c := Config{Algorithm: algorithm, KLBudget: -1}.WithDefaults()
			p, err := newPolicy(m, nil, c)
			if err != nil {
				b.Fatal(err)
			}
			asked, _, err := p.take(voted(64), c)
			if err != nil {
				b.Fatal(err)
			}
			r := newRun(c, p, asked)
			r.reward, r.Scale = vowels, scale{SD: 1, RawSD: 1}
			for b.Loop() {
				r.Step = 0
				if err := r.step(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(r.Last.Tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
