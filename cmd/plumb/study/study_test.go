package study

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"plumb/cmd/plumb/people"
	"plumb/lm/tiny"
	"plumb/offline/rl"
)

// smallest is a study of seconds: it shows that all parts play together, not which method is best.
func smallest(t *testing.T) Study {
	t.Helper()
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	taste, err := people.Find([]string{"question"}, true)
	if err != nil {
		t.Fatal(err)
	}
	s := Study{Model: m, Taste: taste[0], Votes: 24, Noise: .15, MaxTokens: 64, Seed: 3, Settings: Tiny().Small()}
	s.Voted, s.HeldOut = people.Prompts(3, 6, 2)
	s.Neutral = nil
	for _, c := range []*rl.Config{&s.Settings.PPO, &s.Settings.RLOO, &s.Settings.GRPO} {
		c.Steps, c.Batch, c.Baseline, c.Epochs = 1, 8, 8, 1
	}
	return s
}

func TestStudy(t *testing.T) {
	s := smallest(t)
	told, last := 0, 0.
	s.Progress = func(done float64, note string) {
		if done < last-1e-9 || done > 1+1e-9 || note == "" {
			t.Errorf("progress %v after %v, %q", done, last, note)
		}
		told, last = told+1, done
	}
	r, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if told < 50 {
		t.Errorf("progress was told %d times", told)
	}
	if r.Base.KL != 0 || r.Base.NLL != 0 || r.Base.Rows != 0 || r.Base.Draws != 1 {
		t.Errorf("base: %+v", r.Base)
	}
	var names []string
	for _, m := range r.Methods {
		names = append(names, m.Method)
		if m.Lo > m.Taste || m.Hi < m.Taste || m.Gold > m.Taste+1e-9 || !(m.Length > 0) || !(m.KL > 0) || m.Rows < 5 || m.Rows > 100 {
			t.Errorf("%+v", m)
		}
		trained := m.Draws == 1
		if trained != (m.Saved != nil) || trained != (m.TrainedTokens > 0) || trained != (m.NLL != 0) || trained != (m.Budget > 0) {
			t.Errorf("trained %v: %+v", trained, m)
		}
		if reinforced := strings.Contains(m.Method, "ppo") || slices.Contains([]string{"rlhf", "rloo", "grpo"}, m.Method); reinforced && m.DrawnTokens == 0 {
			t.Errorf("%s drew nothing", m.Method)
		}
	}
	if !slices.Equal(names, Methods()) {
		t.Errorf("methods %v", names)
	}
	var table bytes.Buffer
	if err := r.Table(&table); err != nil || strings.Count(table.String(), "\n") != len(names)+5 {
		t.Errorf("%v:\n%s", err, table.String())
	}
}

// The same study gives the same figures on any number of threads, whatever other methods are beside it.
func TestStudyIsDeterministic(t *testing.T) {
	figures := func(methods ...string) map[string]string {
		s := smallest(t)
		s.Methods = methods
		r, err := s.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, m := range append(r.Methods, r.Base) {
			m.Seconds = 0
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			all[m.Method] = string(b)
		}
		return all
	}
	want := figures("sft", "rlhf", "irl+best-of-8")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	got := figures("irl+best-of-8", "rlhf")
	for _, name := range []string{"base", "rlhf", "irl+best-of-8"} {
		if got[name] != want[name] {
			t.Errorf("%s\n%s\n%s", name, got[name], want[name])
		}
	}
}

func TestStudyRefuses(t *testing.T) {
	good := smallest(t)
	for name, change := range map[string]func(*Study){
		"a method there is not": func(s *Study) { s.Methods = []string{"dpo", "magic"} },
		"too few draws":         func(s *Study) { s.Draws = 4 },
		"nobody to vote":        func(s *Study) { s.Users = -1 },
		"no prompts":            func(s *Study) { s.HeldOut = nil },
		"a taste that nothing is to": func(s *Study) {
			s.Taste.Holds = func(string, string) bool { return false }
			s.Methods, s.Noise = []string{"irl+best-of-8"}, 0
		},
	} {
		s := good
		change(&s)
		if _, err := s.Run(context.Background()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := good.Run(stopped); err == nil {
		t.Error("a study that was stopped gave a result")
	}
}
