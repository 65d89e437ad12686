package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
)

// raw opens the file as any SQLite client would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func vote(i int) feedback.Event {
	return feedback.Event{ID: fmt.Sprintf("fb-%d", i), Generation: "chatcmpl-A", Candidate: "chatcmpl-A.0", User: fmt.Sprintf("u-%d", i),
		Kind: feedback.Thumb, Value: 1, Source: feedback.Human, Time: time.Unix(1, 0)}
}

func TestFilesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		kind chat.Kind
		says string
	}{
		"no database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database. ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, chat.Internal, "damaged or no SQLite"},
		"another program's": {func(t *testing.T, path string) { mustExec(t, raw(t, path), `CREATE TABLE notes (text)`) }, chat.Internal, "another program"},
		"a later schema": {func(t *testing.T, path string) {
			if err := openFile(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			mustExec(t, raw(t, path), `PRAGMA user_version = 7`)
		}, chat.Internal, "version 7"},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, chat.Unavailable, "plumb.db"},
		"no folder above": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, chat.Unavailable, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "below", "plumb.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			c.make(t, path)
			s, err := sqlite.Open(path, sqlite.Options{Busy: 50 * time.Millisecond})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			if chat.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("kind %v: %v", chat.KindOf(err), err)
			}
		})
	}
}

func TestOpenIsPrivateAndKeepsOddNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#%41.db")
	s := openFile(t, path)
	if _, _, err := s.PutEvent(t.Context(), vote(1)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
}

func TestDamageIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s := openFile(t, path)
	for i := range 200 {
		if _, _, err := s.PutEvent(t.Context(), vote(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 8192; i < len(b); i += 512 { // past the schema
		copy(b[i:], "damage damage damage")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = sqlite.Open(path, sqlite.Options{})
	if err == nil {
		defer s.Close()
		err = s.Check(t.Context())
	}
	if err == nil || chat.KindOf(err) != chat.Internal {
		t.Fatal(err)
	}
}

func TestDamagedBlob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s := openFile(t, path)
	hash, err := s.PutBlob(t.Context(), []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, raw(t, path), `UPDATE blob SET data = x'00'`)
	if _, err := s.Blob(t.Context(), hash); chat.KindOf(err) != chat.Internal || err == nil {
		t.Fatal(err)
	}
}

// TestFullDisk lets the file grow no further.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s := openFile(t, path)
	if _, _, err := s.PutEvent(t.Context(), vote(1)); err != nil {
		t.Fatal(err)
	}
	release := sqlite.LimitPages(s, 40)
	g := feedbacktest.NewGeneration("chatcmpl-A", "u-1", 2)
	g.Candidates[0].Text = strings.Repeat("x", 1<<20)
	_, err := s.PutGeneration(t.Context(), g)
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "full") {
		t.Fatal(err)
	}
	// What was there is there, what is small still fits, and when there is room again all is well.
	if _, err := s.Event(t.Context(), "fb-1"); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := s.PutGeneration(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAnotherProcessHoldsTheFile holds the write lock from outside for longer, and then for shorter, than a write waits.
func TestAnotherProcessHoldsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s, err := sqlite.Open(path, sqlite.Options{Busy: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PutEvent(t.Context(), vote(1)); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "another process") {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); chat.KindOf(err) != chat.Unavailable {
		t.Fatal(err)
	}
	if _, err := s.Event(t.Context(), "fb-1"); chat.KindOf(err) != chat.NotFound { // reads go on
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PutEvent(t.Context(), vote(1)); err != nil {
		t.Fatal(err)
	}
}

// TestTwoProcesses has two stores on one file, as the server and an offline run are.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	stores := []*sqlite.Store{openFile(t, path), openFile(t, path)}
	var wg sync.WaitGroup
	for k, s := range stores {
		wg.Go(func() {
			for i := range 50 {
				if _, _, err := s.PutEvent(context.Background(), vote(2*i+k)); err != nil {
					t.Error(err)
				}
				if _, _, err := s.PutEvent(context.Background(), vote(-i)); err != nil { // both the same
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		n := 0
		for _, err := range feedback.AllEvents(t.Context(), s, feedback.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 149 { // 0..99, and -1..-49; 0 is both
			t.Fatalf("%d events", n)
		}
	}
}

func TestErasedTextLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s := openFile(t, path)
	const secret = "the secret of u-77 that nobody may find"
	g := feedbacktest.NewGeneration("chatcmpl-A", "u-77", 1)
	g.Candidates[0].Text = secret
	if _, err := s.PutGeneration(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	e := vote(77)
	e.Kind, e.Value, e.Text = feedback.Comment, 0, secret
	if _, _, err := s.PutEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !contains(t, path, secret) {
		t.Fatal("the test looks in the wrong place")
	}
	if _, err := s.EraseUser(t.Context(), "u-77"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // each write tries again where a reader or a checkpoint was in the way
		if _, _, err := s.PutEvent(t.Context(), vote(i)); err != nil {
			t.Fatal(err)
		}
		if !contains(t, path, secret) {
			return
		}
	}
	t.Fatal("erased text is still in the file or its log")
}

// TestTheLogDoesNotGrowForEver writes without a pause, so that a checkpoint never finds the writer idle.
func TestTheLogDoesNotGrowForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	s := openFile(t, path)
	text := strings.Repeat("x", 16<<10)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 600 {
				g := feedbacktest.NewGeneration(fmt.Sprintf("chatcmpl-%d-%d", worker, i), "", 1)
				g.Candidates[0].Text = text
				if _, err := s.PutGeneration(context.Background(), g); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("log %d MiB, file %d MiB", info.Size()>>20, whole.Size()>>20)
	if info.Size() > 3*whole.Size()/4 {
		t.Errorf("log has %d bytes, file %d", info.Size(), whole.Size())
	}
}

func contains(t *testing.T, path, text string) bool {
	t.Helper()
	for _, name := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if strings.Contains(string(b), text) {
			return true
		}
	}
	return false
}

func TestCancelled(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.PutEvent(ctx, vote(1)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := s.Event(ctx, "fb-1"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := s.Event(t.Context(), "fb-1"); chat.KindOf(err) != chat.NotFound {
		t.Fatal(err)
	}
}
