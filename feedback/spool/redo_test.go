package spool

import (
	"context"
	"sync"
	"testing"
	"time"

	"plumb/feedback"
	"plumb/feedback/memory"
)

// amnesiac is a store that forgets its last records when it is restarted.
type amnesiac struct {
	feedback.Log // nil: what is not overridden is not used
	mu           sync.Mutex
	kept         *memory.Log
	puts         []record
	guarded      bool
	restarted    bool
}

func (a *amnesiac) Guard()          { a.guarded = true }
func (a *amnesiac) Restarted() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.restarted }
func (a *amnesiac) Resume()         { a.mu.Lock(); defer a.mu.Unlock(); a.restarted = false }
func (a *amnesiac) Close() error    { return nil }

// restart keeps the first n puts.
func (a *amnesiac) restart(t *testing.T, n int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept, a.restarted = new(memory.Log), true
	for _, r := range a.puts[:n] {
		var err error
		if r.generation != nil {
			_, err = a.kept.PutGeneration(t.Context(), *r.generation)
		} else {
			_, _, err = a.kept.PutEvent(t.Context(), *r.event)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (a *amnesiac) log() (*memory.Log, error) {
	if a.restarted {
		return nil, errAway
	}
	return a.kept, nil
}

func (a *amnesiac) PutGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.log()
	if err != nil {
		return "", err
	}
	a.puts = append(a.puts, record{generation: &g})
	return l.PutGeneration(ctx, g)
}

func (a *amnesiac) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.log()
	if err != nil {
		return feedback.Event{}, "", err
	}
	a.puts = append(a.puts, record{event: &e})
	return l.PutEvent(ctx, e)
}

func (a *amnesiac) Generation(ctx context.Context, id string) (feedback.Generation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, err := a.log()
	if err != nil {
		return feedback.Generation{}, err
	}
	return l.Generation(ctx, id)
}

func (a *amnesiac) Ping(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.log()
	return err
}

// TestStoreThatForgets restarts a store which then lacks its last k records, for every k, with and without a write that
// would notice it.
func TestStoreThatForgets(t *testing.T) {
	const n = 12
	var model memory.Log
	votes := make([]feedback.Event, n+1)
	for i := range votes {
		votes[i] = vote(i, []string{"u-1", "u-2"}[i%2], float64(1-2*(i/2%2)))
		if i == 5 || i == 10 {
			votes[i] = feedback.Event{ID: votes[i].ID, Kind: feedback.Revoke, Target: votes[i-1].ID, Source: feedback.Human, Time: votes[i].Time}
		}
		if _, _, err := model.PutEvent(t.Context(), votes[i]); err != nil {
			t.Fatal(err)
		}
	}
	g := feedback.Generation{ID: "chatcmpl-A"}
	for k := range n + 1 {
		a := &amnesiac{kept: new(memory.Log)}
		l := openOn(t, a, newDisk())
		if !a.guarded {
			t.Fatal("the store was not told to look out")
		}
		for _, e := range votes[:n] {
			if _, d, err := l.PutEvent(t.Context(), e); err != nil || d != feedback.Durable {
				t.Fatal(d, err)
			}
		}
		if _, err := l.PutGeneration(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		a.restart(t, n-k)
		mustSpool(t, l, votes[n]) // nothing newer overtakes what was lost
		caughtUp(t, l)
		equalLogs(t, &model, a.kept, votes)
		if _, err := a.kept.Generation(t.Context(), g.ID); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}

func TestStoreThatForgetsWhileNobodyWrites(t *testing.T) {
	a := &amnesiac{kept: new(memory.Log)}
	l := openOn(t, a, newDisk())
	if _, _, err := l.PutEvent(t.Context(), vote(1, "u-1", 1)); err != nil {
		t.Fatal(err)
	}
	a.restart(t, 0)
	for range 1000 {
		a.mu.Lock()
		_, err := a.kept.Event(t.Context(), "fb-0001")
		a.mu.Unlock()
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never put again")
}

func TestRecent(t *testing.T) {
	var r recent
	for range 10 {
		r.add(make([]byte, redoBytes/4), time.Hour)
	}
	if n := len(r.since(time.Hour)); n != 4 || r.bytes > redoBytes {
		t.Errorf("%d records of %d bytes are kept", n, r.bytes)
	}
	if n := len(r.since(-time.Hour)); n != 0 || r.bytes != 0 {
		t.Errorf("%d records, %d bytes are kept", n, r.bytes)
	}
}
