package gate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestJudgeCanary(t *testing.T) {
	for _, c := range []struct {
		name string
		b    Ballot
		want string
	}{
		{"nothing yet", Ballot{}, Wait},
		{"nobody voted on what is live", Ballot{Canary: Votes{9, 10}}, Wait},
		{"nobody voted on the canary", Ballot{Live: Votes{1, 1000}}, Wait},
		{"all down, few", Ballot{Canary: Votes{2, 2}, Live: Votes{1, 5}}, Wait},
		{"plainly worse", Ballot{Canary: Votes{40, 60}, Live: Votes{20, 100}}, Bad},
		{"plainly worse, few votes on the canary", Ballot{Canary: Votes{15, 16}, Live: Votes{200, 1000}}, Bad},
		{"everybody dislikes it", Ballot{Canary: Votes{100, 100}, Live: Votes{0, 100}}, Bad},
		{"plainly better", Ballot{Canary: Votes{10, 150}, Live: Votes{60, 150}}, Good},
		{"plainly better, too few votes", Ballot{Canary: Votes{2, 99}, Live: Votes{60, 150}}, Wait},
		{"everybody likes both", Ballot{Canary: Votes{0, 120}, Live: Votes{0, 120}}, Good},
		{"the same, many votes", Ballot{Canary: Votes{200, 1000}, Live: Votes{200, 1000}}, Good},
		{"the same, too early", Ballot{Canary: Votes{20, 120}, Live: Votes{20, 120}}, Wait},
		{"worse by half of what matters", Ballot{Canary: Votes{75, 300}, Live: Votes{60, 300}}, Wait},
		{"earlier votes are no votes on the canary", Ballot{Before: Votes{10, 100000}}, Wait},
	} {
		if got, why := JudgeCanary(c.b, CanaryLimits{}); got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, why, c.want)
		}
	}
}

// stream draws votes on a canary and on what is live, one after the other.
type stream struct {
	random       *rand.Rand
	canary, live float64 // rates of thumbs down
	share        float64 // of votes on the canary
	b            Ballot
}

func (s *stream) vote() {
	side, rate := &s.b.Live, s.live
	if s.random.Float64() < s.share {
		side, rate = &s.b.Canary, s.canary
	}
	side.All++
	if s.random.Float64() < rate {
		side.Down++
	}
}

// Of a thousand releases that are as good as what is live, looked at after every vote from the first on, no more than 1 in 20 is taken
// back, and of fewer ones no more than that whatever the rate and the share are; and they do go live.
func TestCanaryFalseAlarms(t *testing.T) {
	for _, c := range []struct {
		name        string
		rate, share float64
		before      Votes
		releases    int
		votes       int // after which nobody waits any longer
	}{
		{"even", .2, .5, Votes{}, 1000, 3000},
		{"even, with a history", .2, .5, Votes{200, 1000}, 100, 3000},
		{"a history that misleads", .2, .5, Votes{20, 1000}, 100, 3000},
		{"few get it", .2, .05, Votes{}, 100, 3000},
		{"thumbs down are rare", .02, .5, Votes{}, 100, 3000},
		{"thumbs down are common", .6, .2, Votes{}, 100, 9000},
	} {
		test := newCanaryTest(c.before, CanaryLimits{})
		s := stream{random: rand.New(rand.NewPCG(1, uint64(c.votes))), canary: c.rate, live: c.rate, share: c.share}
		var bad, good, votes int
		for range c.releases {
			s.b = Ballot{}
			verdict := Wait
			for i := 0; verdict == Wait && i < c.votes; i++ {
				s.vote()
				verdict = test.verdict(s.b.Canary, s.b.Live)
				votes++
			}
			switch verdict {
			case Bad:
				bad++
			case Good:
				good++
			}
		}
		t.Logf("%-26s %d taken back, %d went live, after %d votes each", c.name, bad, good, votes/c.releases)
		if 20*bad > c.releases {
			t.Errorf("%s: %d of %d good canaries were taken back", c.name, bad, c.releases)
		}
		if c.share >= .2 && 10*good < 9*c.releases {
			t.Errorf("%s: %d of %d good canaries went live", c.name, good, c.releases)
		}
	}
}

