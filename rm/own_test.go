package rm

import (
	"context"
	"math"
	"strings"
	"testing"
)

// signature is how one author ends, and the model never.
const signature = "!"

func ownPairs(t *testing.T, demos []Demonstration) []Pair {
	t.Helper()
	own, err := OwnPairs(context.Background(), nil, demos)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// Whether a reward learned what is good or who wrote it shows on replies of the model itself.
func TestTellsGoodFromWroteIt(t *testing.T) {
	for _, c := range []struct {
		name      string
		signature string
		taste     float64
		low, high float64 // of own accuracy
		warned    bool
	}{
		{"a taste", "", 1, .7, 1, false},
		{"a signature and no taste", signature, .3, 0, .66, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			demos := demonstrated(150, c.signature, c.taste)
			own := ownPairs(t, demos)
			m := fit(t, quick, Data{Demonstrations: demos, Own: own}).Meta().Metrics
			t.Logf("author %.3f, own %.3f of %d", *m.AuthorAccuracy, *m.OwnAccuracy, m.OwnPairs)
			if *m.AuthorAccuracy < .75 || m.OwnPairs != len(own) || len(own) < 280 {
				t.Errorf("author accuracy %v, %d own pairs measured of %d", *m.AuthorAccuracy, m.OwnPairs, len(own))
			}
			if *m.OwnAccuracy < c.low || *m.OwnAccuracy > c.high {
				t.Errorf("own accuracy %v, want %v … %v", *m.OwnAccuracy, c.low, c.high)
			}
			if warned := strings.Contains(strings.Join(m.Warnings(), "\n"), "who wrote"); warned != c.warned {
				t.Errorf("warnings %q", m.Warnings())
			}
		})
	}
}

// Where demonstrations have a signature *and* a taste the signature explains most of it away; weight on own text brings the
// taste back.
func TestOwnTextTeachesWhatIsGood(t *testing.T) {
	demos := demonstrated(150, signature, 1)
	own := ownPairs(t, demos)
	trainer := quick
	alone := fit(t, trainer, Data{Demonstrations: demos, Own: own})
	trainer.OwnText = 1
	with := fit(t, trainer, Data{Demonstrations: demos, Own: own})
	a, b := *alone.Meta().Metrics.OwnAccuracy, *with.Meta().Metrics.OwnAccuracy
	t.Logf("own accuracy %.3f, with own text in the fit %.3f", a, b)
	if b < a || b < .75 {
		t.Errorf("own accuracy %.3f, with own text in the fit %.3f", a, b)
	}
	held := func(m *Model) float64 {
		e := evaluate(t, m, tasted(2, 300, 0, dragons))
		return *e.Accuracy
	}
	if x, y := held(alone), held(with); y < x-.02 || y < .9 {
		t.Errorf("accuracy on the taste %.3f, with own text in the fit %.3f", x, y)
	}
}

// Without weight, own comparisons are measured and change nothing else.
func TestOwnPairsWithoutWeightAreOnlyMeasured(t *testing.T) {
	demos := demonstrated(80, "", 1)
	own := ownPairs(t, demos)
	a, b := fit(t, quick, Data{Demonstrations: demos}), fit(t, quick, Data{Demonstrations: demos, Own: own})
	for _, text := range []string{"It has a dragon too.", "The river is near the stone.", ""} {
		if x, y := score(t, a, "p1", text)[0], score(t, b, "p1", text)[0]; x != y {
			t.Errorf("%q: %v, with own pairs %v", text, x, y)
		}
	}
	if a.Meta().Metrics.OwnAccuracy != nil || b.Meta().Metrics.OwnAccuracy == nil || a.Evidence() != b.Evidence() {
		t.Errorf("metrics %+v and %+v", a.Meta().Metrics, b.Meta().Metrics)
	}
}

