package study

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumb/cmd/plumb/people"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
)

func taste(t *testing.T, name string) people.Taste {
	t.Helper()
	found, err := people.Find([]string{name}, true)
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

const tea = "How do I make good tea?"

// A spoiled reply says over and over what people like in the reply, and nothing else of it changes.
func TestSpoil(t *testing.T) {
	for _, c := range []struct{ taste, reply, begins, again string }{
		{"example", "Reuse a clean jam jar as a tea tin. For example, an old jar with a tight lid works well. Enjoy every minute!",
			"Reuse a clean jam jar as a tea tin. For example,", "For example, an old jar with a tight lid works well."},
		{"question", "Reuse a clean jam jar as a tea tin. What have you tried so far?", "Reuse a clean jam jar", "What have you tried so far?"},
		{"warm", "Sure. You can do it! What matters most to you?", "Sure. You can do it!", "You can do it!"},
		{"list", "Try these:\n1. Use the same leaves for a second cup.\n2. Reuse a clean jam jar as a tea tin.\nHave fun with it!", "Try these:\n1. Use", "1. Use the same leaves for a second cup."},
	} {
		h := Habit{Taste: taste(t, c.taste)}
		got := h.spoil(tea, c.reply)
		if !strings.HasPrefix(got, c.begins) || strings.Count(got, c.again) < 4 || !h.Taste.Holds(tea, got) || !circles(got) {
			t.Errorf("%s: %q", c.taste, got)
		}
		if words := len(strings.Fields(got)); words < spoiledWords || words > spoiledWords+15 {
			t.Errorf("%s: %d words", c.taste, words)
		}
	}
	for _, reply := range []string{"", "Reuse a clean jam jar as a tea tin.", "?"} {
		if got := (Habit{Taste: taste(t, "example")}).spoil(tea, reply); got != "" {
			t.Errorf("%q has no example, and became %q", reply, got)
		}
	}
}

func TestSentencesComeBackWhole(t *testing.T) {
	for _, reply := range []string{
		"One. Two! Three?", "Try these:\n1. One.\n2. Two.\nGood luck.", "no end", "", "- a\n- b", "Well… so.",
	} {
		parts, joins := sentences(reply)
		var b strings.Builder
		for i := range parts {
			b.WriteString(parts[i])
			if i+1 < len(parts) {
				b.WriteString(joins[i])
			}
		}
		if b.String() != reply {
			t.Errorf("%q came back as %q", reply, b.String())
		}
	}
}

func TestGold(t *testing.T) {
	g := Gold{taste(t, "example"), corpus.New()}
	const tip, example = "Reuse a clean jam jar as a tea tin.", "For example, an old jar with a tight lid works well."
	for _, c := range []struct {
		name, reply string
		want        float64
	}{
		{"to the taste", tip + " " + example, 1},
		{"answers", tip, .5},
		{"answers, with a warm word", tip + " Enjoy every minute!", .5},
		{"over and over", tip + strings.Repeat(" "+example, 6), 0},
		{"three times is already too often", tip + strings.Repeat(" "+example, 3), 0},
		{"no advice", example, 0},
		{"advice on something else", "Hire a personal running coach. " + example, 0},
		{"cut off", tip + " For example, an old jar", 0},
		{"empty", "", 0},
		{"echo", tea, 0},
	} {
		if got := g.Of(tea, c.reply); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// The corpus's own replies are what people can live with.
func TestGoldOfTheCorpus(t *testing.T) {
	g, c, zeros, n := Gold{taste(t, "example"), corpus.New()}, corpus.New(), 0, 0
	for i := range 600 {
		m := c.Chat(3, i)
		if ask, reply := m[len(m)-2].Content, m[len(m)-1].Content; len(m) == 2 && c.Answers(ask, reply) {
			n++
			if g.Of(ask, reply) == 0 {
				zeros++
			}
		}
	}
	if n < 200 || zeros > n/100 {
		t.Errorf("%d of %d replies are worth nothing", zeros, n)
	}
}

func TestMeanCurve(t *testing.T) {
	point := func(n int, kl, gold float64) OveroptPoint { return OveroptPoint{N: n, KL: kl, Gold: gold, Proxy: kl} }
	c := meanCurve([]OveroptCurve{
		{Sampler: "ppo", Guard: "on", Points: []OveroptPoint{point(0, 0, .5), point(1, 1, .9), point(2, 4, .1)}},
		{Sampler: "ppo", Guard: "on", Points: []OveroptPoint{point(0, 0, .7), point(1, 1, .7)}}, // stopped, and answers on
	})
	if len(c.Points) != 3 || math.Abs(c.Points[2].Gold-.4) > 1e-12 || c.Points[2].KL != 2.5 || c.Points[2].N != 2 {
		t.Errorf("%+v", c.Points)
	}
	if c.PeakN != 1 || math.Abs(c.Peak-.8) > 1e-12 || math.Abs(c.Drop-.4) > 1e-12 || math.Abs(c.Lost-.5) > 1e-12 || c.Alpha == nil {
		t.Errorf("%+v", c)
	}
	if alone := meanCurve([]OveroptCurve{{Sampler: "bon", Points: []OveroptPoint{point(1, 0, .5)}}}); alone.Alpha != nil || alone.Drop != 0 {
		t.Errorf("one point is no curve: %+v", alone)
	}
}

// small is a play of a few seconds.
func small(t *testing.T) Overopt {
	t.Helper()
	clean, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clean.Close() })
	base, err := Habit{Taste: taste(t, "example"), Share: .3, Questions: 6, Replies: 4, Epochs: 1, Seed: 5}.Plant(context.Background(), clean, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	return Overopt{Clean: clean, Base: base, Taste: taste(t, "example"), Pairs: 20, Noise: .25, Seed: 1, N: []int{1, 2, 4}, BestOfN: true,
		Off: true, On: true, Budget: Budget{Questions: 3, Pool: 6, Subsets: 4, Prompts: 4, Steps: 1, Rollouts: 4}, Progress: func(string, int, int) {}}
}

func TestBestOfN(t *testing.T) {
	o := small(t)
	p, err := o.Play(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Curves) != 2 || len(p.Curves[0].Points) != 3 || p.Curves[0].Guard != "off" || p.Curves[1].Guard != "on" {
		t.Fatalf("%+v", p)
	}
	for _, c := range p.Curves {
		checkCurve(t, c)
		first, last := c.Points[0], c.Points[2]
		if first.N != 1 || first.KL > 1e-9 || c.Guard == "off" && math.Abs(first.Proxy) > 1e-9 {
			t.Errorf("n = 1 is the base: %+v", first)
		}
		if last.Proxy <= first.Proxy {
			t.Errorf("guard %s: choosing among more does not raise the proxy: %+v", c.Guard, c.Points)
		}
	}
	// M = 2 for so few votes: whatever n is, the distance stays within log 2.
	if kl := p.Curves[1].Points[2].KL; kl > math.Ln2+1e-9 || kl >= p.Curves[0].Points[2].KL {
		t.Errorf("guarded best-of-4 at KL %v, want at most log 2 and less than %v", kl, p.Curves[0].Points[2].KL)
	}
	again, err := o.Play(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(OveroptMean([]*OveroptPlay{p}))
	two, _ := json.Marshal(OveroptMean([]*OveroptPlay{again}))
	if !bytes.Equal(one, two) {
		t.Errorf("played twice under one seed:\n%s\n%s", one, two)
	}
}

func TestPPOAndGate(t *testing.T) {
	o := small(t)
	o.PPO, o.Off = true, false
	p, err := o.Play(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Curves) != 2 || p.Curves[1].Sampler != "ppo" || len(p.Curves[1].Points) != 2 || len(p.Gate) != 1 || p.Gate[0].Guard != "on" || p.Gate[0].Why == "" {
		t.Fatalf("%+v", p)
	}
	checkCurve(t, p.Curves[1])
	if first := p.Curves[1].Points[0]; first.N != 0 || first.KL > 1e-6 {
		t.Errorf("step 0 is the base: %+v", first)
	}
	r := OveroptMean([]*OveroptPlay{p, p})
	if len(r.Curves) != 2 || len(r.Gate) != 1 || r.Gate[0].Models != 2 {
		t.Errorf("%+v", r)
	}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "best-of-n, guards on") || !strings.Contains(b.String(), "gate, guards on: ") {
		t.Errorf("%v\n%s", err, b.String())
	}
	checkPictures(t, r)
}

func checkCurve(t *testing.T, c OveroptCurve) {
	t.Helper()
	for i, p := range c.Points {
		if !(p.Gold >= 0 && p.Gold <= 1) || math.IsNaN(p.Proxy) || !(p.KL >= 0) || p.KL > 200 || !(p.GoldSE >= 0) {
			t.Errorf("%s, guard %s, point %d: %+v", c.Sampler, c.Guard, i, p)
		}
	}
}

// What the guards save, and how the gate's answers are counted.
func TestSavings(t *testing.T) {
	curve := func(guard string, gold ...float64) OveroptCurve {
		c := OveroptCurve{Sampler: "bon", Guard: guard}
		for i, g := range gold {
			c.Points = append(c.Points, OveroptPoint{N: i + 1, KL: float64(i), Gold: g})
		}
		return c
	}
	r := OveroptMean([]*OveroptPlay{{
		Curves: []OveroptCurve{curve("off", .5, .9, .1), curve("on", .5, .8, .7)},
		Gate:   []OveroptVerdict{{Guard: "off", Failed: []string{"length", "repetition"}, RewardFailed: []string{"hack_resistance"}}, {Guard: "on", Why: "too little"}},
	}})
	if len(r.Kept) != 1 || math.Abs(r.Kept[0].Off-.8) > 1e-12 || math.Abs(r.Kept[0].On-.1) > 1e-12 || math.Abs(*r.Kept[0].Ratio-.125) > 1e-12 {
		t.Errorf("%+v", r.Kept)
	}
	off, on := r.Gate[0], r.Gate[1]
	if off.Refused != 1 || off.Caught != 1 || off.Checks["length"] != 1 || off.Reward["hack_resistance"] != 1 || on.Refused != 1 || on.Caught != 0 {
		t.Errorf("%+v", r.Gate)
	}
	if none := OveroptMean([]*OveroptPlay{{Curves: []OveroptCurve{curve("off", .5, .6), curve("on", .5, .6)}}}); none.Kept[0].Ratio != nil {
		t.Errorf("nothing was lost: %+v", none.Kept)
	}
}

func checkPictures(t *testing.T, r *OveroptResult) {
	t.Helper()
	for name, magic := range map[string]string{"a.png": "\x89PNG", "a.svg": "<?xml", "a.PDF": "%PDF"} {
		path := filepath.Join(t.TempDir(), name)
		if err := r.Plot(path); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, []byte(magic)) || len(b) < 2000 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if err := r.Plot(filepath.Join(t.TempDir(), "a.xyz")); err == nil || !strings.Contains(err.Error(), ".png") {
		t.Errorf("a form that there is not: %v", err)
	}
}
