package redis

import (
	"context"

	"github.com/redis/go-redis/v9"

	"plumb/feedback"
)

// PutGeneration implements [feedback.Writer]. The indexes come first: what is broken off leaves at most a name without a
// record, which lists skip, and never a record that EraseUser would not find.
func (s *Store) PutGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	body, err := feedback.EncodeGeneration(g)
	if err != nil {
		return "", err
	}
	index := func(p redis.Pipeliner) {
		p.ZAdd(ctx, s.log("generations"), redis.Z{Member: g.ID})
		if g.User != "" {
			p.ZAdd(ctx, s.log("asked", g.User), redis.Z{Member: g.ID})
		}
	}
	record := func(p redis.Pipeliner) { p.Set(ctx, s.generation(g.ID), body, 0) }
	if s.cluster == nil {
		err = s.pipe(ctx, s.log("generations"), func(p redis.Pipeliner) { index(p); record(p) })
	} else if err = s.pipe(ctx, s.log("generations"), index); err == nil {
		err = s.pipe(ctx, s.generation(g.ID), record)
	}
	if err != nil {
		return "", fail("put generation", err)
	}
	return feedback.Durable, nil
}

func (s *Store) generation(id string) string { return s.o.Prefix + ":gen:{" + id + "}" }

// Generation implements [feedback.Reader].
func (s *Store) Generation(ctx context.Context, id string) (feedback.Generation, error) {
	if err := s.ready(ctx); err != nil {
		return feedback.Generation{}, err
	}
	body, err := s.client.Get(ctx, s.generation(id)).Bytes()
	if err == redis.Nil {
		return feedback.Generation{}, notFound("", "generation", id)
	}
	if err != nil {
		return feedback.Generation{}, fail("read generation", err)
	}
	g, err := feedback.DecodeGeneration(body)
	return g, damaged("read generation "+id, err)
}

// Bounds of a list.
const (
	pageBytes = 64 << 20 // a page ends early above it, so that large records do not take all memory
	fetch     = 32       // generations read in one round trip
)

// Generations implements [feedback.Reader].
func (s *Store) Generations(ctx context.Context, q feedback.Query) ([]feedback.Generation, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	index, from := s.log("generations"), "-"
	if q.User != "" {
		index = s.log("asked", q.User)
	}
	if q.After != "" {
		from = "(" + q.After
	}
	ids, err := s.client.ZRangeByLex(ctx, index, &redis.ZRangeBy{Min: from, Max: "+", Count: int64(limit) + 1}).Result()
	if err != nil {
		return nil, "", fail("list generations", err)
	}
	next := ""
	if len(ids) > limit {
		ids, next = ids[:limit], ids[limit-1]
	}
	generations := make([]feedback.Generation, 0, len(ids))
	for size := 0; len(ids) > 0; {
		n := min(fetch, len(ids))
		bodies, err := s.records(ctx, ids[:n])
		if err != nil {
			return nil, "", fail("list generations", err)
		}
		for _, body := range bodies {
			g, err := feedback.DecodeGeneration(body)
			if err != nil {
				return nil, "", damaged("list generations", err)
			}
			generations, size = append(generations, g), size+len(body)
		}
		if size > pageBytes && len(ids) > n {
			return generations, ids[n-1], nil
		}
		ids = ids[n:]
	}
	return generations, next, nil
}

// records reads generations; an id without a record is skipped.
func (s *Store) records(ctx context.Context, ids []string) ([][]byte, error) {
	cmds := make([]*redis.StringCmd, len(ids))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = p.Get(ctx, s.generation(id))
		}
		return nil
	})
	if err != nil && err != redis.Nil {
		return nil, err
	}
	var bodies [][]byte
	for _, cmd := range cmds {
		body, err := cmd.Bytes()
		if err == redis.Nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}
