package gate

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func asides(n int, change func(i int, a *Aside)) []Aside {
	all := make([]Aside, n)
	for i := range all {
		gain := float64(i%2)*2 - 1
		all[i] = Aside{Live: Said{Words: 20}, Shadow: Said{Words: 22}, Gain: &gain}
		change(i, &all[i])
	}
	return all
}

func TestJudgeShadow(t *testing.T) {
	minus := -1.
	for _, c := range []struct {
		name    string
		n       int
		change  func(i int, a *Aside)
		verdict string
		why     string
	}{
		{"alike", 50, func(int, *Aside) {}, Good, "1.10 times the words"},
		{"too few", 49, func(_ int, a *Aside) { a.Failed = true }, Wait, "49 of 50"},
		{"none", 0, nil, Wait, "0 of 50"},
		{"no reward model", 50, func(_ int, a *Aside) { a.Gain = nil }, Good, "lower reward in 0 of 0"},
		{"fails", 50, func(i int, a *Aside) { a.Failed = i%4 == 0 }, Bad, "fails to answer"},
		{"fails as it may", 50, func(i int, a *Aside) { a.Failed = i%25 == 0 }, Good, "2 failed"},
		{"all fail", 50, func(_ int, a *Aside) { a.Failed = true }, Bad, "fails to answer"},
		{"empty", 50, func(i int, a *Aside) { a.Shadow.Empty = i < 7 }, Bad, "empty more often"},
		{"in circles", 50, func(i int, a *Aside) { a.Shadow.Repeats = i < 7 }, Bad, "in circles more often"},
		{"as often in circles", 50, func(i int, a *Aside) { a.Shadow.Repeats, a.Live.Repeats = i < 7, i > 42 }, Good, "only it is in circles in 7, only the other in 7"},
		{"both decline", 50, func(i int, a *Aside) { a.Shadow.Declines, a.Live.Declines = true, true }, Good, ""},
		{"declines", 50, func(i int, a *Aside) { a.Shadow.Declines = i < 20 }, Bad, "declining more often"},
		{"lower reward", 50, func(i int, a *Aside) {
			if i < 40 {
				a.Gain = &minus
			}
		}, Bad, "reward is lower"},
	} {
		verdict, why := JudgeShadow(asides(c.n, c.change), 50, ShadowLimits{})
		if verdict != c.verdict || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, verdict, why, c.verdict, c.why)
		}
	}
}

// A model no worse than the other is taken back in no more of 2,000 cases than the limits say.
func TestJudgeShadowFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	bad := 0
	for range 2000 {
		all := asides(50, func(_ int, a *Aside) {
			gain := r.NormFloat64()
			a.Gain, a.Failed = &gain, r.Float64() < .05
			a.Shadow.Declines, a.Live.Declines = r.Float64() < .3, r.Float64() < .3
			a.Shadow.Repeats, a.Live.Repeats = r.Float64() < .1, r.Float64() < .1
		})
		if verdict, _ := JudgeShadow(all, 50, ShadowLimits{}); verdict == Bad {
			bad++
		}
	}
	if bad > 2000*5/100 {
		t.Errorf("%d false alarms", bad)
	}
}
