package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
)

func openOn(t *testing.T, s feedback.Log, d *disk, change ...func(*Options)) *Log {
	t.Helper()
	o := Options{Dir: "disk", folder: folderOf{d}, MaxBackoff: 5 * time.Millisecond, StoreTimeout: 10 * time.Second}
	for _, c := range change {
		c(&o)
	}
	l, err := Open(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func vote(i int, user string, value float64) feedback.Event {
	return feedback.Event{ID: fmt.Sprintf("fb-%04d", i), Generation: "chatcmpl-A", Candidate: "chatcmpl-A.0", User: user, Kind: feedback.Thumb,
		Value: value, Source: feedback.Human, Time: time.Unix(int64(i), 0).UTC()}
}

// caughtUp waits until the store has everything.
func caughtUp(t *testing.T, l *Log) {
	t.Helper()
	for range 10_000 {
		if !l.Status().Behind {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("never caught up: %+v", l.Status())
}

func mustSpool(t *testing.T, l *Log, e feedback.Event) feedback.Event {
	t.Helper()
	live, d, err := l.PutEvent(t.Context(), e)
	if err != nil || d != feedback.Spooled {
		t.Fatalf("put %s: %q, %v", e.ID, d, err)
	}
	return live
}

func TestStoreAwayFromTheStart(t *testing.T) {
	s := &store{fault: down}
	l := openOn(t, s, newDisk())
	g := feedback.Generation{ID: "chatcmpl-A", User: "u-1", Candidates: []feedback.Candidate{{ID: "chatcmpl-A.0", Shown: true}, {ID: "chatcmpl-A.1"}}}
	if d, err := l.PutGeneration(t.Context(), g); err != nil || d != feedback.Spooled {
		t.Fatal(d, err)
	}
	mustSpool(t, l, vote(1, "u-1", 1))
	if live := mustSpool(t, l, vote(2, "u-1", 1)); live.ID != "fb-0001" {
		t.Fatalf("the same again: %s is live", live.ID)
	}
	mustSpool(t, l, vote(3, "u-1", -1))
	revoke := feedback.Event{ID: "fb-0004", Kind: feedback.Revoke, Target: "fb-0003", Source: feedback.Human, Time: time.Unix(4, 0)}
	if r := mustSpool(t, l, revoke); r.User != "u-1" || r.Candidate != "chatcmpl-A.0" {
		t.Fatalf("%+v", r)
	}
	again := revoke
	again.ID = "fb-0005"
	if r := mustSpool(t, l, again); r.ID != "fb-0004" {
		t.Fatalf("revoked again by %s", r.ID)
	}
	for _, id := range []string{"fb-0001", "fb-0002", "fb-0003", "fb-0004"} {
		if _, err := l.Event(t.Context(), id); err != nil {
			t.Errorf("read %s: %v", id, err)
		}
	}
	if got, err := l.Generation(t.Context(), g.ID); err != nil || len(got.Candidates) != 2 {
		t.Fatal(got, err)
	}
	if n := l.Pending(); n != 6 {
		t.Errorf("%d pending, want 6", n)
	}
	for what, err := range map[string]error{
		"events":      second(l.Events(t.Context(), feedback.Query{})),
		"generations": second(l.Generations(t.Context(), feedback.Query{})),
		"unknown":     first(l.Event(t.Context(), "fb-none")),
		"erase":       first(l.EraseUser(t.Context(), "u-1")),
		"ping":        l.Ping(t.Context()),
	} {
		if chat.KindOf(err) != chat.Unavailable {
			t.Errorf("%s while away: %v", what, err)
		}
	}

	s.set(nil)
	caughtUp(t, l)
	if st := l.Status(); st.Pending != 0 || st.Bytes != 0 || st.Rejected != 0 {
		t.Fatalf("%+v", st)
	}
	events, _, err := l.Events(t.Context(), feedback.Query{})
	if err != nil || len(events) != 0 {
		t.Fatal(events, err)
	}
	if _, d, err := l.PutEvent(t.Context(), vote(9, "u-1", 1)); err != nil || d != feedback.Durable {
		t.Fatalf("after: %q, %v", d, err)
	}
	if want := []string{"fb-0001", "fb-0002", "fb-0003", "fb-0004", "fb-0005", "fb-0009"}; !slices.Equal(s.order, want) {
		t.Fatalf("the store got %v, want %v", s.order, want)
	}
}

func second[A, B any](_ A, _ B, err error) error { return err }
func first[A any](_ A, err error) error          { return err }

func TestEveryPrefixOfTheFile(t *testing.T) {
	d := newDisk()
	l := openOn(t, &store{fault: down}, d)
	const n = 12
	for i := range n {
		mustSpool(t, l, vote(i, fmt.Sprintf("u-%d", i), 1))
	}
	content := d.files[segmentName(1)].content
	var ends []int
	for _, e := range l.pending {
		ends = append(ends, int(e.at.end()))
	}
	for cut := range len(content) + 1 {
		whole := 0
		for whole < n && ends[whole] <= cut {
			whole++
		}
		after := newDisk()
		after.files[segmentName(1)] = &inode{disk: after, content: bytes.Clone(content[:cut])}
		s := &store{}
		l := openOn(t, s, after)
		caughtUp(t, l)
		if len(s.order) != whole || whole > 0 && s.order[whole-1] != fmt.Sprintf("fb-%04d", whole-1) {
			t.Fatalf("cut at %d of %d: %d records, want %d", cut, len(content), len(s.order), whole)
		}
		if _, _, err := l.PutEvent(t.Context(), vote(99, "u-99", 1)); err != nil {
			t.Fatalf("cut at %d: put: %v", cut, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageInTheMiddleCostsOneRecord(t *testing.T) {
	d := newDisk()
	l := openOn(t, &store{fault: down}, d)
	for i := range 5 {
		mustSpool(t, l, vote(i, fmt.Sprintf("u-%d", i), 1))
	}
	f := d.files[segmentName(1)]
	at := l.pending[2].at
	for _, offset := range []int64{at.Offset, at.Offset + 4, at.Offset + headerSize, at.end() - 1} {
		after := newDisk()
		content := bytes.Clone(f.content)
		content[offset] ^= 0x40
		after.files[segmentName(1)] = &inode{disk: after, content: content}
		s := &store{}
		l := openOn(t, s, after)
		caughtUp(t, l)
		if want := "fb-0000 fb-0001 fb-0003 fb-0004"; strings.Join(s.order, " ") != want {
			t.Errorf("damage at %d: %v", offset, s.order)
		}
	}
}

// TestCrashInReplay stops the store and the process after each number of replayed records, and lets another process go on.
func TestCrashInReplay(t *testing.T) {
	const n = 20
	votes := make([]feedback.Event, n)
	var model memory.Log
	for i := range votes {
		votes[i] = vote(i, fmt.Sprintf("u-%d", i%3), float64(1-2*(i/3%2)))
		if i%7 == 6 {
			votes[i] = feedback.Event{ID: votes[i].ID, Kind: feedback.Revoke, Target: votes[i-1].ID, Source: feedback.Human, Time: votes[i].Time}
		}
		if _, _, err := model.PutEvent(t.Context(), votes[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, answered := range []bool{true, false} { // whether the last put before the crash was answered
		for k := range n + 1 {
			d, s := newDisk(), &store{fault: down}
			l := openOn(t, s, d)
			for _, e := range votes {
				mustSpool(t, l, e)
			}
			puts := 0
			s.set(func(doing string) (error, error) {
				if doing != "put" {
					return nil, nil
				}
				puts++
				switch {
				case puts > k:
					return errAway, nil
				case puts == k && !answered:
					return nil, errAway
				}
				return nil, nil
			})
			for range 10_000 {
				s.mu.Lock()
				reached := len(s.order) >= min(k, n)
				s.mu.Unlock()
				if reached {
					break
				}
				time.Sleep(100 * time.Microsecond)
			}
			after := d.pulled(rand.New(rand.NewPCG(uint64(k), 1)))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s.set(nil)
			l = openOn(t, s, after)
			caughtUp(t, l)
			equalLogs(t, &model, s, votes)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// equalLogs checks that two logs list the same live events in the same order, and have the same history.
func equalLogs(t *testing.T, want, got feedback.Log, events []feedback.Event) {
	t.Helper()
	a, _, err := want.Events(t.Context(), feedback.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := got.Events(t.Context(), feedback.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if ids(a) != ids(b) {
		t.Fatalf("live: %s, want %s", ids(b), ids(a))
	}
	for _, e := range events {
		w, err1 := want.Event(t.Context(), e.ID)
		g, err2 := got.Event(t.Context(), e.ID)
		if err1 != nil || err2 != nil || w.ID != g.ID || w.User != g.User {
			t.Fatalf("%s: %s %v, want %s %v", e.ID, g.ID, err2, w.ID, err1)
		}
	}
}

func ids(events []feedback.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.ID + " ")
	}
	return b.String()
}

// TestFaultyDisk fails every single operation of the disk in turn, pulls the plug afterwards, and looks for what was
// acknowledged.
func TestFaultyDisk(t *testing.T) {
	for n, more := 0, true; more; n++ {
		for seed := range uint64(4) {
			d := newDisk()
			l := openOn(t, &store{fault: down}, d, func(o *Options) { o.SegmentBytes = 700 })
			count := 0
			d.fail = func(op string) error {
				if count++; count == n+1 || seed == 3 && count == n+2 {
					return fmt.Errorf("%s: no space left on device", op)
				}
				return nil
			}
			var acknowledged []feedback.Event
			for i := range 8 {
				e := vote(i, fmt.Sprintf("u-%d", i), 1)
				_, _, err := l.PutEvent(t.Context(), e)
				if err == nil {
					acknowledged = append(acknowledged, e)
				} else if chat.KindOf(err) != chat.Unavailable {
					t.Fatal(err)
				}
			}
			if len(acknowledged) < 6 {
				t.Fatalf("operation %d: only %d of 8 acknowledged", n, len(acknowledged))
			}
			more = count > n
			d.mu.Lock()
			d.fail = nil
			d.mu.Unlock()
			after := d.pulled(rand.New(rand.NewPCG(seed, uint64(n))))
			s := &store{}
			l2 := openOn(t, s, after)
			caughtUp(t, l2)
			for _, e := range acknowledged {
				if _, err := s.Event(t.Context(), e.ID); err != nil {
					t.Fatalf("operation %d failed, seed %d: acknowledged %s is lost; the store has %v", n, seed, e.ID, s.order)
				}
			}
			if !slices.IsSorted(s.order) || len(slices.Compact(slices.Clone(s.order))) != len(s.order) {
				t.Fatalf("operation %d: the store got %v", n, s.order)
			}
			_ = l2.Close()
			_ = l.Close()
		}
	}
}

func TestFull(t *testing.T) {
	s := &store{fault: down}
	l := openOn(t, s, newDisk(), func(o *Options) { o.MaxBytes, o.SegmentBytes = 4000, 1000 })
	n := 0
	var err error
	for ; err == nil; n++ {
		_, _, err = l.PutEvent(t.Context(), vote(n, fmt.Sprintf("u-%d", n), 1))
	}
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "full") || n < 8 {
		t.Fatalf("after %d: %v", n, err)
	}
	if st := l.Status(); st.Bytes > 4000 || st.Pending != n-1 {
		t.Fatalf("%+v", st)
	}
	s.set(nil)
	caughtUp(t, l)
	if len(s.order) != n-1 {
		t.Fatalf("the store got %d of %d", len(s.order), n-1)
	}
	if _, d, err := l.PutEvent(t.Context(), vote(n, "u-x", 1)); err != nil || d != feedback.Durable {
		t.Fatal(d, err)
	}
}

// TestFlickeringStore lets the store fail at random, before or after it stored, while several users vote, and holds the
// outcome against one that never failed.
func TestFlickeringStore(t *testing.T) {
	for seed := range uint64(4) {
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(seed, 3))
		s := &store{}
		s.set(func(string) (error, error) {
			mu.Lock()
			defer mu.Unlock()
			switch r.IntN(8) {
			case 0:
				return errAway, nil
			case 1:
				return nil, errAway
			case 2:
				return nil, context.DeadlineExceeded
			}
			return nil, nil
		})
		l := openOn(t, s, newDisk(), func(o *Options) { o.SegmentBytes = 2000 })
		models := make([]memory.Log, 4)
		var wg sync.WaitGroup
		for user := range models {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(user)))
				var last string
				for i := range 60 {
					e := vote(user*1000+i, fmt.Sprintf("u-%d", user), float64(1-2*r.IntN(2)))
					if last != "" && r.IntN(4) == 0 {
						e = feedback.Event{ID: e.ID, Kind: feedback.Revoke, Target: last, Source: feedback.Human, Time: e.Time}
					}
					if _, _, err := models[user].PutEvent(context.Background(), e); err != nil {
						t.Error(err)
					}
					live, _, err := l.PutEvent(context.Background(), e)
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := l.Event(context.Background(), live.ID); err == nil && got.ID == "" || err != nil && !isAway(err) {
						t.Errorf("%s is not read back: %v", live.ID, err)
					}
					if last = ""; live.Kind != feedback.Revoke {
						last = live.ID
					}
				}
			})
		}
		wg.Wait()
		s.set(nil)
		caughtUp(t, l)
		for user := range models {
			want, _, err := models[user].Events(t.Context(), feedback.Query{})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := s.Events(t.Context(), feedback.Query{User: fmt.Sprintf("u-%d", user)})
			if err != nil || len(got) != len(want) || len(want) > 0 && got[0].Content() != want[0].Content() {
				t.Fatalf("seed %d, user %d: %v, want %v, %v", seed, user, got, want, err)
			}
		}
		if st := l.Status(); st.Rejected != 0 {
			t.Fatalf("%+v", st)
		}
	}
}

func TestRefusedRecordsAreKeptAside(t *testing.T) {
	d, s := newDisk(), &store{fault: down}
	l := openOn(t, s, d)
	mustSpool(t, l, feedback.Event{ID: "fb-0001", Kind: feedback.Revoke, Target: "fb-none", Source: feedback.Human, Time: time.Unix(1, 0)})
	mustSpool(t, l, vote(2, "u-1", 1))
	s.set(nil)
	caughtUp(t, l)
	if st := l.Status(); st.Rejected != 1 {
		t.Fatalf("%+v", st)
	}
	if got := string(d.files["rejected.jsonl"].content); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"target":"fb-none"`) {
		t.Fatal(got)
	}
	if _, err := s.Event(t.Context(), "fb-0002"); err != nil {
		t.Fatal(err)
	}
}

// TestFaultOfTheStore has one record on which the store always fails although it is there.
func TestFaultOfTheStore(t *testing.T) {
	s := &store{fault: down}
	l := openOn(t, poisoned{s, "fb-0001"}, newDisk())
	mustSpool(t, l, vote(1, "u-1", 1))
	mustSpool(t, l, vote(2, "u-2", 1))
	s.set(nil)
	caughtUp(t, l)
	if st := l.Status(); st.Rejected != 1 || len(s.order) != 1 {
		t.Fatalf("%+v, %v", st, s.order)
	}
}

type poisoned struct {
	*store
	id string
}

func (p poisoned) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	if e.ID == p.id {
		if err := p.Ping(ctx); err != nil {
			return feedback.Event{}, "", err
		}
		return feedback.Event{}, "", errors.New("a fault")
	}
	return p.store.PutEvent(ctx, e)
}

// TestThumbOnAGeneration is a vote that named no candidate while the generation was out of reach.
func TestThumbOnAGeneration(t *testing.T) {
	s := &store{}
	g := feedback.Generation{ID: "chatcmpl-A", Candidates: []feedback.Candidate{{ID: "chatcmpl-A.0"}, {ID: "chatcmpl-A.1", Shown: true}}}
	if _, err := s.Log.PutGeneration(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.set(down)
	l := openOn(t, s, newDisk())
	e := vote(1, "u-1", 1)
	e.Candidate = ""
	mustSpool(t, l, e)
	s.set(nil)
	caughtUp(t, l)
	if got, err := s.Event(t.Context(), e.ID); err != nil || got.Candidate != "chatcmpl-A.1" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func FuzzScanFrames(f *testing.F) {
	one := appendFrame([]byte(magic), []byte(`e{"id":"fb-1"}`))
	f.Add(one)
	f.Add(append(bytes.Clone(one), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Add(appendFrame(append(bytes.Clone(one), 0xff, 0x01), []byte(`g{}`)))
	f.Add([]byte("\xff\xff\xff\x03aaaabbbbbbbbbbbbb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		total, end := int64(0), int64(0)
		skipped, err := scanFrames(r, 0, int64(len(b)), func(at int64, n int, payload []byte) {
			if at < end || n != headerSize+len(payload) || !bytes.Equal(appendFrame(nil, payload), b[at:at+int64(n)]) {
				t.Fatalf("a frame at %d of %d bytes after %d", at, n, end)
			}
			total, end = total+int64(n), at+int64(n)
			_, _ = decodeRecord(payload)
		})
		if err != nil && err != io.EOF || skipped+total != int64(len(b)) {
			t.Fatalf("%d skipped, %d in frames, %d in all, %v", skipped, total, len(b), err)
		}
	})
}
