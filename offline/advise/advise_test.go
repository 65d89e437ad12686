package advise

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"plumb/offline/pairs"
)

// collected is a log as rows, all of it to train on: n of each kind.
type collected struct{ pairs, up, down, demos, samples, edits, drawn int }

func (c collected) evidence() Evidence {
	var s pairs.Set
	for i := range c.pairs {
		s.Preferences = append(s.Preferences, pairs.Preference{Meta: pairs.Meta{Class: pairs.Compared, Users: []string{fmt.Sprint("u", i%7)}}, Chosen: "a b", Rejected: "b a"})
	}
	for i := range c.edits { // three words of four are changed
		m := pairs.Meta{Class: pairs.Edited, Users: []string{fmt.Sprint("u", i%7)}}
		s.Preferences = append(s.Preferences, pairs.Preference{Meta: m, Chosen: "a b c d", Rejected: "x y z d"})
		s.Demonstrations = append(s.Demonstrations, pairs.Wish{Meta: m, Reply: "a b c d"})
	}
	for i := range c.up + c.down {
		s.Unpaired = append(s.Unpaired, pairs.Unpaired{Label: i < c.up})
	}
	for range c.demos {
		s.Demonstrations = append(s.Demonstrations, pairs.Wish{Meta: pairs.Meta{Class: pairs.Demonstration}, Candidates: make([]string, c.samples)})
	}
	s.Drawn = pairs.Drawn{Prompts: c.drawn, Replies: 8 * c.drawn}
	return Evidence{All: s, Train: s}
}

func TestSixSituations(t *testing.T) {
	weak, strong := &BaseNLL{Demonstrations: 2.4, Own: 1.2}, &BaseNLL{Demonstrations: 1.3, Own: 1.2}
	for _, c := range []struct {
		name string
		collected
		base *BaseNLL
		want string
		next string
	}{
		{"nothing", collected{}, nil, "", "rm"},
		{"thumbs only", collected{up: 40, down: 30, drawn: 70}, nil, "kto", "dpo"},
		{"few pairs", collected{pairs: 14, drawn: 14}, nil, "rm", "dpo"},
		{"demonstrations on a weak base", collected{demos: 60, samples: 8}, weak, "sft", "dpo"},
		{"many pairs", collected{pairs: 60, drawn: 60}, nil, "dpo", "rlhf"},
		{"demonstrations plus many own samples", collected{demos: 60, samples: 8}, strong, "irl", "dpo"},
	} {
		e := c.evidence()
		e.BaseNLL = c.base
		a := e.Advise()
		if a.Method != c.want || a.Why == "" || len(a.Needs) != 8 {
			t.Errorf("%s: %q because %s", c.name, a.Method, a.Why)
		}
		if a.Next == nil || a.Next.Method != c.next || a.Next.Missing <= 0 {
			t.Errorf("%s: next %+v, want %s", c.name, a.Next, c.next)
		}
	}
}

func TestRule(t *testing.T) {
	for _, c := range []struct {
		name string
		collected
		want string
	}{
		{"a handful", collected{pairs: 4, up: 3, down: 3, demos: 2}, "rm"},
		{"less than a handful", collected{pairs: 4, up: 3, down: 2}, ""},
		{"pairs", collected{pairs: 30}, "dpo"},
		{"pairs and some thumbs", collected{pairs: 30, up: 40, down: 40}, "dpo"},
		{"far more thumbs", collected{pairs: 30, up: 100, down: 100}, "kto"},
		{"thumbs", collected{pairs: 5, up: 15, down: 15}, "kto"},
		{"thumbs up alone", collected{pairs: 5, up: 100}, "bco"},
		{"thumbs down alone", collected{down: 100}, "bco"},
		{"demonstrations", collected{demos: 25}, "sft"},
		{"demonstrations beside one reply each", collected{demos: 25, samples: 1}, "sft"},
		{"more demonstrations than votes", collected{pairs: 30, up: 10, down: 10, demos: 60}, "sft"},
		{"the same beside own replies", collected{pairs: 30, up: 10, down: 10, demos: 60, samples: 4}, "irl"},
		{"fewer demonstrations than votes", collected{pairs: 30, up: 10, down: 10, demos: 40}, "dpo"},
		{"edits that rewrite nearly all", collected{edits: 30}, "sft"},
		{"few edits that rewrite nearly all", collected{edits: 8, pairs: 30}, "dpo"},
	} {
		if a := c.evidence().Advise(); a.Method != c.want {
			t.Errorf("%s: %q because %s, want %q", c.name, a.Method, a.Why, c.want)
		}
	}
}

