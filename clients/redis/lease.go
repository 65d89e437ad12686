package redis

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
	"plumb/offline/registry"
)

var (
	//go:embed acquire.lua
	acquireLua string
	acquire    = redis.NewScript(acquireLua)

	//go:embed renew.lua
	renewLua string
	renew    = redis.NewScript(renewLua)
)

// Acquire implements [registry.Lease]. Time is the Redis server's.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (int64, error) {
	if err := registry.CheckLease(name, ttl); err != nil {
		return 0, err
	}
	cmd, err := s.run(ctx, acquire, s.registry("lease", name), s.registry("fences"), name, holder, ttl.Milliseconds())
	if err != nil {
		return 0, fail("acquire lease", err)
	}
	answer, err := cmd.StringSlice()
	if err != nil || len(answer) != 2 {
		return 0, damaged("acquire lease "+name, scriptAnswered(answer, err))
	}
	n, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return 0, damaged("acquire lease "+name, err)
	}
	if n < 0 {
		return 0, registry.Held(name, answer[1], time.Duration(-n)*time.Millisecond)
	}
	return n, nil
}

// Renew implements [registry.Lease].
func (s *Store) Renew(ctx context.Context, name string, fence int64, ttl time.Duration) error {
	if err := registry.CheckLease(name, ttl); err != nil {
		return err
	}
	done, err := s.renew(ctx, name, fence, ttl.Milliseconds())
	if err != nil {
		return fail("renew lease", err)
	}
	if !done {
		return &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("lease %s: fence %d is no longer the live one", name, fence)}
	}
	return nil
}

// Release implements [registry.Lease].
func (s *Store) Release(ctx context.Context, name string, fence int64) error {
	_, err := s.renew(ctx, name, fence, 0)
	return fail("release lease", err)
}

// renew gives the lease a new term if fence is the live one; a term of 0 ends it.
func (s *Store) renew(ctx context.Context, name string, fence, ms int64) (bool, error) {
	cmd, err := s.run(ctx, renew, s.registry("lease", name), fence, ms)
	if err != nil {
		return false, err
	}
	return cmd.Bool()
}
