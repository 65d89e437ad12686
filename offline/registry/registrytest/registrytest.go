// Package registrytest holds the conformance suites that every store of offline's runs, aliases and blobs passes
// ([TestRegistry]), and every lease ([TestLease]).
package registrytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/offline/registry"
)

// TestRegistry runs the suite. open returns an empty registry each time it is called and closes it when its test ends.
func TestRegistry(t *testing.T, open func(t *testing.T) registry.Registry) {
	for name, test := range registryTests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func newRun(id string, created time.Time) registry.Run {
	return registry.Run{
		ID: id, Alias: "plumb", Parent: "run-0", State: registry.Train, Created: created, Updated: created.Add(time.Minute),
		Base: registry.Release{Model: "plumb-tiny", Digest: "sha256:00"}, DataRoot: "ab", Rows: map[string]int{"pairs": 7},
		Dropped: map[string]int{"tie": 2}, Users: []string{"u-1"}, Method: "dpo", Config: json.RawMessage(`{"beta":0.1}`), Seed: 7,
		Metrics: map[string]float64{"accuracy": 0.75}, Gate: json.RawMessage(`{"passed":true}`), Result: registry.Release{Model: "plumb:run-1", RM: "ff"},
	}
}

var registryTests = map[string]func(*testing.T, registry.Registry){
	"run is read back, and replaced": func(t *testing.T, r registry.Registry) {
		run := newRun("run-1", start)
		mustPutRun(t, r, run)
		run.State, run.Tainted = registry.Live, []string{"u-1"}
		mustPutRun(t, r, run)
		got, err := r.Run(t.Context(), run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(run, got); d != "" {
			t.Fatal(d)
		}
		all, err := r.Runs(t.Context(), 10)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d runs, %v", len(all), err)
		}
	},
	"run unknown": func(t *testing.T, r registry.Registry) {
		_, err := r.Run(t.Context(), "run-none")
		wantKind(t, err, chat.NotFound)
	},
	"run refused": func(t *testing.T, r registry.Registry) {
		wantKind(t, r.PutRun(t.Context(), registry.Run{}, 0), chat.Invalid)
		bad := newRun("run-1", start)
		bad.Metrics["loss"] = math.NaN()
		wantKind(t, r.PutRun(t.Context(), bad, 0), chat.Invalid)
		_, err := r.Runs(t.Context(), 0)
		wantKind(t, err, chat.Invalid)
	},
	"run under a fence that nobody holds": func(t *testing.T, r registry.Registry) {
		wantKind(t, r.PutRun(t.Context(), newRun("run-1", start), 1), chat.Conflict)
		_, err := r.Run(t.Context(), "run-1")
		wantKind(t, err, chat.NotFound)
	},
	"alias under a fence that nobody holds": func(t *testing.T, r registry.Registry) {
		_, err := r.SetAlias(t.Context(), registry.Alias{Name: "plumb", Share: .5}, 1)
		wantKind(t, err, chat.Conflict)
		if a, err := r.Alias(t.Context(), "plumb"); err != nil || a.Version != 0 {
			t.Fatalf("%+v, %v", a, err)
		}
	},
	"runs newest first": func(t *testing.T, r registry.Registry) {
		for _, i := range []int{3, 0, 4, 1, 2} {
			mustPutRun(t, r, newRun(fmt.Sprintf("run-%d", 9-i), start.Add(time.Duration(i)*time.Second)))
		}
		mustPutRun(t, r, newRun("run-9", start)) // the oldest, put again
		runs, err := r.Runs(t.Context(), 3)
		if err != nil || len(runs) != 3 || runs[0].ID != "run-5" || runs[1].ID != "run-6" || runs[2].ID != "run-7" {
			t.Fatalf("%+v, %v", runs, err)
		}
		if runs, err = r.Runs(t.Context(), 100); err != nil || len(runs) != 5 || runs[4].ID != "run-9" {
			t.Fatalf("%+v, %v", runs, err)
		}
	},
	"alias never set": func(t *testing.T, r registry.Registry) {
		got, err := r.Alias(t.Context(), "plumb")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(registry.Alias{Name: "plumb"}, got); d != "" {
			t.Fatal(d)
		}
	},
	"alias is set by who read it last": func(t *testing.T, r registry.Registry) {
		first := registry.Alias{Name: "plumb", Live: &registry.Release{Model: "a", RM: "00"}, Share: 0.25, Updated: start}
		one, err := r.SetAlias(t.Context(), first, 0)
		if err != nil || one.Version != 1 {
			t.Fatalf("%+v, %v", one, err)
		}
		_, err = r.SetAlias(t.Context(), first, 0) // still version 0
		wantKind(t, err, chat.Conflict)
		ahead := one
		ahead.Version = 7
		_, err = r.SetAlias(t.Context(), ahead, 0)
		wantKind(t, err, chat.Conflict)
		one.Previous, one.Live = one.Live, &registry.Release{Model: "b"}
		two, err := r.SetAlias(t.Context(), one, 0)
		if err != nil || two.Version != 2 {
			t.Fatalf("%+v, %v", two, err)
		}
		got, err := r.Alias(t.Context(), "plumb")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(two, got); d != "" {
			t.Fatal(d)
		}
		_, err = r.SetAlias(t.Context(), registry.Alias{}, 0)
		wantKind(t, err, chat.Invalid)
	},
	"alias set by many at once is set once": func(t *testing.T, r registry.Registry) {
		const n = 16
		won := make([]bool, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				_, err := r.SetAlias(context.Background(), registry.Alias{Name: "plumb", Live: &registry.Release{Model: fmt.Sprint(i)}}, 0)
				won[i] = err == nil
				if err != nil && chat.KindOf(err) != chat.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := r.Alias(t.Context(), "plumb")
		if err != nil || got.Version != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, w := range won {
			if w != (got.Live.Model == fmt.Sprint(i)) {
				t.Fatalf("%d won: %v; live is %s", i, w, got.Live.Model)
			}
		}
	},
	"blob is read back": func(t *testing.T, r registry.Registry) {
		big := make([]byte, 9<<20)
		if _, err := rand.Read(big); err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{nil, {0}, []byte("weights"), big} {
			hash, err := r.PutBlob(t.Context(), data)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := r.PutBlob(t.Context(), data); err != nil || again != hash {
				t.Fatalf("put again: %s, %v", again, err)
			}
			got, err := r.Blob(t.Context(), hash)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes read, %d written, %v", len(got), len(data), err)
			}
		}
		if hash, err := r.PutBlob(t.Context(), []byte("abc")); err != nil || hash != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
			t.Fatal(hash, err) // FIPS 180-2, appendix B.1
		}
	},
	"blob unknown, and too large": func(t *testing.T, r registry.Registry) {
		_, err := r.Blob(t.Context(), "00")
		wantKind(t, err, chat.NotFound)
		_, err = r.PutBlob(t.Context(), make([]byte, registry.MaxBlob+1))
		wantKind(t, err, chat.TooLarge)
	},
}

func mustPutRun(t *testing.T, r registry.Registry, run registry.Run) {
	t.Helper()
	if err := r.PutRun(t.Context(), run, 0); err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != kind {
		t.Fatalf("error %v, want one of kind %v", err, kind)
	}
}
