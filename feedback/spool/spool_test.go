package spool_test

import (
	"testing"

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
