package offline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/registry"
	"plumb/offline/rl"
)

// shownWorld is a quickWorld whose replies come in sixes, and whose users also show how they want to be answered: by questions.
func shownWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld(t, mustReadTiny(t))
	ctx := context.Background()
	for i := range 40 {
		user := fmt.Sprint("u", i%7)
		g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%03d", i), Time: time.Unix(int64(1e9+i), 0).UTC(), Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("What is ", i, "?")}}}
		for k, text := range []string{"Why do you ask about %d?", "It is %d.", "Is it %d that you mean?", "%d, I think.", "What about %d?", "That makes %d."} {
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: fmt.Sprintf(text, i), Shown: k == 0})
		}
		if _, err := w.log.PutGeneration(ctx, g); err != nil {
			t.Fatal(err)
		}
		for n, e := range []feedback.Event{
			{Kind: feedback.Preference, Generation: g.ID, Winner: g.Candidates[0].ID, Losers: []string{g.Candidates[1].ID}},
			{Kind: feedback.Preference, Generation: g.ID, Winner: g.Candidates[2].ID, Losers: []string{g.Candidates[3].ID}},
			{Kind: feedback.Demonstration, Messages: g.Messages, Text: fmt.Sprint("And why ", i, "?")},
		} {
			e.ID, e.User, e.Source, e.Time = fmt.Sprintf("fb-%03d-%d", i, n), user, feedback.Human, g.Time
			if _, _, err := w.log.PutEvent(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func mustReadTiny(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../lm/testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fewSteps makes reinforcement learning a matter of a second.
func fewSteps(c *Config) {
	c.RL = rl.Config{Steps: 3, Batch: 8, Group: 4, Minibatches: 2, Baseline: 16, KLBudget: -1}
}

func TestMethodsOfReward(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, c := range []struct {
		method string
		metric string // that the method, and no other, leaves
	}{
		{Distill, "train/rows"}, {BoNBoN, "train/rewards/margins"}, {RLHF, "head/gain"}, {PPO, "train/reward"}, {RLOO, "train/reward"},
		{GRPO, "train/reward"}, {IRL, "irl/author_accuracy"},
	} {
		t.Run(c.method, func(t *testing.T) {
			w := shownWorld(t)
			r := w.quick()
			fewSteps(&r.Config)
			r.Config.Method, r.Config.NoPublish = c.method, true
			r.Config.Limits.Alpha = 1e-9 // a random model learns nothing in three steps, and may move either way
			run, err := r.Run(context.Background(), Request{})
			if err != nil || run.Decision != "passed" || run.Method != c.method {
				t.Fatalf("%s by %s: %s; %v", run.Decision, run.Method, Why(run), err)
			}
			if _, ok := run.Metrics[c.metric]; !ok || len(run.Weights) != 64 {
				t.Errorf("weights %q, metrics %v", run.Weights, run.Metrics)
			}
		})
	}
}

// A run that is killed in the middle of its training ends with the same bytes, whatever the method.
func TestKilledInTraining(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, method := range []string{RLHF, IRL, Distill} {
		t.Run(method, func(t *testing.T) {
			change := func(c *Config) {
				fewSteps(c)
				c.Method = method
			}
			whole, w := shownWorld(t), shownWorld(t)
			want := killedRun(t, whole, change, func(registry.State, bool) bool { return false })
			calls := 0
			got := killedRun(t, w, change, func(s registry.State, atPut bool) bool {
				if s != registry.Train || atPut {
					return false
				}
				calls++
				return calls%4 == 0 && calls < 20
			})
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the manifests differ:\n%s", d)
			}
			a, errA := os.ReadFile(filepath.Join(whole.dir, "runs/run-0/adapter.gguf"))
			b, errB := os.ReadFile(filepath.Join(w.dir, "runs/run-0/adapter.gguf"))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("the adapters differ: %v %v", errA, errB)
			}
		})
	}
}

func TestTooFewCandidatesToDistill(t *testing.T) {
	w := quickWorld(t) // two candidates a reply
	r := w.quick()
	r.Config.Method = Distill
	if run, err := r.Run(context.Background(), Request{}); err == nil || !strings.Contains(err.Error(), "draw more candidates") {
		t.Errorf("%s, %v", run.Decision, err)
	}
}

func TestConfigOfReinforcement(t *testing.T) {
	for _, method := range Methods() {
		if err := (Config{Method: method}).Check(); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	c := Config{Method: RLHF, RL: rl.Config{Batch: 7, Group: 2}}
	if err := c.Check(); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "batch") {
		t.Errorf("a batch that is no multiple of the group: %v", err)
	}
	if err := (Config{Method: "alchemy"}).Check(); chat.KindOf(err) != chat.Invalid {
		t.Errorf("an unknown method: %v", err)
	}
}
