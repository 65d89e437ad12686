package spool_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
	"plumb/feedback/memory"
	"plumb/feedback/spool"
)

func TestLog(t *testing.T) {
	feedbacktest.TestLog(t, func(t *testing.T) feedback.Log { return open(t, new(memory.Log), t.TempDir()) })
}

func open(t *testing.T, store feedback.Log, dir string) *spool.Log {
	t.Helper()
	l, err := spool.Open(store, spool.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// gone is a store that is not there.
type gone struct{ memory.Log }

func (*gone) Ping(context.Context) error { return &chat.Error{Kind: chat.Unavailable, Msg: "gone"} }

func (g *gone) PutEvent(ctx context.Context, _ feedback.Event) (feedback.Event, feedback.Durability, error) {
	return feedback.Event{}, "", g.Ping(ctx)
}

func vote(i int) feedback.Event {
	return feedback.Event{ID: fmt.Sprintf("fb-%d", i), Generation: "chatcmpl-A", Candidate: "chatcmpl-A.0", User: fmt.Sprintf("u-%d", i),
		Kind: feedback.Thumb, Value: 1, Source: feedback.Human, Time: time.Unix(1, 0).UTC()}
}

// TestFolder keeps records in a real folder from one process to the next.
func TestFolder(t *testing.T) {
	dir := t.TempDir() + "/data/spool"
	l := open(t, new(gone), dir)
	for i := range 20 {
		if _, d, err := l.PutEvent(t.Context(), vote(i)); err != nil || d != feedback.Spooled {
			t.Fatal(d, err)
		}
	}
	if _, err := spool.Open(new(gone), spool.Options{Dir: dir}); chat.KindOf(err) != chat.Conflict || err == nil {
		t.Fatalf("opened by two: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, new(gone), dir)
	if n := l.Pending(); n != 20 {
		t.Fatalf("%d pending", n)
	}
	if e, err := l.Event(t.Context(), "fb-7"); err != nil || e.User != "u-7" {
		t.Fatal(e, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	store := new(memory.Log)
	l = open(t, store, dir)
	events, _, err := l.Events(t.Context(), feedback.Query{}) // waits for the replay
	if err != nil || len(events) != 20 || events[19].ID != "fb-19" {
		t.Fatal(len(events), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, new(gone), dir)
	if st := l.Status(); st.Pending != 0 || st.Bytes != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, o := range []spool.Options{{MaxBytes: -1}, {StoreTimeout: -1}, {Redo: -1}} {
		o.Dir = t.TempDir()
		if _, err := spool.Open(new(gone), o); chat.KindOf(err) != chat.Invalid || err == nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// BenchmarkSpooled has 16 callers vote while the store is gone.
func BenchmarkSpooled(b *testing.B) {
	l, err := spool.Open(new(gone), spool.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, _, err := l.PutEvent(context.Background(), vote(int(n.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}
