package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
)

// run runs a script on the node of its first key and waits for the replicas that Options asks for.
func (s *Store) run(ctx context.Context, script *redis.Script, key string, args ...any) (*redis.Cmd, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	keys := []string{key}
	if !s.waits() {
		cmd := script.Run(ctx, s.client, keys, args...)
		return cmd, cmd.Err()
	}
	var cmd *redis.Cmd
	err := s.acknowledged(ctx, key, func(p redis.Pipeliner) { cmd = script.EvalSha(ctx, p, keys, args...) })
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		err = s.acknowledged(ctx, key, func(p redis.Pipeliner) { cmd = script.Eval(ctx, p, keys, args...) })
	}
	return cmd, err
}

// pipe runs commands, all on the node of key, in their order, and waits for the replicas that Options asks for.
func (s *Store) pipe(ctx context.Context, key string, commands func(redis.Pipeliner)) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.waits() {
		return s.acknowledged(ctx, key, commands)
	}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error { commands(p); return nil })
	return err
}

func (s *Store) waits() bool { return s.o.Replicas > 0 || s.o.FsyncReplicas }

// acknowledged runs commands and WAIT, or WAITAOF, on one connection: Redis waits for the writes of its connection.
func (s *Store) acknowledged(ctx context.Context, key string, commands func(redis.Pipeliner)) error {
	node := s.client
	if s.cluster != nil {
		master, err := s.cluster.MasterForKey(ctx, key)
		if err != nil {
			return err
		}
		node = master
	}
	p := node.Pipeline()
	commands(p)
	var wait *redis.Cmd
	ms := s.o.ReplicaTimeout.Milliseconds()
	if s.o.FsyncReplicas {
		wait = p.Do(ctx, "WAITAOF", 1, s.o.Replicas, ms)
	} else {
		wait = p.Do(ctx, "WAIT", s.o.Replicas, ms)
	}
	if _, err := p.Exec(ctx); err != nil {
		return err
	}
	return s.enough(wait)
}

// enough says whether WAIT or WAITAOF found as many as were asked for.
func (s *Store) enough(wait *redis.Cmd) error {
	here, there := int64(1), int64(0)
	if s.o.FsyncReplicas {
		n, err := wait.Int64Slice()
		if err != nil || len(n) != 2 {
			return errors.Join(fmt.Errorf("WAITAOF answered %v", n), err)
		}
		here, there = n[0], n[1]
	} else {
		n, err := wait.Int64()
		if err != nil {
			return err
		}
		there = n
	}
	if here < 1 || there < int64(s.o.Replicas) {
		return &chat.Error{Kind: chat.Unavailable, Msg: fmt.Sprintf("redis: %d of %d replicas acknowledged within %v", there, s.o.Replicas, s.o.ReplicaTimeout)}
	}
	return nil
}
