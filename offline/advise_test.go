package offline

import (
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/offline/pairs"
	"plumb/offline/train"
)

func gateFull() train.Config { return train.Config{Full: true} }

func TestAdvise(t *testing.T) {
	set := func(nPairs, up, down, demos int) pairs.Set {
		s := pairs.Set{Preferences: make([]pairs.Preference, nPairs), Unpaired: make([]pairs.Unpaired, up+down), Demonstrations: make([]pairs.Wish, demos)}
		for i := range up {
			s.Unpaired[i].Label = true
		}
		return s
	}
	for _, c := range []struct {
		name string
		s    pairs.Set
		want string
	}{
		{"nothing", set(0, 0, 0, 0), ""},
		{"a handful", set(4, 3, 3, 2), RMOnly},
		{"pairs", set(30, 0, 0, 0), "dpo"},
		{"pairs and some thumbs", set(30, 40, 40, 0), "dpo"},
		{"far more thumbs", set(30, 100, 100, 0), "kto"},
		{"thumbs", set(5, 15, 15, 0), "kto"},
		{"thumbs up alone", set(5, 100, 0, 0), RMOnly},
		{"demonstrations", set(0, 0, 0, 25), "sft"},
		{"more demonstrations than votes", set(30, 10, 10, 60), "sft"},
		{"fewer demonstrations than votes", set(30, 10, 10, 40), "dpo"},
	} {
		a := Advise(c.s, 20)
		if a.Method != c.want || a.Reason == "" || len(a.Options) != 4 {
			t.Errorf("%s: %q because %s", c.name, a.Method, a.Reason)
		}
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
