package gate

import (
	"math/rand/v2"
	"testing"
)

func TestJudgeCanary(t *testing.T) {
	for _, c := range []struct {
		name         string
		canary, live Votes
		want         string
	}{
		{"nothing yet", Votes{}, Votes{}, Wait},
		{"nobody voted on what is live", Votes{9, 10}, Votes{}, Wait},
		{"all down, few", Votes{2, 2}, Votes{1, 5}, Wait},
		{"plainly worse", Votes{40, 60}, Votes{20, 100}, Bad},
		{"plainly better", Votes{10, 150}, Votes{60, 150}, Good},
		{"the same", Votes{20, 120}, Votes{20, 120}, Good},
		{"the same, too early", Votes{4, 20}, Votes{40, 200}, Wait},
		{"a little worse", Votes{30, 120}, Votes{24, 120}, Wait},
	} {
		if got, why := JudgeCanary(c.canary, c.live, CanaryLimits{}); got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, why, c.want)
		}
	}
}

// A canary that is as good as what is live is seldom taken back though it is looked at after every vote, and a bad one nearly always.
func TestCanaryErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	taken := func(rate float64) (bad int) {
		for range 500 {
			var canary, live Votes
			for range 400 {
				for _, side := range []struct {
					v *Votes
					p float64
				}{{&canary, rate}, {&live, .2}} {
					side.v.All++
					if random.Float64() < side.p {
						side.v.Down++
					}
				}
				if verdict, _ := JudgeCanary(canary, live, CanaryLimits{Least: 1e6}); verdict == Bad {
					bad++
					break
				}
			}
		}
		return bad
	}
	if bad := taken(.2); bad > 25 { // 5 % of 500
		t.Errorf("%d of 500 good canaries were taken back", bad)
	}
	if bad := taken(.35); bad < 450 {
		t.Errorf("%d of 500 bad canaries were taken back", bad)
	}
}
