package sqlite

import (
	"context"
	"fmt"
	"time"

	"plumb/chat"
	"plumb/offline/registry"
)

// lease is a row of the table lease. A row is never deleted: its fence must only grow.
type lease struct {
	fence   int64
	holder  string
	expires int64 // Unix ns; 0 once released
}

func (t *tx) lease(name string) (l lease, err error) {
	_, err = t.row([]any{&l.fence, &l.holder, &l.expires}, `SELECT fence, holder, expires FROM lease WHERE name = ?`, name)
	return l, err
}

// Acquire implements [registry.Lease]. Time is this machine's clock, which all processes with the file share.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (int64, error) {
	if err := registry.CheckLease(name, ttl); err != nil {
		return 0, err
	}
	var fence int64
	err := s.writer.do(ctx, "acquire lease "+name, func(t *tx) error {
		l, err := t.lease(name)
		if err != nil {
			return err
		}
		now := s.now()
		if now.UnixNano() < l.expires {
			return registry.Held(name, l.holder, time.Unix(0, l.expires).Sub(now))
		}
		fence = l.fence + 1
		return t.exec(`INSERT INTO lease (name, fence, holder, expires) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, holder = excluded.holder, expires = excluded.expires`,
			name, fence, holder, now.Add(ttl).UnixNano())
	})
	if err != nil {
		return 0, err
	}
	return fence, nil
}

// Renew implements [registry.Lease].
func (s *Store) Renew(ctx context.Context, name string, fence int64, ttl time.Duration) error {
	if err := registry.CheckLease(name, ttl); err != nil {
		return err
	}
	return s.writer.do(ctx, "renew lease "+name, func(t *tx) error {
		if err := s.holds(t, name, fence); err != nil {
			return err
		}
		return t.exec(`UPDATE lease SET expires = ? WHERE name = ?`, s.now().Add(ttl).UnixNano(), name)
	})
}

// Release implements [registry.Lease].
func (s *Store) Release(ctx context.Context, name string, fence int64) error {
	return s.writer.do(ctx, "release lease "+name, func(t *tx) error {
		return t.exec(`UPDATE lease SET expires = 0 WHERE name = ? AND fence = ?`, name, fence)
	})
}

// holds returns an error of kind Conflict if fence is not the live one of the lease.
func (s *Store) holds(t *tx, name string, fence int64) error {
	l, err := t.lease(name)
	if err != nil {
		return err
	}
	if l.fence != fence || s.now().UnixNano() >= l.expires {
		return &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("lease %s: fence %d is no longer the live one", name, fence)}
	}
	return nil
}
