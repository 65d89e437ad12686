package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/offline/loss"
	"plumb/offline/rows"
)

func number(x float64) *float64 { return &x }

// fixture is the golden pairs and the replies made of them.
func fixture(t testing.TB) (*lm.Model, []Pair, []Reply) {
	g, m := readGolden(t), openTiny(t)
	pairs, _ := Encoder{Model: m}.Pairs(g.rows())
	var replies []Reply
	for _, p := range pairs {
		replies = append(replies, Reply{p.Prompt, p.Chosen, true, 1}, Reply{p.Prompt, p.Rejected, false, 1})
	}
	return m, pairs, replies
}

// learn trains by any method.
func learn(tr Trainer, pairs []Pair, replies []Reply) (*Result, error) {
	switch Kind(tr.Config.Method) {
	case Preference:
		return tr.Preferences(context.Background(), pairs)
	case Unpaired:
		return tr.Replies(context.Background(), replies)
	}
	return tr.Imitate(context.Background(), replies)
}

func TestSameBytesOnAnyThreads(t *testing.T) {
	m, pairs, replies := fixture(t)
	pairs, replies = pairs[:12], replies[:12]
	for _, method := range []string{"dpo", "kto", "sft"} {
		var want *Result
		var steps []Step
		for _, procs := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(procs)
			var got []Step
			r, err := learn(Trainer{Model: m, Config: Config{Method: method, LR: 1e-3, Epochs: 1, Batch: 6, Seed: 7}, Each: collect(&got)}, pairs, replies)
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want, steps = r, got
				continue
			}
			a, _ := json.Marshal(steps)
			b, _ := json.Marshal(got)
			if r.Weights != want.Weights || !bytes.Equal(a, b) {
				t.Errorf("%s: another result on %d threads", method, procs)
			}
		}
	}
	kernel.SetThreads(0)
}

// A training that is stopped again and again ends with the bytes of one that was not.
func TestResumeIsNotHavingStopped(t *testing.T) {
	m, pairs, replies := fixture(t)
	kill := errors.New("killed")
	for _, method := range []string{"dpo", "bco", "sft"} {
		c := Config{Method: method, LR: 1e-3, Epochs: 2, Batch: 4, Seed: 3, Decay: .1, Schedule: "cosine", Warmup: 2, SaveEvery: 2}
		var all []Step
		want, err := learn(Trainer{Model: m, Config: c, Each: collect(&all)}, pairs, replies)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		var last []Step
		for round := 0; ; round++ {
			steps := 0
			r, err := learn(Trainer{Model: m, Config: c, Dir: dir, Cache: dir, Each: func(s Step) error {
				if steps++; steps == 4 {
					return kill // after two more checkpoints, or in between
				}
				last = append(last, s)
				return nil
			}}, pairs, replies)
			if err == nil {
				if r.Weights != want.Weights || !slices.Equal(r.Adapter.Data, want.Adapter.Data) {
					t.Errorf("%s: stopped %d times, the result differs", method, round)
				}
				break
			}
			if !errors.Is(err, kill) || round > 20 {
				t.Fatal(err)
			}
		}
		a, _ := json.Marshal(all[len(all)-1])
		b, _ := json.Marshal(last[len(last)-1])
		if !bytes.Equal(a, b) {
			t.Errorf("%s: last step %s, want %s", method, b, a)
		}
		// Once finished, the same call does nothing and returns the same.
		r, err := learn(Trainer{Model: m, Config: c, Dir: dir, Each: func(Step) error { return kill }}, pairs, replies)
		if err != nil || r.Weights != want.Weights {
			t.Errorf("%s: a finished training gave %v", method, err)
		}
		// Another training does not go on with this one's checkpoint.
		c.Beta = .2
		if _, err := learn(Trainer{Model: m, Config: c, Dir: dir}, pairs, replies); err == nil || !strings.Contains(err.Error(), "another configuration") {
			t.Errorf("%s: another configuration gave %v", method, err)
		}
	}
}

func TestPassesDoNotMatter(t *testing.T) {
	m, pairs, replies := fixture(t)
	pairs, replies = pairs[:5], replies[:10]
	for _, method := range []string{"dpo", "kto", "bco", "sft"} {
		var want []Step
		for _, passTokens := range []int{4096, 100, 1} {
			var got []Step
			_, err := learn(Trainer{Model: m, Config: Config{Method: method, LR: 1e-3, Epochs: 1, Batch: 5, PassTokens: passTokens}, Each: collect(&got)}, pairs, replies)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			for i := range want {
				if math.Abs(got[i].Loss-want[i].Loss) > 1e-5*math.Abs(want[i].Loss) || math.Abs(got[i].GradNorm-want[i].GradNorm) > 1e-4*want[i].GradNorm {
					t.Errorf("%s, %d tokens a pass, step %d: loss %v norm %v, want %v, %v", method, passTokens, i+1, got[i].Loss, got[i].GradNorm, want[i].Loss, want[i].GradNorm)
				}
			}
		}
	}
}

