package server

import (
	"context"
	"errors"
	"testing"
)

// fakeAdvisor answers what it holds.
type fakeAdvisor struct {
	advice Advice
	err    error
}

func (f fakeAdvisor) Advice(context.Context) (Advice, error) { return f.advice, f.err }

// adviceOnNothing is what the program answers on an empty log.
func adviceOnNothing() Advice {
	return Advice{Why: "0 pairs", Notes: []string{}, Dropped: map[string]int{"a comment prefers nothing": 2},
		Counts: []byte(`{"pairs":0,"edits":0,"rankings":0,"thumbs_up":0,"thumbs_down":0,"demonstrations":0,"with_samples":0,"prompts":0,"users":0,
			"candidates":{"prompts":0,"replies":0},"agreement":null,"alpha":null,"twice":0,"noise":null,"lowered":0,"left_out":0,"length":null,
			"base":{"weak":null,"why":"nobody can tell"}}`),
		Needs: []byte(`[{"method":"rm","learns_from":"votes of any kind","have":0,"need":10,"missing":10,"fits":false,"note":""}]`),
		Next:  []byte(`{"method":"rm","missing":10,"of":"votes of any kind"}`),
		Power: []byte(`{"now":{"held_out":0,"half_width":0.5,"detectable":1},"then":{"held_out":20,"half_width":0.22,"detectable":0.78}}`)}
}

func TestAdvice(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Advisor = fakeAdvisor{advice: adviceOnNothing()} })
	a := f.get("/v1/align/advice")
	if a.status != 200 || a.at(t, "method") != "" || a.at(t, "next", "missing") != 10.0 || a.at(t, "counts", "noise") != nil {
		t.Errorf("%d %s", a.status, a.body)
	}

	// All that can be null is not, once.
	full := adviceOnNothing()
	full.Method, full.Next, full.Notes = "dpo", []byte("null"), []string{"a note"}
	full.Counts = []byte(`{"pairs":40,"edits":1,"rankings":2,"thumbs_up":3,"thumbs_down":4,"demonstrations":5,"with_samples":1,"prompts":9,"users":3,
		"candidates":{"prompts":9,"replies":72},"agreement":0.8,"alpha":-0.1,"twice":12,"noise":{"epsilon":0.1,"lo":0.05,"hi":0.2,"votes":40},"lowered":1,
		"left_out":1,"length":{"pairs":40,"ratio":1.2,"lo":1.1,"hi":1.3},"base":{"weak":true,"why":"edits"}}`)
	f = newFixture(t, func(o *Options) { o.Advisor = fakeAdvisor{advice: full} })
	if a := f.get("/v1/align/advice"); a.at(t, "next") != nil || a.at(t, "counts", "noise", "epsilon") != 0.1 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f = newFixture(t, func(o *Options) { o.Advisor = fakeAdvisor{err: errors.New("the disk is gone")} })
	wantError(t, f.get("/v1/align/advice"), 500, "")
}
