package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"plumb/chat"
	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/offline/registry"
)

// forgetsNothing is a log that fails to erase.
type forgetsNothing struct{ feedback.Log }

func (forgetsNothing) EraseUser(context.Context, string) (feedback.Erased, error) {
	return feedback.Erased{}, errors.New("away")
}

func TestEraseUserMarksRuns(t *testing.T) {
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "plumb.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx := t.Context()
	for id, users := range map[string][]string{"run-1": {"u-ann", "u-bob"}, "run-2": {"u-bob"}} {
		if err := db.PutRun(ctx, registry.Run{ID: id, Users: users, Created: time.Unix(1, 0)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	e := feedback.Event{ID: "fb-1", Kind: feedback.Demonstration, User: "u-ann", Text: "Hello.", Source: feedback.Human, Time: time.Unix(1, 0),
		Messages: []chat.Message{{Role: chat.User, Content: "Hi"}}}
	if _, _, err := db.PutEvent(ctx, e); err != nil {
		t.Fatal(err)
	}
	tainted := func(id string) []string {
		r, err := db.Run(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Tainted
	}
	if _, err := (erasing{forgetsNothing{db}, db}).EraseUser(ctx, "u-ann"); err == nil || tainted("run-1") != nil {
		t.Errorf("err %v, tainted %v: nothing was erased", err, tainted("run-1"))
	}
	erased, err := erasing{db, db}.EraseUser(ctx, "u-ann")
	if err != nil || erased.Events != 1 {
		t.Errorf("erased %+v, %v", erased, err)
	}
	if !slices.Equal(tainted("run-1"), []string{"u-ann"}) || tainted("run-2") != nil {
		t.Errorf("tainted %v and %v, want the first run alone", tainted("run-1"), tainted("run-2"))
	}
}