// Noise raises what is needed, and the method that is left is named.
func TestNoiseNeedsMore(t *testing.T) {
	e := collected{pairs: 40}.evidence()
	for _, c := range []struct {
		epsilon float64
		need    int
		want    string
	}{{0, 20, "dpo"}, {.1, 32, "dpo"}, {.15, 41, "rm"}, {.25, 80, "rm"}, {.5, 500, "rm"}} {
		e.All.Voters.Noise = &pairs.Noise{Epsilon: c.epsilon, Hi: c.epsilon + .1, Votes: 100}
		a := e.Advise()
		for _, n := range a.Needs {
			if n.Method == "dpo" && (n.Need != c.need || n.Missing != max(0, c.need-40)) {
				t.Errorf("ε = %v: dpo needs %d, missing %d", c.epsilon, n.Need, n.Missing)
			}
		}
		if a.Method != c.want {
			t.Errorf("ε = %v: %q because %s", c.epsilon, a.Method, a.Why)
		}
		if said := strings.Contains(strings.Join(a.Notes, " "), "robust"); said != (c.epsilon > .2) {
			t.Errorf("ε = %v: notes %q", c.epsilon, a.Notes)
		}
	}
}

// What a program cannot do is not advised, and what fits next is.
func TestOnlyWhatThereIs(t *testing.T) {
	e := collected{demos: 60, samples: 8}.evidence()
	e.Can = func(method string) bool { return method != "irl" }
	if a := e.Advise(); a.Method != "sft" {
		t.Errorf("%q", a.Method)
	}
	e = collected{pairs: 60}.evidence()
	e.Can = func(method string) bool { return method == "rm" }
	if a := e.Advise(); a.Method != "rm" || a.Next != nil {
		t.Errorf("%q, next %+v", a.Method, a.Next)
	}
}

func TestPower(t *testing.T) {
	// The figures of the reference: 618 votes for 55 %, 155 for 60 %; and the interval of 96 votes is ± 10 points.
	for _, c := range []struct {
		n                 int
		noise             float64
		width, detectable float64
	}{{0, 0, .5, 1}, {618, 0, .0394, .55}, {155, 0, .0787, .5999}, {96, 0, .1, .6269}, {618, .25, .0394, .6}, {1, .4, .5, 1}} {
		p := precision(c.n, c.noise)
		if math.Abs(p.HalfWidth-c.width) > 2e-4 || math.Abs(p.Detectable-c.detectable) > 2e-4 || p.HeldOut != c.n {
			t.Errorf("%d votes, noise %v: %+v", c.n, c.noise, p)
		}
	}
	last := Power{}
	for _, n := range []int{0, 10, 100, 1000, 10000} {
		e := collected{pairs: n}.evidence()
		e.HeldOut.Preferences = e.All.Preferences[:n/4]
		p := e.Advise().Power
		if p.Then.HeldOut <= p.Now.HeldOut || p.Then.Detectable > p.Now.Detectable || n > 0 && p.Now.Detectable > last.Now.Detectable {
			t.Errorf("%d votes: %+v after %+v", n, p, last)
		}
		if want := map[bool]int{true: 20, false: 25}[n == 0]; n != 10 && p.Then.HeldOut-p.Now.HeldOut != want {
			t.Errorf("%d votes: of 100 more %d are held out", n, p.Then.HeldOut-p.Now.HeldOut)
		}
		last = p
	}
}

func TestLongerIsSaid(t *testing.T) {
	e := collected{pairs: 30}.evidence()
	for i := range e.All.Preferences {
		e.All.Preferences[i].Chosen = strings.Repeat("word ", 20+i%3)
		e.All.Preferences[i].Rejected = strings.Repeat("word ", 10+i%3)
	}
	a := e.Advise()
	if a.Method != "dpo" || !strings.Contains(strings.Join(a.Notes, " "), "sigmoid_norm") || a.Counts.Length.Ratio < 1.5 {
		t.Errorf("%q, %q", a.Method, a.Notes)
	}
	if a := (collected{pairs: 30}).evidence().Advise(); strings.Contains(strings.Join(a.Notes, " "), "sigmoid_norm") {
		t.Errorf("of replies of equal length: %q", a.Notes)
	}
}

// Advice on nothing is whole JSON: what there is none of is null, empty or 0.
func TestAdviceOnNothing(t *testing.T) {
	b, err := json.Marshal(Evidence{}.Advise())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"method":""`, `"notes":[]`, `"dropped":{}`, `"noise":null`, `"agreement":null`, `"length":null`, `"weak":null`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}
