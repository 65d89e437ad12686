package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"plumb/clients/redis"
	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/feedback/spool"
	"plumb/offline/registry"
)

// store is everything that is kept: feedback, runs and aliases, and the lease on training.
type store struct {
	log      feedback.Log
	registry registry.Registry
	lease    registry.Lease
	// durability warns of what the store can lose; nil if it loses nothing.
	durability func(context.Context) []string
}

// keeper is what both databases are.
type keeper interface {
	feedback.Log
	registry.Registry
	registry.Lease
}

// openStore opens what --store names. With spooled set, records go to a spool in --data while Redis is away; only one
// process may have it open.
func openStore(w *Where, spooled bool, logger *slog.Logger) (*store, error) {
	if err := os.MkdirAll(w.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make --data: %w", err)
	}
	kind, place, err := storeKind(w.Store, w.Data)
	if err != nil {
		return nil, err
	}
	if kind == "sqlite" {
		db, err := sqlite.Open(place, sqlite.Options{})
		if err != nil {
			return nil, err
		}
		return &store{log: db, registry: db, lease: db}, nil
	}
	db, err := redis.Open(redis.Options{URL: place, Prefix: w.Prefix})
	if err != nil {
		return nil, err
	}
	s := &store{log: db, registry: db, lease: db, durability: func(ctx context.Context) []string {
		d, err := db.Durability(ctx)
		if err != nil {
			return []string{err.Error()}
		}
		return d.Warnings()
	}}
	if spooled {
		if s.log, err = spool.Open(db, spool.Options{Dir: filepath.Join(w.Data, "spool"), Logger: logger}); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return s, nil
}

var _ keeper = (*sqlite.Store)(nil)
var _ keeper = (*redis.Store)(nil)

// salt returns the secret that user names are hashed with: from the setting, else from a file in --data that is made at
// the first start. Replicas must share it.
func salt(setting, data string) ([]byte, error) {
	if setting != "" {
		return []byte(setting), nil
	}
	path := filepath.Join(data, "salt")
	b, err := os.ReadFile(path)
	if err == nil && len(b) >= 16 {
		return b, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read salt: %w", err)
	}
	b = []byte(rand.Text() + rand.Text())
	if err := writeOnce(path, b); err != nil {
		return nil, fmt.Errorf("write salt: %w", err)
	}
	return os.ReadFile(path) // another process may have been first
}

// writeOnce writes a file whole, unless it is there already.
func writeOnce(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
