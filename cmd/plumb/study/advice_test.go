package study

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	base := Method{Method: "base", Taste: .3, Lo: .25, Hi: .35, Draws: 1}
	best := Method{Method: "best-of-8", Taste: .9, Lo: .85, Hi: .95, Draws: 8, Rows: 14}
	dpo := Method{Method: "dpo", Taste: .96, Lo: .94, Hi: .98, Draws: 1, Rows: 200, KL: .05, Budget: .15}
	behind := Method{Method: "sft", Taste: .6, Lo: .55, Hi: .65, Draws: 1, Rows: 200, KL: .05, Budget: .15}
	far, few, dull := dpo, dpo, dpo
	far.KL, few.Rows, dull.NLL = .2, 14, .03
	for _, c := range []struct {
		name             string
		methods          []Method
		advised          string
		winner, standing string
	}{
		{"nothing", nil, "", "base", Wins},
		{"nothing, though a method helps", []Method{best}, "", "best-of-8", Behind},
		{"the winner", []Method{best, dpo, behind}, "dpo", "dpo", Wins},
		{"the intervals meet", []Method{best, dpo, behind}, "rm", "dpo", Within},
		{"they do not", []Method{best, dpo, behind}, "sft", "dpo", Behind},
		{"beyond the KL budget", []Method{best, far}, "rm", "best-of-8", Wins},
		{"too few rows for a run", []Method{best, few}, "rm", "best-of-8", Wins},
		{"the only one that learns, but worse at neutral text", []Method{behind, dull}, "dpo", "sft", Alone},
		{"worse at neutral text", []Method{best, dull}, "dpo", "best-of-8", Behind},
	} {
		o := Counsel{Advised: c.advised, Measured: Result{Base: base, Methods: c.methods}}
		if o.judge(); o.Winner != c.winner || o.Standing != c.standing {
			t.Errorf("%s: %s wins and the advice %s, want %s and %s", c.name, o.Winner, o.Standing, c.winner, c.standing)
		}
	}
}

func TestSituations(t *testing.T) {
	all := Situations()
	if len(all) != 6 {
		t.Errorf("%d situations", len(all))
	}
	for _, s := range all {
		if err := Check(s.Methods); err != nil || (s.Feedback == Nothing) != (s.Votes == 0) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// Advice is asked for on what the people said, and every method learns from that alone.
func TestCounsel(t *testing.T) {
	for _, c := range []struct {
		Situation
		advised string
	}{
		{Situation{Name: "nothing", Feedback: Nothing}, ""},
		{Situation{Name: "letters", Feedback: Demonstrations, Votes: 40, Methods: []string{"sft"}, Foreign: true}, "sft"},
	} {
		s := smallest(t)
		s.Noise, s.Settings.SFT.Epochs = 0, .1
		o, err := s.Counsel(context.Background(), c.Situation)
		if err != nil {
			t.Fatal(err)
		}
		if o.Advised != c.advised || o.Measured.Votes != c.Votes || len(o.Measured.Methods) != len(c.Methods) {
			t.Errorf("%s: %q because %s, %d methods", c.Name, o.Advised, o.Why, len(o.Measured.Methods))
		}
		if c.Foreign && (o.BaseNLL == nil || o.BaseNLL.Own <= 0 || o.BaseNLL.Demonstrations < o.BaseNLL.Own+.5 || o.Measured.Base.Taste > 0) {
			t.Errorf("%s: %+v, base %+v", c.Name, o.BaseNLL, o.Measured.Base)
		}
		var table bytes.Buffer
		if err := o.Table(&table); err != nil || !strings.Contains(table.String(), c.Name+": ") {
			t.Errorf("%v: %s", err, table.String())
		}
	}
}
