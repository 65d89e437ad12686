package sqlite_test

import (
	"path/filepath"
	"testing"

	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
	"plumb/offline/registry"
	"plumb/offline/registry/registrytest"
)

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "plumb.db"))
}

func openFile(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLog(t *testing.T) {
	feedbacktest.TestLog(t, func(t *testing.T) feedback.Log { return open(t) })
}

func TestRegistry(t *testing.T) {
	registrytest.TestRegistry(t, func(t *testing.T) registry.Registry { return open(t) })
}

func TestLease(t *testing.T) {
	registrytest.TestLease(t, func(t *testing.T) registrytest.Place {
		path := filepath.Join(t.TempDir(), "plumb.db")
		return registrytest.Place{Open: func(t *testing.T) registrytest.Leaser { return openFile(t, path) }}
	})
}