// Every method moves what it is meant to move, on the rows it was given.
func TestMethodsLearn(t *testing.T) {
	m, pairs, replies := fixture(t)
	pairs, replies = pairs[:8], replies[:16]
	for _, method := range append(Methods(), "sigmoid+0.2*sft") {
		var got []Step
		c := Config{Method: method, LR: 1e-3, Epochs: 7, Batch: 8, Beta: .3, Rank: 4}
		if _, err := learn(Trainer{Model: m, Config: c, Each: collect(&got)}, pairs, replies); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		first, last := got[0], got[len(got)-1]
		if Kind(method) == Demonstration {
			if last.Loss > .97*first.Loss {
				t.Errorf("%s: loss %v → %v", method, first.Loss, last.Loss)
			}
			continue
		}
		if last.Margins == nil || *last.Margins < .2 && method != "apo_down" || method == "apo_down" && *last.Rejected > 0 {
			t.Errorf("%s: loss %v → %v, margins %v", method, first.Loss, last.Loss, *last.Margins)
		}
	}
}

func TestWeightsOfRows(t *testing.T) {
	m, pairs, _ := fixture(t)
	norm := func(w float64) float64 {
		batch := slices.Clone(pairs[:4])
		for i := range batch {
			batch[i].Weight = w
		}
		var got []Step
		if _, err := (Trainer{Model: m, Config: Config{Method: "dpo", Epochs: 1}, Each: collect(&got)}).Preferences(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		return got[0].GradNorm
	}
	if a, b := norm(1), norm(.5); math.Abs(b-.5*a) > 1e-5*a {
		t.Errorf("half the weight has norm %v of %v", b, a)
	}
}

func TestFullWeights(t *testing.T) {
	g := readGolden(t)
	m := openTiny(t)
	var replies []Reply
	for _, r := range g.SFT {
		replies = append(replies, Reply{r.PromptIDs, r.CompletionIDs, true, 1})
	}
	before := slices.Clone(m.Weights().Data)
	var got []Step
	r, err := Trainer{Model: m, Config: Config{Method: "sft", Full: true, LR: 1e-3, Epochs: 10, Batch: 16}, Each: collect(&got)}.Imitate(context.Background(), replies)
	if err != nil {
		t.Fatal(err)
	}
	if r.Adapter != nil || slices.Equal(before, m.Weights().Data) || got[len(got)-1].Loss > .8*got[0].Loss {
		t.Errorf("loss %v → %v", got[0].Loss, got[len(got)-1].Loss)
	}
}

func TestReferenceIsKept(t *testing.T) {
	m, pairs, _ := fixture(t)
	dir := t.TempDir()
	trees := []lm.Tree{{Prompt: pairs[0].Prompt, Branches: [][]int32{pairs[0].Chosen, pairs[0].Rejected}}, {Prompt: pairs[1].Prompt, Branches: [][]int32{pairs[1].Chosen}}}
	r, err := OpenReference(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := r.Logprobs(context.Background(), trees, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The process dies in the middle of a line, and garbage follows.
	f, _ := os.OpenFile(r.path, os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"key":"0011`)
	f.Close()
	r, err = OpenReference(m, dir)
	if err != nil || len(r.known) != 3 {
		t.Fatalf("%d known, %v", len(r.known), err)
	}
	more := append(trees, lm.Tree{Prompt: pairs[2].Prompt, Branches: [][]int32{pairs[2].Chosen}})
	calls := 0
	got, err := r.Logprobs(context.Background(), more, 1024, func(done, all int) {
		if calls++; done != 3 || all != 3 {
			t.Errorf("progress %d of %d", done, all)
		}
	})
	if err != nil || calls != 1 {
		t.Errorf("%d passes, %v", calls, err)
	}
	for i := range want {
		if !slices.Equal(want[i], got[i]) {
			t.Errorf("tree %d: %v, then %v", i, want[i], got[i])
		}
	}
	if r, _ = OpenReference(m, dir); len(r.known) != 4 {
		t.Errorf("%d known after all", len(r.known))
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{}, "method:"},
		{Config{Method: "ppo"}, `got "ppo"`},
		{Config{Method: "dpo", Beta: -1}, "beta: got -1"},
		{Config{Method: "dpo", LR: -1, Batch: -2}, "batch: got -2"},
		{Config{Method: "kto", Batch: 1}, "needs at least 2"},
		{Config{Method: "dpo", Full: true}, "full: got method dpo"},
		{Config{Method: "dpo", Epochs: math.Inf(1)}, "epochs: got +Inf"},
		{Config{Method: "dpo", LR: math.NaN()}, "lr: got NaN"},
		{Config{Method: "dpo", Schedule: "step"}, `got "step"`},
	} {
		if err := c.c.Check(); err == nil || !strings.Contains(err.Error(), c.want) || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%+v: %v, want %q", c.c, err, c.want)
		}
	}
	m, pairs, _ := fixture(t)
	if _, err := (Trainer{Model: m, Config: Config{Method: "kto"}}).Preferences(context.Background(), pairs); err == nil || !strings.Contains(err.Error(), "kto is for unpaired rows") {
		t.Errorf("kto on pairs: %v", err)
	}
	if _, err := (Trainer{Model: m, Config: Config{Method: "dpo"}}).Preferences(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "0 rows, want at least 1") {
		t.Errorf("no rows: %v", err)
	}
	if _, err := (Trainer{Model: m, Config: Config{Method: "dpo", LR: 10, Epochs: 5, Clip: -1}}).Preferences(context.Background(), pairs); err != nil && !strings.Contains(err.Error(), "a smaller lr may help") {
		t.Errorf("a wild rate: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Trainer{Model: m, Config: Config{Method: "simpo"}}).Preferences(ctx, pairs); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestEncoderDrops(t *testing.T) {
	m := openTiny(t)
	user := rows.Text{Messages: []chat.Message{{Role: chat.User, Content: "hi"}}}
	long := rows.Text{Messages: []chat.Message{{Role: chat.User, Content: strings.Repeat("hi ", 500)}}}
	pairs, dropped := Encoder{Model: m, MaxLength: 40}.Pairs([]rows.Preference{
		{Prompt: user, Chosen: rows.Plain("a"), Rejected: rows.Plain("b")},
		{Prompt: user, Chosen: rows.Plain(strings.Repeat("a ", 90)), Rejected: rows.Plain("b"), Weight: number(.5)},
		{Prompt: user, Chosen: rows.Plain(strings.Repeat("a ", 90)), Rejected: rows.Plain(strings.Repeat("a ", 91))},
		{Prompt: user, Chosen: rows.Plain("a"), Rejected: rows.Plain("b"), Tie: true},
		{Prompt: user, Chosen: rows.Plain("a"), Rejected: rows.Plain("b"), Weight: number(0)},
		{Prompt: long, Chosen: rows.Plain("a"), Rejected: rows.Plain("b")},
		{Prompt: user, Chosen: rows.Text{Messages: []chat.Message{{Role: chat.Assistant, Content: "a"}, {Role: chat.User, Content: "b"}}}, Rejected: rows.Plain("b")},
	})
	want := map[string]int{dropAlike: 1, dropTie: 1, dropWeightless: 1, dropLong: 1, dropShape: 1}
	if len(pairs) != 2 || fmt.Sprint(dropped) != fmt.Sprint(want) {
		t.Errorf("%d pairs, dropped %v, want %v", len(pairs), dropped, want)
	}
	if n := len(pairs[1].Prompt) + len(pairs[1].Chosen); n != 40 || pairs[1].Weight != .5 {
		t.Errorf("cut to %d tokens, weight %v", n, pairs[1].Weight)
	}
	plain, _ := Encoder{Model: m}.Demonstrations([]rows.Demonstration{{Prompt: rows.Plain("hi"), Completion: rows.Plain(" you")}})
	chatted, _ := Encoder{Model: m, Chat: true}.Demonstrations([]rows.Demonstration{{Prompt: rows.Plain("hi"), Completion: rows.Plain(" you")}})
	if len(plain) != 1 || len(chatted) != 1 || len(plain[0].Prompt) >= len(chatted[0].Prompt) {
		t.Errorf("plain %v, chat %v", plain, chatted)
	}
}

func TestOrder(t *testing.T) {
	o := order{rows: 10, batch: 4, seed: 1, least: 1}
	if o.perEpoch() != 3 || o.steps(2) != 6 || len(o.at(2)) != 2 {
		t.Errorf("%d steps an epoch, last has %v", o.perEpoch(), o.at(2))
	}
	seen := map[int]int{}
	for step := range 6 {
		for _, row := range o.at(step) {
			seen[row]++
		}
	}
	for row := range 10 {
		if seen[row] != 2 {
			t.Errorf("row %d was seen %d times in two epochs", row, seen[row])
		}
	}
	if slices.Equal(o.at(0), o.at(3)) {
		t.Error("two epochs have one order")
	}
	o = order{rows: 9, batch: 4, least: 2, ordered: true}
	if o.perEpoch() != 2 || !slices.Equal(o.at(1), []int{4, 5, 6, 7, 8}) || !slices.Equal(o.at(2), []int{0, 1, 2, 3}) {
		t.Errorf("a rest of one: %v", o.at(1))
	}
	if o = (order{rows: 1, batch: 4, least: 2}); o.perEpoch() != 1 || o.steps(.01) != 1 {
		t.Error("one row")
	}
}

func BenchmarkStep(b *testing.B) {
	m, pairs, _ := fixture(b)
	r, err := Trainer{Model: m, Config: Config{Method: "dpo"}}.start(Preference)
	if err != nil {
		b.Fatal(err)
	}
	o := &preferences{run: r, pairs: pairs, loss: loss.Sigmoid{}}
	if err := o.begin(context.Background()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := o.batch(context.Background(), []int{0, 1, 2, 3}, r.grad); err != nil {
			b.Fatal(err)
		}
	}
}
