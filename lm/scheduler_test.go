package lm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"plumb/lm/gguf"
)

// errand is a request of a test and what came of it.
type errand struct {
	prompt   []int32
	jobs     []Job
	settings Settings
	ids      [][]int32
	logprobs [][]float64
	err      error
	over     bool
	leave    context.CancelFunc
}

func (c *errand) request(m *Model, room int) *request {
	ctx, cancel := context.WithCancel(context.Background())
	c.leave, c.over = cancel, false
	c.ids, c.logprobs = make([][]int32, len(c.jobs)), make([][]float64, len(c.jobs))
	return m.newRequest(ctx, c.prompt, c.jobs, c.settings, room, func(i int, t Token) bool {
		c.ids[i], c.logprobs[i] = append(c.ids[i], t.ID), append(c.logprobs[i], t.Logprob)
		return true
	}, func(err error) { c.err, c.over = err, true })
}

func (c *errand) said() string { return fmt.Sprint(c.ids, c.logprobs) }

// someErrands begin alike in part, and differ in everything else.
func someErrands(r *rand.Rand, n, longest int) (list []*errand) {
	common := make([]int32, longest)
	for i := range common {
		common[i] = int32(3 + r.IntN(500))
	}
	text := func(n int) (t []int32) {
		for range n {
			t = append(t, int32(3+r.IntN(500)))
		}
		return t
	}
	for i := range n {
		c := &errand{prompt: append(slices.Clone(common[:r.IntN(longest*3/4)]), text(1+r.IntN(longest/4))...)}
		c.settings = []Settings{{Temperature: 1}, {Temperature: .8, TopP: .9}, {}, {Temperature: 1.2, TopK: 20, Frequency: .1}}[i%4]
		c.settings.MaxTokens = 1 + r.IntN(70)
		same := text(r.IntN(80))
		for range 1 + r.IntN(4) {
			job := Job{Seed: r.Int64(), Prefix: same}
			if r.IntN(2) == 0 {
				job.Prefix = text(r.IntN(70))
			}
			c.jobs = append(c.jobs, job)
		}
		list = append(list, c)
	}
	return list
}

func alone(t *testing.T, m *Model, exact bool, list []*errand) (said []string) {
	t.Helper()
	for _, c := range list {
		b := m.newScheduler(nil, limits{exact: exact, replies: 64, keys: 1 << 30})
		b.enter(c.request(m, 1<<20))
		for b.busy() {
			b.step()
		}
		b.close()
		if c.err != nil || !c.over {
			t.Fatalf("alone: %v", c.err)
		}
		said = append(said, c.said())
	}
	return said
}

// A request's replies have the same tokens and log-probs, bit for bit, whichever requests come and leave beside it, with a
// cache or none, on one processor or two, and where there is so little room that texts are forgotten and read again.
func TestRepliesDoNotDependOnOtherRequests(t *testing.T) {
	whole, forgot := open(t, "tiny-llama.gguf"), 0
	for _, c := range []struct {
		name  string
		m     *Model
		exact bool
	}{
		{"exact", whole, true},
		{"keys in halves", whole, false},
		{"q8_0", inType(t, whole, gguf.Q8_0), false},
		{"q4_0", inType(t, whole, gguf.Q4_0), false},
	} {
		t.Run(c.name, func(t *testing.T) { forgot += repliesAreTheirOwn(t, c.m, c.exact) })
	}
	if forgot == 0 {
		t.Error("no reply's text was forgotten where there was little room: the test shows nothing")
	}
}

// inType returns the model with its matrices in another type.
func inType(t testing.TB, m *Model, as gguf.Type) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), as.String()+".gguf")
	if _, err := (Merge{Type: as}).Write(m, path); err != nil {
		t.Fatal(err)
	}
	other, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// repliesAreTheirOwn says how often the text of a reply was forgotten.
func repliesAreTheirOwn(t *testing.T, m *Model, exact bool) (forgotten int) {
	r := rand.New(rand.NewPCG(3, 9))
	list := someErrands(r, 8, 150)
	want := alone(t, m, exact, list)
	page := newPages(m, exact, 0).pageBytes()
	for round := range 3 {
		pages := []int{1000, 14, 9}[round%3]
		procs := 2 - round%2
		before := runtime.GOMAXPROCS(procs)
		b := m.newScheduler(nil, limits{exact: exact, replies: 64, keys: pages * page, cache: round % 2 * 6 * page})
		entered, forgot := 0, 0
		order := r.Perm(len(list))
		left := map[*errand]bool{}
		for entered < len(list) || b.busy() {
			if entered < len(list) && r.IntN(4) == 0 {
				b.enter(list[order[entered]].request(m, 1<<20))
				entered++
			}
			if r.IntN(40) == 0 && entered > 0 {
				if c := list[order[r.IntN(entered)]]; !c.over {
					left[c] = true
					c.leave()
				}
			}
			b.step()
			for _, a := range b.active {
				for _, p := range a.live {
					if p.n > 1 && p.read.past.n == 0 {
						forgot++
					}
				}
			}
			if b.pages.live > pages || b.pages.made > pages {
				t.Fatalf("%d pages live, %d made, of %d", b.pages.live, b.pages.made, pages)
			}
		}
		b.close()
		runtime.GOMAXPROCS(before)
		for i, c := range list {
			switch {
			case !c.over:
				t.Errorf("round %d: request %d has not ended", round, i)
			case left[c]:
				if !errors.Is(c.err, context.Canceled) {
					t.Errorf("round %d: request %d left with %v", round, i, c.err)
				}
			case c.err != nil || c.said() != want[i]:
				t.Errorf("round %d, exact %v, %d pages: request %d (%v) differs from alone", round, exact, pages, i, c.err)
			}
		}
		forgotten += forgot
		if forgot > 0 && pages == 1000 {
			t.Errorf("%d pages: %d times a reply's text was forgotten", pages, forgot)
		}
		if b.pages.live != 0 {
			t.Errorf("round %d: %d pages are still held", round, b.pages.live)
		}
	}
	return forgotten
}

// A request that leaves is gone before the next step, and a running reply gets a token in every step while a long prompt is
// read.
func TestPromptsAreReadBesideReplies(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	b := m.newScheduler(nil, limits{replies: 64, keys: 1 << 26})
	defer b.close()
	short := &errand{prompt: []int32{5, 6}, jobs: []Job{{Seed: 1}}, settings: Settings{Temperature: 1, MaxTokens: 100}}
	long := &errand{prompt: make([]int32, 220), jobs: []Job{{}}, settings: Settings{MaxTokens: 1}}
	second := &errand{prompt: []int32{9, 8, 7}, jobs: []Job{{}}, settings: Settings{MaxTokens: 2}}
	b.enter(short.request(m, 1<<20))
	b.step()
	b.enter(long.request(m, 1<<20))
	steps := 0
	for len(long.ids[0]) == 0 && !short.over {
		before := len(short.ids[0])
		b.step()
		steps++
		if len(short.ids[0]) != before+1 {
			t.Fatalf("no token of the reply in step %d", steps)
		}
		if steps == 1 {
			b.enter(second.request(m, 1<<20))
		}
		if steps == 2 && len(second.ids[0]) == 0 {
			t.Error("the short prompt waits for the long one")
		}
	}
	if steps < 3 {
		t.Errorf("the long prompt was read in %d steps", steps)
	}
	short.leave()
	drawn := len(short.ids[0])
	if b.step(); !errors.Is(short.err, context.Canceled) || len(short.ids[0]) != drawn {
		t.Errorf("after it left: %v, %d tokens more", short.err, len(short.ids[0])-drawn)
	}
}
