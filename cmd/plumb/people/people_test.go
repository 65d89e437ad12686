package people

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var good = Taste{Holds: func(_, reply string) bool { return reply == "good" }}

// What a crowd says is to its taste but for the share in which it errs, and says so of each vote.
func TestCrowdErrsAsOftenAsTold(t *testing.T) {
	replies := []string{"bad", "good", "bad", "good"}
	for _, noise := range []float64{0, .15} {
		random, wrong := rand.New(rand.NewPCG(1, 2)), 0
		c := Crowd{Taste: good, Noise: noise}
		const n = 6000
		for i := range n {
			var v Vote
			var meant bool
			switch i % 3 {
			case 0:
				v = c.Compare(random, "", replies)
				meant = replies[v.Reply] == "good" && replies[v.Loser] == "bad"
			case 1:
				v = c.Judge(random, "", replies)
				meant = v.Up == (replies[v.Reply] == "good")
			default:
				v, _ = c.Wish(random, "", replies)
				meant = replies[v.Reply] == "good"
			}
			if meant == v.Wrong {
				t.Fatalf("noise %v, kind %d: %+v", noise, i%3, v)
			}
			if v.Wrong {
				wrong++
			}
		}
		if share := float64(wrong) / n; math.Abs(share-noise) > .02 {
			t.Errorf("noise %v: %v of the votes are wrong", noise, share)
		}
	}
}

func TestCrowdWithoutAChoice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := Crowd{Taste: good}
	if v := c.Compare(random, "", []string{"bad", "bad"}); v.Loser != -1 || v.Up {
		t.Errorf("two replies that nobody likes: %+v", v)
	}
	if v, ok := c.Wish(random, "", []string{"bad"}); ok {
		t.Errorf("a wish for what is not there: %+v", v)
	}
}

func TestInterval(t *testing.T) {
	if lo, hi := Interval([]float64{1, 1, 1, 1}, 1); lo > .6 || hi != 1 {
		t.Errorf("all agree: %v–%v", lo, hi)
	}
	nearly := slices.Repeat([]float64{1}, 54)
	all, _ := Interval(nearly, 1)
	nearly[20] = .875 // one reply of 432
	if lo, hi := Interval(nearly, 1-.125/54); math.Abs(lo-all) > .01 || hi < 1-1e-9 {
		t.Errorf("all but one reply: %v to %v; all of them: from %v", lo, hi, all)
	}
	if lo, hi := Interval(nil, 0); lo != 0 || hi != 1 {
		t.Errorf("nothing: %v–%v", lo, hi)
	}
	half := make([]float64, 100)
	for i := range half {
		half[i] = float64(i % 2)
	}
	if lo, hi := Interval(half, .5); math.Abs(lo-.4) > .03 || math.Abs(hi-.6) > .03 {
		t.Errorf("half of 100: %v–%v", lo, hi)
	}
}
