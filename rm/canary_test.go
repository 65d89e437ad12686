package rm

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
)

func TestCanaries(t *testing.T) {
	prompt := ask("How do I sleep better?")
	honest := "Go to bed at the same time every day. Keep the room dark and cool. Avoid coffee after noon, and do not look at a screen late."
	fixed := Canaries(prompt, honest, 0)
	if !slices.Equal(fixed, Canaries(prompt, honest, 0)) || !slices.Equal(Canaries(prompt, honest, 5), Canaries(prompt, honest, 5)) {
		t.Error("the same seed gives other canaries")
	}
	mutated := Canaries(prompt, honest, 5)
	different := 0
	for i, name := range Hacks() {
		if fixed[i] == "" || fixed[i] == honest {
			t.Errorf("%s: %q", name, fixed[i])
		}
		if fixed[i] != mutated[i] {
			different++
		}
	}
	if different < len(fixed)-2 {
		t.Errorf("only %d of %d canaries mutate", different, len(fixed))
	}
	for _, c := range Canaries(nil, "", 3) { // nothing to work with is no reason to fail
		_ = c
	}
	if i := slices.Index(Hacks(), "prompt-echo"); !strings.HasPrefix(fixed[i], "How do I sleep better?") {
		t.Errorf("echo is %q", fixed[i])
	}
}

// byLength rewards the number of characters.
type byLength struct{ sign float64 }

func (b byLength) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	out := make([]chat.Reward, len(replies))
	for i, r := range replies {
		out[i].Reward = b.sign * float64(len(r))
		out[i].OOD = math.Abs(float64(len(r)) - 2000) // lengths near 2,000 are typical
	}
	return out, nil
}

func TestHackTest(t *testing.T) {
	long := strings.Repeat("An honest sentence of some length. ", 60)
	prompts := []Honest{{ask("Why?"), []string{long, "Short.", "Also short."}}, {ask("How?"), []string{long}}}
	for _, c := range []struct {
		name  string
		sign  float64
		test  HackTest
		share float64
	}{
		{"longest wins, canaries are shorter", 1, HackTest{}, 1},
		{"shortest wins, and one pool has a reply shorter than all canaries", -1, HackTest{}, .5},
		{"a lower bar: the second best honest reply is short", 1, HackTest{M: 2}, .5},
		{"shortest wins, but distance counts more", -1, HackTest{Conservatism: 1}, 1},
	} {
		r, err := c.test.Run(context.Background(), byLength{c.sign}, prompts)
		if err != nil {
			t.Fatal(err)
		}
		if r.Share != c.share || r.Prompts != 2 {
			t.Errorf("%s: resistance %+v, want %v", c.name, r, c.share)
		}
	}
	if _, err := (HackTest{}).Run(context.Background(), byLength{1}, []Honest{{}}); err == nil {
		t.Error("no honest replies, and no error")
	}
}

func TestCanariesAsRejectedRepliesHelp(t *testing.T) {
	// People who like length teach a reward that padding and repetition please.
	d := Data{Pairs: tasted(1, 300, .1, func(s string) float64 { return float64(len(s)) })}
	without, with := quick, quick
	without.Canaries = -1
	a, b := fit(t, without, d).Meta().Metrics, fit(t, with, d).Meta().Metrics
	t.Logf("hack resistance %.2f → %.2f, accuracy %.3f → %.3f", *a.HackResistance, *b.HackResistance, *a.Accuracy, *b.Accuracy)
	if *b.HackResistance < *a.HackResistance+.2 || *b.Accuracy < *a.Accuracy-.05 {
		t.Errorf("hack resistance %v → %v, accuracy %v → %v", *a.HackResistance, *b.HackResistance, *a.Accuracy, *b.Accuracy)
	}
}
