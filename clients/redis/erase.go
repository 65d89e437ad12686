package redis

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
	"plumb/feedback"
)

//go:embed erase_events.lua
var eraseEventsLua string

var eraseEvents = redis.NewScript(eraseEventsLua)

// portion is how much one step of an erasure takes, so that Redis is not held up.
const portion = 200

// EraseUser implements [feedback.Log]. It goes in portions, each of them whole.
func (s *Store) EraseUser(ctx context.Context, user string) (feedback.Erased, error) {
	var gone feedback.Erased
	if user == "" {
		return gone, &chat.Error{Kind: chat.Invalid, Param: "user", Msg: "erase user: no user is named"}
	}
	for {
		ids, err := s.eraseGenerations(ctx, user)
		if err != nil {
			return gone, fail("erase generations", err)
		}
		if len(ids) == 0 {
			break
		}
		gone.IDs, gone.Generations = append(gone.IDs, ids...), gone.Generations+len(ids)
	}
	for {
		cmd, err := s.run(ctx, eraseEvents, s.log("seq"), s.log(), user, portion)
		if err != nil {
			return gone, fail("erase events", err)
		}
		ids, err := cmd.StringSlice()
		if err != nil {
			return gone, fail("erase events", err)
		}
		if len(ids) == 0 {
			return gone, nil
		}
		for _, id := range ids[1:] { // the first says that there was something, even if only names
			gone.IDs, gone.Events = append(gone.IDs, id), gone.Events+1
		}
	}
}

// eraseGenerations erases a portion, records before indexes, so that what is broken off is found again.
func (s *Store) eraseGenerations(ctx context.Context, user string) ([]string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	ids, err := s.client.ZRange(ctx, s.log("asked", user), 0, portion-1).Result()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	members := make([]any, len(ids))
	for i, id := range ids {
		members[i] = id
		err := s.pipe(ctx, s.generation(id), func(p redis.Pipeliner) { p.Del(ctx, s.generation(id)) })
		if err != nil {
			return nil, err
		}
	}
	return ids, s.pipe(ctx, s.log("generations"), func(p redis.Pipeliner) {
		p.ZRem(ctx, s.log("generations"), members...)
		p.ZRem(ctx, s.log("asked", user), members...)
	})
}