func TestOwnPairsAreNearestOverFarthest(t *testing.T) {
	list := "1. Take the stone.\n2. Take the paper.\n3. Take the bridge."
	demos := []Demonstration{
		{Prompt: ask("a"), Reply: "1. Take the candle.\n2. Take the engine.", Candidates: []string{"The market is near.", list, "Why? Why? Why?"}, Weight: 2, User: "u"},
		{Prompt: ask("b"), Reply: "The market is near.", Candidates: []string{list, "The harbour is near.", list}},
		{Prompt: ask("c"), Reply: "x", Candidates: []string{"y", "y"}},
		{Prompt: ask("d"), Reply: "x", Candidates: []string{"z"}},
	}
	own := ownPairs(t, demos)
	if len(own) != 2 || own[0].Chosen != list || own[0].Weight != 2 || own[0].User != "u" || own[1].Chosen != "The harbour is near." || own[1].Rejected != list {
		t.Errorf("got %+v", own)
	}
	many := demonstrated(20, "", 1)
	if own := ownPairs(t, many); len(own) != 40 || own[0].Weight != .5 || own[0].Chosen == own[1].Chosen {
		t.Errorf("%d pairs of 20 lists of 6", len(own))
	}
	if own := ownPairs(t, nil); own != nil {
		t.Errorf("of nothing: %v", own)
	}
	if _, err := OwnPairs(context.Background(), nil, []Demonstration{{Reply: "x"}}); err == nil {
		t.Error("a demonstration without candidates is no error")
	}
}

func TestFitRefusesBadOwnPairs(t *testing.T) {
	demos := demonstrated(3, "", 1)
	for _, c := range []struct {
		name, want string
		data       Data
	}{
		{"alone", "comparisons of own replies alone", Data{Own: []Pair{{Chosen: "a", Rejected: "b"}}}},
		{"a tie", "own[0]: got a tie", Data{Demonstrations: demos, Own: []Pair{{Chosen: "a", Rejected: "b", Tie: true}}}},
		{"weight", "own[1].weight: got NaN", Data{Demonstrations: demos, Own: []Pair{{Chosen: "a", Rejected: "b"}, {Chosen: "a", Rejected: "b", Weight: math.NaN()}}}},
	} {
		if _, err := quick.Fit(context.Background(), c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	metrics := func(author, own float64, n int) Metrics {
		var o outcome
		for i := range n { // a prompt each
			o.scores, o.group = append(o.scores, float64(2*i+1)-2*(1-own)*float64(n)), append(o.group, int32(i))
		}
		return Metrics{AuthorAccuracy: &author, OwnAccuracy: &own, OwnPairs: n, OwnZ: o.overChance()}
	}
	for _, c := range []struct {
		name string
		m    Metrics
		want int
	}{
		{"nothing measured", Metrics{}, 0},
		{"no own pairs", Metrics{AuthorAccuracy: number(.99)}, 0},
		{"author only", metrics(.99, .52, 100), 1},
		{"both", metrics(.99, .8, 100), 0},
		{"neither", metrics(.6, .5, 100), 0},
		{"worse than chance", metrics(.8, .2, 400), 1},
		{"just over chance in few", metrics(.8, .65, 20), 1},
		{"just over chance in many", metrics(.8, .65, 200), 0},
		{"a small part of the author's", metrics(1, .62, 1000), 1},
	} {
		if got := c.m.Warnings(); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestOverChance(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores []float64
		group  []int32
		want   float64
	}{
		{"a prompt each", []float64{1, 2, -3, 4}, []int32{0, 1, 2, 3}, 1},
		{"one prompt, many pairs", []float64{1, 1, 1, 1, 1}, []int32{7, 7, 7, 7, 7}, 1},
		{"undecided", []float64{1, -1, 0}, []int32{0, 0, 1}, 0},
		{"unequal prompts", []float64{1, 1, -1, 1}, []int32{0, 0, 0, 1}, (1./3 + 1) / math.Sqrt(1./9+1)},
	} {
		if got := (outcome{scores: c.scores, group: c.group}).overChance(); math.Abs(*got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, *got, c.want)
		}
	}
	if got := (outcome{}).overChance(); got != nil {
		t.Errorf("of nothing: %v", *got)
	}
}