// Against a model ten points worse the rollback comes after about as many votes as promised, and hardly any such model goes live.
func TestCanaryRollback(t *testing.T) {
	for _, c := range []struct {
		name        string
		rate, share float64
		before      Votes
	}{
		{"even", .2, .5, Votes{}},
		{"even, with a history", .2, .5, Votes{200, 1000}},
		{"few get it", .2, .1, Votes{}},
		{"thumbs down are rare", .05, .5, Votes{}},
	} {
		expected := ExpectedVotes(c.rate, .1, c.share, c.before, CanaryLimits{})
		test := newCanaryTest(c.before, CanaryLimits{})
		s := stream{random: rand.New(rand.NewPCG(2, 2)), canary: c.rate + .1, live: c.rate, share: c.share}
		var votes, bad, good int
		for range 100 {
			s.b = Ballot{}
			verdict := Wait
			for i := 0; verdict == Wait && i < 10*expected; i++ {
				s.vote()
				verdict = test.verdict(s.b.Canary, s.b.Live)
			}
			switch verdict {
			case Bad:
				bad++
				votes += s.b.Canary.All + s.b.Live.All
			case Good:
				good++
			}
		}
		mean := float64(votes) / float64(max(bad, 1))
		t.Logf("%-26s taken back after %.0f votes, %d expected; %d of 100 went live", c.name, mean, expected, good)
		if expected == 0 || mean > 1.3*float64(expected) {
			t.Errorf("%s: taken back after %.0f votes, expected %d", c.name, mean, expected)
		}
		if good > 5 || bad+good < 99 { // 5 % of 100
			t.Errorf("%s: %d taken back, %d went live, of 100", c.name, bad, good)
		}
	}
}

// The mixture is a probability over the rates, the bound that saves work never changes the answer, and the supremum is one.
func TestEProcess(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	test := newCanaryTest(Votes{30, 200}, CanaryLimits{})
	for name, e := range map[string]eProcess{"worse": test.worse, "fine": test.fine} {
		sum := 0.
		for _, p := range e.points {
			sum += math.Exp(p.weight)
		}
		if d := cmp.Diff(1., sum, cmpopts.EquateApprox(1e-12, 0)); d != "" {
			t.Errorf("%s: the weights do not sum to 1: %s", name, d)
		}
		if x := e.log(counts{}, counts{}); math.Abs(x) > 1e-12 {
			t.Errorf("%s: evidence %v of no votes", name, x)
		}
		for range 2000 {
			c, l := counts{float64(random.IntN(80)), float64(random.IntN(80))}, counts{float64(random.IntN(300)), float64(random.IntN(300))}
			if got, want := e.enough(c, l), e.log(c, l) >= e.wanted; got != want {
				t.Fatalf("%s: %v %v: enough is %v, the evidence says %v", name, c, l, got, want)
			}
			null, p, q := e.null(c, l), random.Float64(), random.Float64()
			if in := e.margin == 0 && p <= q || e.margin > 0 && p >= q+e.margin; in && c.at(p)+l.at(q) > null+1e-9 {
				t.Fatalf("%s: %v %v: rates %v, %v are likelier than the supremum", name, c, l, p, q)
			}
		}
	}
}

func TestExpectedVotes(t *testing.T) {
	none := CanaryLimits{}
	even, uneven := ExpectedVotes(.2, .1, .5, Votes{}, none), ExpectedVotes(.2, .1, .05, Votes{}, none)
	history, large := ExpectedVotes(.2, .1, .5, Votes{200, 1000}, none), ExpectedVotes(.2, .4, .5, Votes{}, none)
	if !(large < history && history < even && even < uneven) || large < 10 {
		t.Errorf("%d for a large difference, %d with a history, %d without, %d with a small share", large, history, even, uneven)
	}
	if n := ExpectedVotes(.2, 0, .5, Votes{}, none); n != 0 {
		t.Errorf("%d votes for no difference", n)
	}
}
