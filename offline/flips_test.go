package offline

import (
	"context"
	"math"
	"strings"
	"testing"

	"plumb/offline/pairs"
	"plumb/offline/train"
)

func TestAssuming(t *testing.T) {
	votes := split{Noise: &pairs.Noise{Epsilon: .17, Votes: 60}}
	for _, c := range []struct {
		name, method string
		asked        float64
		split
		want float64
	}{
		{"estimated", "cdpo", 0, votes, .17},
		{"in a sum", "0.8 * robust + 0.2*sft", 0, votes, .17},
		{"asked for", "cdpo", .3, votes, .3},
		{"a loss that knows nothing of it", "dpo", 0, votes, 0},
		{"another meaning of epsilon", "exo_pair", 0, votes, 0},
		{"too few votes to tell", "robust", 0, split{}, 0},
		{"little but noise", "robust", 0, split{Noise: &pairs.Noise{Epsilon: .49}}, mostFlips},
	} {
		if got := assuming(train.Config{Method: c.method, Epsilon: c.asked}, c.split).Epsilon; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A run with cdpo takes the share of wrong votes from the votes, trains with it, and says so.
func TestRunAssumesEstimatedFlips(t *testing.T) {
	w := quickWorld(t)
	for i := range 40 { // two more people about everything; every fifth vote of theirs is wrong
		for k, user := range []string{"a", "b"} {
			winner := 0
			if (2*i+k)%5 == 0 {
				winner = 1
			}
			w.compare(t, i, user, winner)
		}
	}
	trained := func(epsilon float64) (weights string, run map[string]float64, reason string) {
		w.store.runs = nil
		r := w.quick()
		r.Config.Method, r.Config.Train.Epsilon, r.Config.Train.Epochs, r.Config.NoPublish = "cdpo", epsilon, 1, true
		made, err := r.Run(context.Background(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		return made.Weights, made.Metrics, made.Reason
	}
	weights, metrics, reason := trained(0)
	estimate := metrics["votes/epsilon"]
	if math.Abs(estimate-.13) > .08 || metrics["train/epsilon"] != estimate || !strings.Contains(reason, "estimated from") {
		t.Fatalf("%v wrong votes, %v assumed: %s", estimate, metrics["train/epsilon"], reason)
	}
	if same, _, _ := trained(estimate); same != weights {
		t.Error("another model than with the estimate asked for")
	}
	other, metrics, reason := trained(.3)
	if other == weights || metrics["train/epsilon"] != .3 || strings.Contains(reason, "estimated") {
		t.Errorf("asked for .3: %v assumed: %s", metrics["train/epsilon"], reason)
	}
}
