package lm

import (
	"context"
	"testing"

	"plumb/lm/gguf"
)

// steady returns a scheduler in which replies are being drawn.
func steady(t testing.TB, m *Model, replies int) *scheduler {
	jobs := make([]Job, replies)
	for i := range jobs {
		jobs[i].Seed = int64(i)
	}
	b := m.newScheduler(nil, limits{replies: replies, keys: 1 << 30})
	prompt := make([]int32, 40)
	for i := range prompt {
		prompt[i] = int32(3 + i*7%400)
	}
	s := Settings{Temperature: 1, TopP: .95, TopK: 40, Frequency: .1}
	b.enter(m.newRequest(context.Background(), prompt, jobs, s, 1<<20, func(int, Token) bool { return true }, func(error) {}))
	for range 30 {
		b.step()
	}
	return b
}

// Once it runs, a step takes no memory, with filters and penalties too.
func TestStepsTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs the short tests, has pools forget what they are given")
	}
	whole := open(t, "tiny-llama.gguf")
	for name, m := range map[string]*Model{"f32": whole, "q8_0": inType(t, whole, gguf.Q8_0), "q4_0": inType(t, whole, gguf.Q4_0)} {
		b := steady(t, m, 8)
		defer b.close()
		n := testing.AllocsPerRun(20, b.step)
		for try := 0; try < 3 && n > 0; try++ {
			n = testing.AllocsPerRun(20, b.step) // a collection empties the pools, and they fill again
		}
		if n > 0 {
			t.Errorf("%s: %v allocations a step", name, n)
		}
		if !b.busy() {
			t.Errorf("%s: the replies have ended: the test shows nothing", name)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	m := open(b, "tiny-llama.gguf")
	s := steady(b, m, 8)
	b.ReportAllocs()
	for b.Loop() {
		s.step()
		if !s.busy() {
			b.StopTimer()
			s = steady(b, m, 8)
			b.StartTimer()
		}
	}
}
