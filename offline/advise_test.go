package offline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/advise"
	"plumb/offline/pairs"
	"plumb/offline/train"
)

func gateFull() train.Config { return train.Config{Full: true} }

// What is advised is what a run with method auto does, and can do: methods that this program has no trainer for are not advised.
func TestAdviceIsFollowed(t *testing.T) {
	w := quickWorld(t)
	r := w.quick()
	a, err := r.Advice(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	run, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Method != "dpo" || run.Method != a.Method || run.Reason == "" || a.Counts.Pairs != 40 || a.Counts.Users != 7 {
		t.Errorf("advised %q of %+v, made %q because %s", a.Method, a.Counts, run.Method, run.Reason)
	}
	r.Config.LeastRows = 1000
	if a, err = r.Advice(context.Background()); err != nil || a.Method != "" || a.Why == "" {
		t.Errorf("%q, %v", a.Method, err)
	}
	if a.Next != nil && a.Next.Method != RMOnly {
		t.Errorf("next %+v", a.Next)
	}
}

// A base that has not learned the task is taught it first.
func TestAdviceOnAWeakBase(t *testing.T) {
	w := emptyWorld(t, nil)
	for i := range 60 {
		w.compare(t, i, "u"+fmt.Sprint(i%7), 0)
		if i >= 40 {
			continue
		}
		e := feedback.Event{ID: fmt.Sprint("fb-", i), Kind: feedback.Demonstration, Source: feedback.Human, User: "u", Time: time.Unix(int64(1e9+i), 0),
			Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("question ", i)}}, Text: "ideal"}
		if _, _, err := w.log.PutEvent(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		base *advise.BaseNLL
		want string
	}{{nil, "dpo"}, {&advise.BaseNLL{Demonstrations: 3, Own: 1}, "sft"}, {&advise.BaseNLL{Demonstrations: 1.1, Own: 1}, "dpo"}} {
		r := w.runner()
		r.BaseNLL = c.base
		if a, err := r.Advice(context.Background()); err != nil || a.Method != c.want {
			t.Errorf("%+v: %q because %s, %v", c.base, a.Method, a.Why, err)
		}
	}
}

// Thumbs of one sort are rows that can be trained on, with weights that are numbers.
func TestOneSidedThumbs(t *testing.T) {
	for name, label := range map[string]bool{"up": true, "down": false} {
		var s pairs.Set
		for i := range 30 {
			s.Unpaired = append(s.Unpaired, pairs.Unpaired{Meta: pairs.Meta{ID: fmt.Sprint(i), Weight: .5}, Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("question ", i)}}, Reply: "reply", Label: label})
		}
		for _, method := range []string{"kto", "bco", "apo_zero_unpaired"} {
			all := unpairedRows(s, train.Config{Method: method})
			for _, r := range all {
				if r.Weight == nil || *r.Weight != .5 {
					t.Fatalf("thumbs %s, %s: weight %v", name, method, r.Weight)
				}
			}
			if len(all) != 30 {
				t.Errorf("thumbs %s, %s: %d rows", name, method, len(all))
			}
		}
		if a := (advise.Evidence{All: s, Train: s}).Advise(); a.Method != "bco" {
			t.Errorf("thumbs %s: advised %q because %s", name, a.Method, a.Why)
		}
	}
}

// Weights that are asked for are not changed, and those that are not bring the sides into balance.
func TestSidesAreBalanced(t *testing.T) {
	var s pairs.Set
	for i := range 50 {
		s.Unpaired = append(s.Unpaired, pairs.Unpaired{Meta: pairs.Meta{ID: fmt.Sprint(i), Weight: 1}, Messages: []chat.Message{{Role: chat.User, Content: "question"}}, Reply: "reply", Label: i < 10})
	}
	sum := func(c train.Config) (up, down float64) {
		for _, r := range unpairedRows(s, c) {
			if r.Label {
				up += *r.Weight
			} else {
				down += *r.Weight
			}
		}
		return up, down
	}
	if up, down := sum(train.Config{Method: "kto"}); up != 40 || down != 40 {
		t.Errorf("kto: %v and %v", up, down)
	}
	if up, down := sum(train.Config{Method: "kto", Desirable: 2}); up != 10 || down != 40 {
		t.Errorf("kto with a weight asked for: %v and %v", up, down)
	}
	if s.Unpaired[0].Weight != 1 {
		t.Error("the rows of the set have changed")
	}
}

func TestSchedule(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	for when, want := range map[string]time.Time{
		"24h":       at.Add(24 * time.Hour),
		"90m":       at.Add(90 * time.Minute),
		"0 3 * * *": time.Date(2026, 3, 5, 3, 0, 0, 0, time.Local),
		"@hourly":   time.Date(2026, 3, 4, 6, 0, 0, 0, time.Local),
	} {
		s, err := ParseSchedule(when)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(at); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	for _, bad := range []string{"", "soon", "1s", "-5h", "* * *", "99 * * * *"} {
		if _, err := ParseSchedule(bad); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "read schedule") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
