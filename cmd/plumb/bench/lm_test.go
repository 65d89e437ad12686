package bench

import (
	"context"
	"errors"
	"testing"

	"plumb/chat"
	"plumb/lm/tiny"
)

// Prompts have the length that is asked for, and no two are alike.
func TestTextHasItsLength(t *testing.T) {
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, n := range []int{64, 350} {
		one, err := textOf(m, n, 1)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := m.EncodePrompt([]chat.Message{{Role: chat.User, Content: one}}, "")
		if err != nil || len(tokens) > n || len(tokens) < n-8 {
			t.Errorf("%d tokens, want %d: %v", len(tokens), n, err)
		}
		if other, _ := textOf(m, n, 2); other == one {
			t.Errorf("two prompts of %d are the same", n)
		}
	}
}

// The figures are there, positive and in order; how high they are is not a test's business.
func TestLMMeasuresEverything(t *testing.T) {
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	steps := 0
	b := LM{Model: m, Repetitions: 2, Tokens: 2, Prompts: []int{8}, Memory: 1 << 20, Size: 64, Progress: func(done, all int, _ string) {
		if steps++; done != steps || all != 15 {
			t.Errorf("progress %d of %d at step %d", done, all, steps)
		}
	}}
	r, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Figures) != 5 || r.Weights <= 0 || steps != 15 {
		t.Fatalf("%d figures, %d weights, %d steps", len(r.Figures), r.Weights, steps)
	}
	spreads := []Spread{r.Machine.Read, r.Machine.Peak}
	for _, f := range r.Figures {
		spreads = append(spreads, f.Tokens)
		if !(f.OfPeak > 0) || !(f.OfRead > 0) {
			t.Errorf("%+v", f)
		}
	}
	for _, s := range spreads {
		if !(0 < s.Low && s.Low <= s.Median && s.Median <= s.High) {
			t.Errorf("%+v", s)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Run(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("after an end: %v", err)
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{9, 1, 4, 2}); got != (Spread{3, 1, 9}) {
		t.Errorf("%+v", got)
	}
}
