package redis

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
	"plumb/offline/registry"
)

var (
	//go:embed put_run.lua
	putRunLua string
	putRun    = redis.NewScript(putRunLua)

	//go:embed set_alias.lua
	setAliasLua string
	setAlias    = redis.NewScript(setAliasLua)
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
	cmd, err := s.run(ctx, putRun, s.registry("runs"), s.registry(), r.ID, r.Created.UnixMilli(), body, registry.AlignLease, fence)
	if err != nil {
		return fail("put run", err)
	}
	if done, err := cmd.Int(); err != nil {
		return fail("put run", err)
	} else if done != 1 {
		return &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("put run %s: fence %d is no longer the live one", r.ID, fence)}
	}
	return nil
}

// Run implements [registry.Runs].
func (s *Store) Run(ctx context.Context, id string) (r registry.Run, err error) {
	if err := s.ready(ctx); err != nil {
		return r, err
	}
	body, err := s.client.Get(ctx, s.registry("run", id)).Bytes()
	if err == redis.Nil {
		return r, notFound("", "run", id)
	}
	if err != nil {
		return r, fail("read run", err)
	}
	return r, damaged("read run "+id, json.Unmarshal(body, &r))
}

// Runs implements [registry.Runs].
func (s *Store) Runs(ctx context.Context, limit int) ([]registry.Run, error) {
	if limit < 1 {
		return nil, &chat.Error{Kind: chat.Invalid, Param: "limit", Msg: fmt.Sprintf("list runs: limit %d: want at least 1", limit)}
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	ids, err := s.client.ZRevRange(ctx, s.registry("runs"), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fail("list runs", err)
	}
	runs := make([]registry.Run, len(ids))
	for i, id := range ids {
		if runs[i], err = s.Run(ctx, id); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// Alias implements [registry.Aliases].
func (s *Store) Alias(ctx context.Context, name string) (registry.Alias, error) {
	a := registry.Alias{Name: name}
	if err := s.ready(ctx); err != nil {
		return a, err
	}
	body, err := s.client.HGet(ctx, s.registry("alias", name), "body").Bytes()
	if err == redis.Nil {
		return a, nil
	}
	if err != nil {
		return a, fail("read alias", err)
	}
	return a, damaged("read alias "+name, json.Unmarshal(body, &a))
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
	cmd, err := s.run(ctx, setAlias, s.registry("alias", a.Name), s.registry(), a.Version, next.Version, body, registry.AlignLease, fence)
	if err != nil {
		return a, fail("set alias", err)
	}
	answer, err := cmd.Int64Slice()
	if err != nil || len(answer) != 2 {
		return a, damaged("set alias", scriptAnswered(answer, err))
	}
	switch answer[0] {
	case 0:
		return a, &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("set alias %s: it has version %d, not %d: read it again", a.Name, answer[1], a.Version)}
	case -1:
		return a, &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("set alias %s: fence %d is no longer the live one", a.Name, fence)}
	}
	return next, nil
}

func (s *Store) blob(hash string) string { return s.o.Prefix + ":blob:{" + hash + "}" }

// PutBlob implements [registry.Blobs].
func (s *Store) PutBlob(ctx context.Context, data []byte) (string, error) {
	if len(data) > registry.MaxBlob {
		return "", &chat.Error{Kind: chat.TooLarge, Msg: fmt.Sprintf("put blob: it has %d bytes: at most %d", len(data), registry.MaxBlob)}
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	err := s.pipe(ctx, s.blob(hash), func(p redis.Pipeliner) { p.Set(ctx, s.blob(hash), data, 0) })
	return hash, fail("put blob", err)
}

// Blob implements [registry.Blobs].
func (s *Store) Blob(ctx context.Context, hash string) ([]byte, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	data, err := s.client.Get(ctx, s.blob(hash)).Bytes()
	if err == redis.Nil {
		return nil, notFound("", "blob", hash)
	}
	if err != nil {
		return nil, fail("read blob", err)
	}
	return registry.VerifyBlob(hash, data)
}
