package pairs

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"plumb/feedback"
)

// marks makes items of what observers said, a string an observer and a letter a thing: 1 for, 0 against, blank for nothing.
func marks(observers ...string) []item {
	items := make([]item, len(observers[0]))
	for k, said := range observers {
		for i, c := range said {
			if c != ' ' {
				items[i] = append(items[i], ballot{fmt.Sprint("o", k), c == '1'})
			}
		}
	}
	return items
}

func TestAgreement(t *testing.T) {
	near := func(x *float64, want float64) bool { return x != nil && math.Abs(*x-want) < 1e-9 }
	// Krippendorff 2011, part A: α = .095.
	a := agreement(marks("0100000010", "1110010000"))
	if !near(a.Alpha, 1-19*8./(2*14*6)) || !near(a.Share, .6) || a.Things != 10 || a.Votes != 20 {
		t.Errorf("Krippendorff's example: %+v, α %v", a, *a.Alpha)
	}
	for _, c := range []struct {
		name      string
		items     []item
		share     float64
		alpha     float64
		noShare   bool
		noAlpha   bool
		wantThing int
	}{
		{"nothing", nil, 0, 0, true, true, 0},
		{"one observer", marks("0101"), 0, 0, true, true, 0},
		{"always the same word", marks("1111", "1111"), 1, 0, false, true, 4},
		{"perfect", marks("0011", "0011", "0011"), 1, 1, false, false, 4},
		{"always opposite", marks("01", "10"), 0, -.5, false, false, 2},
		{"gaps", marks("01  ", "01 1", "    "), 1, 1, false, false, 2},
		{"two against one", marks("1", "1", "0"), 1. / 3, 0, false, false, 1},
	} {
		a := agreement(c.items)
		if c.noShare != (a.Share == nil) || c.noAlpha != (a.Alpha == nil) || a.Things != c.wantThing {
			t.Errorf("%s: %+v", c.name, a)
			continue
		}
		if !c.noShare && !near(a.Share, c.share) || !c.noAlpha && !near(a.Alpha, c.alpha) {
			t.Errorf("%s: share %v alpha %v", c.name, *a.Share, a.Alpha)
		}
	}
}

// voted makes n things of which a share base is good, each judged by k people who err with probability e.
func voted(r *rand.Rand, n, k int, base, e float64) []item {
	items := make([]item, n)
	for i := range items {
		good := r.Float64() < base
		for v := range k {
			items[i] = append(items[i], ballot{fmt.Sprint("u", v), good != (r.Float64() < e)})
		}
	}
	return items
}

func TestNoise(t *testing.T) {
	if noise(nil, nil, Consistency{}, 30) != nil || noise(voted(rand.New(rand.NewPCG(1, 1)), 14, 2, .5, .1), nil, Consistency{}, 30) != nil {
		t.Error("noise out of nothing")
	}
	same, opposite := noise(nil, nil, Consistency{Same: 50}, 30), noise(nil, nil, Consistency{Opposite: 50}, 30)
	if same.Epsilon > .001 || same.Lo != 0 || same.Hi > .05 || opposite.Epsilon < .49 || opposite.Hi != .5 {
		t.Errorf("always alike %+v, never alike %+v", same, opposite)
	}
	// Agreement of two votes is (1 − ε)² + ε²: 74 in 100 is ε = .1536.
	two := noise(nil, nil, Consistency{Same: 74, Opposite: 26}, 30)
	if want := (1 - math.Sqrt(2*.74-1)) / 2; math.Abs(two.Epsilon-want) > .001 || two.Votes != 200 {
		t.Errorf("got %+v, want ε = %v", two, want)
	}
	for _, c := range []struct {
		base, e  float64
		verdicts bool
	}{{.5, .05, false}, {.5, .15, false}, {.5, .3, false}, {.8, .15, true}, {.5, .2, true}} {
		covered, sum := 0, 0.
		const runs = 100
		for k := range runs {
			items := voted(rand.New(rand.NewPCG(uint64(k), 7)), 150, 3, c.base, c.e)
			n := noise(items, nil, Consistency{}, 30)
			if c.verdicts {
				n = noise(nil, items, Consistency{}, 30)
			}
			sum += n.Epsilon / runs
			if n.Lo <= c.e && c.e <= n.Hi {
				covered++
			}
		}
		if math.Abs(sum-c.e) > .01 || covered < 88 {
			t.Errorf("%+v: mean estimate %.3f, %d of %d intervals cover", c, sum, covered, runs)
		}
	}
}

