package kernel

import (
	"sync"
	"testing"
	"time"
)

// told is a source that says what a test tells it.
type told struct {
	waited  time.Duration
	unknown bool
}

func (t *told) since() (time.Duration, bool) { return t.waited, !t.unknown }

func TestCourtesyLeavesProcessors(t *testing.T) {
	const window = lookEvery
	share := func(processors float64) time.Duration { return time.Duration(processors * float64(window)) }
	cases := []struct {
		name string
		want int // goroutines wanted
		lost []float64
		left []int // goroutines that remain after each window
	}{
		{"nobody else", 8, []float64{0, .03, .29}, []int{8, 8, 8}},
		{"somebody passes", 8, []float64{2, 0, 2, .1, 2, 0}, []int{8, 8, 8, 8, 8, 8}},
		{"one neighbour, two processors", 2, []float64{.9, .9, .05, 0}, []int{2, 1, 1, 1}},
		{"one neighbour, eight processors", 8, []float64{.5, .5, .1}, []int{8, 7, 7}},
		{"three neighbours", 8, []float64{1, 3.2, .1}, []int{8, 5, 5}},
		{"what was left did not do", 8, []float64{1, 1, 1, .6, .1}, []int{8, 7, 6, 5, 5}},
		{"more neighbours than processors", 4, []float64{9, 9, 9}, []int{4, 1, 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			source := &told{}
			y := courtesy{source: source}
			for i, lost := range c.lost {
				source.waited = share(lost)
				y.look(time.Duration(i+1)*window, c.want)
				y.next.Store(1 << 62) // no look of its own
				if got := y.threads(c.want); got != c.left[i] {
					t.Fatalf("after window %d: %d goroutines, want %d", i, got, c.left[i])
				}
			}
		})
	}
}

func TestCourtesyTriesAgain(t *testing.T) {
	source := &told{waited: lookEvery}
	y := courtesy{source: source}
	now := time.Duration(0)
	look := func(lost time.Duration) int {
		now += lookEvery
		source.waited = lost
		y.look(now, 4)
		return int(y.spare.Load())
	}
	look(2 * lookEvery)
	if got := look(2 * lookEvery); got != 2 {
		t.Fatalf("%d left, want 2", got)
	}
	windows := 0
	for look(0) == 2 {
		windows++
	}
	if d := time.Duration(windows+1) * lookEvery; d != tryAgain {
		t.Errorf("tried again after %v, want %v", d, tryAgain)
	}
	if got := look(lookEvery); got != 2 {
		t.Errorf("the one tried had to wait: %d left, want 2", got)
	}
	for range int(tryAgain/lookEvery) - 1 {
		look(0)
	}
	if a, b, c := look(0), look(0), look(0); a != 1 || b != 0 || c != 0 {
		t.Errorf("the neighbours have gone: %d, %d, %d left, want 1, 0, 0", a, b, c)
	}
	for range int(tryAgain / lookEvery) {
		look(0)
	}
	if got := look(2 * lookEvery); got != 0 {
		t.Errorf("long after, one window with a loss: %d left, want 0", got)
	}
}

func TestCourtesyAfterARest(t *testing.T) {
	y := courtesy{source: &told{waited: time.Hour}}
	y.look(time.Minute, 4)
	if got := y.spare.Load(); got != 0 {
		t.Errorf("%d left after a time without work, want 0", got)
	}
	y.look(time.Minute+lookEvery, 4)
	y.look(time.Minute+2*lookEvery, 4)
	if got := y.spare.Load(); got != 3 {
		t.Errorf("%d left, want 3", got)
	}
}

func TestCourtesyOfASystemThatDoesNotSay(t *testing.T) {
	y := courtesy{source: &told{time.Hour, true}}
	for range 3 {
		if got := y.threads(4); got != 4 {
			t.Fatalf("%d goroutines, want 4", got)
		}
	}
}

func TestCourtesyOfMany(t *testing.T) {
	y := courtesy{source: &told{waited: lookEvery}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for begun := time.Now(); time.Since(begun) < 2*lookEvery; {
				if got := y.threads(4); got < 1 || got > 4 {
					t.Errorf("%d goroutines of 4", got)
				}
			}
		})
	}
	all.Wait()
}
