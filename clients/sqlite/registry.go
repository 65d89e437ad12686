package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"plumb/chat"
	"plumb/offline/registry"
)

// PutRun implements [registry.Runs].
func (s *Store) PutRun(ctx context.Context, r registry.Run, fence int64) error {
	if r.ID == "" {
		return &chat.Error{Kind: chat.Invalid, Param: "id", Msg: "put run: it has no id"}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return &chat.Error{Kind: chat.Invalid, Msg: "encode run " + r.ID, Cause: err}
	}
	return s.writer.do(ctx, "put run", func(t *tx) error {
		if fence > 0 {
			if err := s.holds(t, registry.AlignLease, fence); err != nil {
				return err
			}
		}
		return t.exec(`INSERT INTO run (id, created, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET created = excluded.created, body = excluded.body`, r.ID, r.Created.UnixNano(), body)
	})
}

// Run implements [registry.Runs].
func (s *Store) Run(ctx context.Context, id string) (r registry.Run, err error) {
	var body []byte
	found, err := s.one(ctx, &body, `SELECT body FROM run WHERE id = ?`, id)
	if err == nil && !found {
		return r, notFound("", "run", id)
	}
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	return r, fail("read run "+id, err)
}

// Runs implements [registry.Runs].
func (s *Store) Runs(ctx context.Context, limit int) ([]registry.Run, error) {
	if limit < 1 {
		return nil, &chat.Error{Kind: chat.Invalid, Param: "limit", Msg: fmt.Sprintf("list runs: limit %d: want at least 1", limit)}
	}
	bodies, _, err := s.page(ctx, limit, `SELECT id, body FROM run ORDER BY created DESC, id DESC LIMIT ?`)
	if err != nil {
		return nil, fail("list runs", err)
	}
	runs := make([]registry.Run, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal(body, &runs[i]); err != nil {
			return nil, fail("list runs", err)
		}
	}
	return runs, nil
}

// Alias implements [registry.Aliases].
func (s *Store) Alias(ctx context.Context, name string) (registry.Alias, error) {
	a := registry.Alias{Name: name}
	var body []byte
	found, err := s.one(ctx, &body, `SELECT body FROM alias WHERE name = ?`, name)
	if err == nil && found {
		err = json.Unmarshal(body, &a)
	}
	return a, fail("read alias "+name, err)
}

// SetAlias implements [registry.Aliases].
func (s *Store) SetAlias(ctx context.Context, a registry.Alias, fence int64) (registry.Alias, error) {
	if a.Name == "" {
		return a, &chat.Error{Kind: chat.Invalid, Param: "name", Msg: "set alias: it has no name"}
	}
	next := a
	next.Version++
	body, err := json.Marshal(next)
	if err != nil {
		return a, &chat.Error{Kind: chat.Invalid, Msg: "encode alias " + a.Name, Cause: err}
	}
	err = s.writer.do(ctx, "set alias", func(t *tx) error {
		if fence > 0 {
			if err := s.holds(t, registry.AlignLease, fence); err != nil {
				return err
			}
		}
		var version int64
		if _, err := t.row([]any{&version}, `SELECT version FROM alias WHERE name = ?`, a.Name); err != nil {
			return err
		}
		if version != a.Version {
			return &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("set alias %s: it has version %d, not %d: read it again", a.Name, version, a.Version)}
		}
		return t.exec(`INSERT INTO alias (name, version, body) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version, body = excluded.body`, a.Name, next.Version, body)
	})
	if err != nil {
		return a, err
	}
	return next, nil
}

// PutBlob implements [registry.Blobs].
func (s *Store) PutBlob(ctx context.Context, data []byte) (string, error) {
	if len(data) > registry.MaxBlob {
		return "", &chat.Error{Kind: chat.TooLarge, Msg: fmt.Sprintf("put blob: it has %d bytes: at most %d", len(data), registry.MaxBlob)}
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	// A blob that is there already is written again: what lies there may be damaged.
	return hash, s.writer.do(ctx, "put blob", func(t *tx) error {
		t.large = true
		return t.exec(`INSERT INTO blob (hash, data) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET data = excluded.data`, hash, data)
	})
}

// Blob implements [registry.Blobs].
func (s *Store) Blob(ctx context.Context, hash string) ([]byte, error) {
	var data []byte
	found, err := s.one(ctx, &data, `SELECT data FROM blob WHERE hash = ?`, hash)
	if err != nil {
		return nil, fail("read blob", err)
	}
	if !found {
		return nil, notFound("", "blob", hash)
	}
	return registry.VerifyBlob(hash, data)
}