// panel is a world of 240 prompts with two replies each, the first better, which several of 16 people compare. One always votes against,
// one tosses a coin, the others err in 10 %.
func panel(seed uint64, judges int) *world {
	r := rand.New(rand.NewPCG(seed, 5))
	w := newWorld()
	for i := range 240 {
		g := fmt.Sprint("g", i)
		w.asked(g, fmt.Sprintf("question %d?", i), "A"+g, "B"+g)
		for _, u := range r.Perm(16)[:judges] {
			right := r.Float64() >= .1
			switch u {
			case 0:
				right = false
			case 1:
				right = r.Float64() < .5
			}
			if right {
				w.said(fmt.Sprint("u", u), prefer(g, 0, 1))
			} else {
				w.said(fmt.Sprint("u", u), prefer(g, 1, 0))
			}
		}
	}
	return w
}

func TestReliability(t *testing.T) {
	for seed := range uint64(5) {
		s := Build(panel(seed, 3).Records, Options{})
		v := s.Voters
		if v.Noise == nil || len(v.People) != 16 || v.Noise.Epsilon < .1 || v.Noise.Epsilon > .25 {
			t.Fatalf("%+v", v)
		}
		worst, second := v.People[0], v.People[1]
		if worst.User != "u0" || worst.Trust != 0 || worst.Accuracy > .4 || v.LeftOut < 1 {
			t.Errorf("seed %d: who votes against all is %+v", seed, worst)
		}
		if second.User != "u1" || second.Trust > .8 {
			t.Errorf("seed %d: who tosses a coin is %+v", seed, second)
		}
		honest := 0.
		for _, p := range v.People[2:] {
			honest += p.Trust / 14
		}
		if honest < .9 {
			t.Errorf("seed %d: honest people count for %.2f", seed, honest)
		}
		if s.Dropped[dropUnreliable] == 0 {
			t.Errorf("seed %d: votes vanish in silence: %v", seed, s.Dropped)
		}
		for _, r := range s.Preferences {
			if len(r.Users) == 1 && r.Users[0] == "u0" {
				t.Errorf("seed %d: a row stands on %v alone", seed, r.Users)
			}
			if !(r.Confidence > .5 && r.Confidence < 1) {
				t.Errorf("seed %d: confidence %v", seed, r.Confidence)
			}
		}
		equal := Build(panel(seed, 3).Records, Options{EqualUsers: true})
		if equal.Dropped[dropUnreliable] != 0 || equal.Voters.LeftOut != v.LeftOut || len(equal.Preferences) != 240 {
			t.Errorf("seed %d: with equal users %v of %d rows", seed, equal.Dropped, len(equal.Preferences))
		}
	}
}

func TestNobodyIsJudgedOnLittle(t *testing.T) {
	if v := Build(panel(1, 1).Records, Options{}).Voters; v.Noise != nil || v.People != nil {
		t.Errorf("nothing was judged twice: %+v", v)
	}
	// One contradiction costs little, many contradictions nearly all.
	l := &ledger{mean: .9}
	for _, c := range []struct {
		n      int
		right  float64
		lo, hi float64
	}{{0, 0, 1, 1}, {1, 0, .75, .85}, {1, 1, 1, 1}, {100, 90, .99, 1}, {100, 50, .1, .2}, {100, 5, 0, 0}, {3, 0, .45, .6}} {
		if v := l.voter("u", c.n, c.right); v.Trust < c.lo || v.Trust > c.hi || !(v.SD > 0) {
			t.Errorf("%v right of %d: %+v", c.right, c.n, v)
		}
	}
}

// A poisoner's ranking, thumb and demonstration count for no more than that person's comparisons.
func TestTrustIsOnePersons(t *testing.T) {
	w := panel(2, 3)
	w.asked("h", "another question", "C", "D")
	w.said("u0", feedback.Event{Generation: "h", Kind: feedback.Ranking, Ranking: []string{"h.1", "h.0"}})
	w.said("u0", thumb("h", 0, -1))
	w.said("u0", feedback.Event{Kind: feedback.Demonstration, Messages: w.Generations["h"].Messages, Text: "ideal"})
	s := Build(w.Records, Options{})
	if len(s.Rankings)+len(s.Unpaired)+len(s.Demonstrations) != 0 {
		t.Errorf("%d rankings, %d verdicts, %d demonstrations of somebody nobody agrees with", len(s.Rankings), len(s.Unpaired), len(s.Demonstrations))
	}
}

func TestConsistency(t *testing.T) {
	w := newWorld()
	w.asked("g", "q", "A", "B")
	w.asked("h", "q", "A", "B")
	w.said("u", prefer("g", 0, 1))
	w.said("u", prefer("h", 1, 0)) // the same replies again, the other way round
	w.said("u", thumb("g", 0, -1))
	w.said("u", thumb("g", 1, 1)) // as the last comparison
	w.said("v", prefer("g", 0, 1))
	w.said("v", thumb("h", 0, -1))
	w.said("v", thumb("h", 1, 1)) // not as the comparison
	if c := Build(w.Records, Options{}).Voters.Self; c != (Consistency{Same: 1, Opposite: 2}) {
		t.Errorf("got %+v", c)
	}
}
