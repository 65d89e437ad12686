package registrytest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sync"

	"plumb/chat"
	"plumb/offline/registry"
)

// Leaser is a store with leases, and the runs and aliases that they fence.
type Leaser interface {
	registry.Lease
	registry.Runs
	registry.Aliases
}

// Place is where leases are kept for one test.
type Place struct {
	Open    func(t *testing.T) Leaser // opens the same store again each time: a restart, or another process
	Advance func(d time.Duration)     // lets time pass for the store; nil waits
}

// TestLease runs the suite; place makes an empty one for each test.
func TestLease(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range leaseTests {
		t.Run(name, func(t *testing.T) {
			p := place(t)
			if p.Advance == nil {
				p.Advance = time.Sleep
			}
			test(t, p)
		})
	}
}

// Terms of the leases in these tests: one that no test outlives, one that every test waits for.
const (
	long  = time.Hour
	short = 30 * time.Millisecond
)

var leaseTests = map[string]func(*testing.T, Place){
	"one holder at a time": func(t *testing.T, p Place) {
		l := p.Open(t)
		first := acquire(t, l, "a", "one", long)
		_, err := l.Acquire(t.Context(), "a", "two", long)
		wantKind(t, err, chat.Conflict)
		if !strings.Contains(err.Error(), "one") {
			t.Fatalf("does not name the holder: %v", err)
		}
		_, err = l.Acquire(t.Context(), "a", "one", long)
		wantKind(t, err, chat.Conflict)
		acquire(t, l, "b", "two", long) // another lease
		if err := l.Release(t.Context(), "a", first); err != nil {
			t.Fatal(err)
		}
		if second := acquire(t, l, "a", "two", long); second <= first {
			t.Fatalf("fence %d after %d", second, first)
		}
	},
	"what is no longer held": func(t *testing.T, p Place) {
		l := p.Open(t)
		if err := l.Release(t.Context(), "a", 3); err != nil {
			t.Fatal(err)
		}
		wantKind(t, l.Renew(t.Context(), "a", 3, long), chat.Conflict)
		fence := acquire(t, l, "a", "one", long)
		wantKind(t, l.Renew(t.Context(), "a", fence+1, long), chat.Conflict)
		if err := l.Release(t.Context(), "a", fence+1); err != nil { // not ours: nothing happens
			t.Fatal(err)
		}
		if err := l.Renew(t.Context(), "a", fence, long); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(t.Context(), "a", fence); err != nil {
			t.Fatal(err)
		}
		wantKind(t, l.Renew(t.Context(), "a", fence, long), chat.Conflict)
	},
	"a lease ends by itself": func(t *testing.T, p Place) {
		l := p.Open(t)
		first := acquire(t, l, "a", "one", short)
		p.Advance(2 * short)
		wantKind(t, l.Renew(t.Context(), "a", first, long), chat.Conflict)
		if second := acquire(t, l, "a", "two", long); second <= first {
			t.Fatalf("fence %d after %d", second, first)
		}
	},
	"renewing prolongs": func(t *testing.T, p Place) {
		l := p.Open(t)
		fence := acquire(t, l, "a", "one", long/2)
		if err := l.Renew(t.Context(), "a", fence, short); err != nil { // the new term counts, even a shorter one
			t.Fatal(err)
		}
		p.Advance(2 * short)
		fence = acquire(t, l, "a", "one", short+time.Minute)
		if err := l.Renew(t.Context(), "a", fence, long); err != nil {
			t.Fatal(err)
		}
		p.Advance(2 * short)
		_, err := l.Acquire(t.Context(), "a", "two", long)
		wantKind(t, err, chat.Conflict)
	},
	"a holder that stalled cannot write": func(t *testing.T, p Place) {
		l := p.Open(t)
		stalled := acquire(t, l, registry.AlignLease, "one", short)
		if err := l.PutRun(t.Context(), newRun("run-1", start), stalled); chat.KindOf(err) != chat.Conflict && err != nil {
			t.Fatal(err) // Conflict: this machine was slower than the term
		}
		p.Advance(2 * short)
		wantKind(t, l.PutRun(t.Context(), newRun("run-2", start), stalled), chat.Conflict) // nobody else, but the term is over
		fence := acquire(t, l, registry.AlignLease, "two", long)
		wantKind(t, l.PutRun(t.Context(), newRun("run-2", start), stalled), chat.Conflict)
		if _, err := l.Run(t.Context(), "run-2"); chat.KindOf(err) != chat.NotFound {
			t.Fatalf("a stalled holder wrote: %v", err)
		}
		if err := l.PutRun(t.Context(), newRun("run-2", start), fence); err != nil {
			t.Fatal(err)
		}
		other := acquire(t, l, "other", "three", long)
		for other <= fence { // the fence of another lease does not count, even one that is live
			if err := l.Release(t.Context(), "other", other); err != nil {
				t.Fatal(err)
			}
			other = acquire(t, l, "other", "three", long)
		}
		wantKind(t, l.PutRun(t.Context(), newRun("run-2", start), other), chat.Conflict)
	},
	"a holder that stalled cannot release": func(t *testing.T, p Place) {
		l := p.Open(t)
		read := func() registry.Alias {
			t.Helper()
			a, err := l.Alias(t.Context(), "plumb")
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		stalled := acquire(t, l, registry.AlignLease, "one", short)
		a := read() // what the stalled one read is still right when it wakes: the version alone would let it through
		p.Advance(2 * short)
		a.Live = &registry.Release{Model: "stale"}
		_, err := l.SetAlias(t.Context(), a, stalled) // nobody else, but the term is over
		wantKind(t, err, chat.Conflict)
		fence := acquire(t, l, registry.AlignLease, "two", long)
		_, err = l.SetAlias(t.Context(), a, stalled)
		wantKind(t, err, chat.Conflict)
		if got := read(); got.Version != 0 || got.Live != nil {
			t.Fatalf("a stalled holder moved the alias: %+v", got)
		}
		a.Live = &registry.Release{Model: "fresh"}
		moved, err := l.SetAlias(t.Context(), a, fence)
		if err != nil || moved.Version != 1 {
			t.Fatalf("%+v, %v", moved, err)
		}
		_, err = l.SetAlias(t.Context(), a, fence) // the right fence does not make up for an old version
		wantKind(t, err, chat.Conflict)
		moved.Live = &registry.Release{Model: "by hand"}
		if moved, err = l.SetAlias(t.Context(), moved, 0); err != nil || moved.Version != 2 { // operators need no lease
			t.Fatalf("%+v, %v", moved, err)
		}
	},
	"the fence grows over restarts": func(t *testing.T, p Place) {
		last := int64(0)
		for i := range 4 {
			l := p.Open(t)
			fence := acquire(t, l, "a", fmt.Sprint(i), long)
			if fence <= last {
				t.Fatalf("fence %d after %d", fence, last)
			}
			last = fence
			if err := l.Release(t.Context(), "a", fence); err != nil {
				t.Fatal(err)
			}
		}
		l := p.Open(t)
		fence := acquire(t, l, "a", "last", long)
		again := p.Open(t)
		_, err := again.Acquire(t.Context(), "a", "thief", long) // a restart does not free a lease
		wantKind(t, err, chat.Conflict)
		if err := again.Renew(t.Context(), "a", fence, long); err != nil {
			t.Fatal(err)
		}
	},
	"many at once get it one after the other": func(t *testing.T, p Place) {
		l := p.Open(t)
		var inside, most atomic.Int32
		var mu sync.Mutex
		fences := map[int64]bool{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for {
					fence, err := l.Acquire(context.Background(), "a", fmt.Sprint(i), long)
					if chat.KindOf(err) == chat.Conflict && err != nil {
						time.Sleep(time.Millisecond)
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					most.Store(max(most.Load(), inside.Add(1)))
					mu.Lock()
					fences[fence] = true
					mu.Unlock()
					inside.Add(-1)
					if err := l.Release(context.Background(), "a", fence); err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		if most.Load() != 1 || len(fences) != 8 {
			t.Fatalf("%d at once, %d fences", most.Load(), len(fences))
		}
	},
	"leases refused": func(t *testing.T, p Place) {
		l := p.Open(t)
		_, err := l.Acquire(t.Context(), "", "one", long)
		wantKind(t, err, chat.Invalid)
		_, err = l.Acquire(t.Context(), "a", "one", 0)
		wantKind(t, err, chat.Invalid)
		wantKind(t, l.Renew(t.Context(), "a", 1, -1), chat.Invalid)
	},
}

func acquire(t *testing.T, l registry.Lease, name, holder string, ttl time.Duration) int64 {
	t.Helper()
	fence, err := l.Acquire(t.Context(), name, holder, ttl)
	if err != nil || fence <= 0 {
		t.Fatalf("acquire %s for %s: fence %d, %v", name, holder, fence, err)
	}
	return fence
}
