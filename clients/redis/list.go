package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"plumb/feedback"
)

// placed is an event's place in the order of storing.
type placed struct {
	seq int64
	id  string
}

// look is how many places one round trip reads at least: lists skip what is not live any more.
const look = 128

// Events implements [feedback.Reader].
func (s *Store) Events(ctx context.Context, q feedback.Query) ([]feedback.Event, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	after, err := q.AfterSeq()
	if err != nil {
		return nil, "", err
	}
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	events := []feedback.Event{}
	var last int64
	for size := 0; ; {
		places, err := s.places(ctx, q, after, int64(max(look, limit+1-len(events))))
		if err != nil {
			return nil, "", fail("list events", err)
		}
		if len(places) == 0 {
			return events, "", nil
		}
		bodies, err := s.liveBodies(ctx, q, places)
		if err != nil {
			return nil, "", fail("list events", err)
		}
		for i, body := range bodies {
			if body == "" {
				continue
			}
			if len(events) == limit || size > pageBytes {
				return events, feedback.Seq(last), nil
			}
			e, err := feedback.DecodeEvent([]byte(body))
			if err != nil {
				return nil, "", damaged("list events", err)
			}
			events, last, size = append(events, e), places[i].seq, size+len(body)
		}
		after = places[len(places)-1].seq
	}
}

// places reads the next n places after a position from the narrowest index: a generation's, a user's, or all.
func (s *Store) places(ctx context.Context, q feedback.Query, after, n int64) ([]placed, error) {
	index := ""
	switch {
	case q.Generation != "":
		index = s.log("of", q.Generation)
	case q.User != "":
		index = s.log("by", q.User)
	default:
		return s.streamed(ctx, after, n)
	}
	found, err := s.client.ZRangeByScoreWithScores(ctx, index, &redis.ZRangeBy{Min: "(" + strconv.FormatInt(after, 10), Max: "+inf", Count: n}).Result()
	if err != nil {
		return nil, err
	}
	places := make([]placed, len(found))
	for i, z := range found {
		places[i] = placed{int64(z.Score), fmt.Sprint(z.Member)}
	}
	return places, nil
}

func (s *Store) streamed(ctx context.Context, after, n int64) ([]placed, error) {
	found, err := s.client.XRangeN(ctx, s.log("events"), strconv.FormatInt(after+1, 10)+"-0", "+", n).Result()
	if err != nil {
		return nil, err
	}
	places := make([]placed, len(found))
	for i, m := range found {
		seq, err := strconv.ParseInt(strings.TrimSuffix(m.ID, "-0"), 10, 64)
		if err != nil {
			return nil, damaged("read stream entry "+m.ID, err)
		}
		places[i] = placed{seq, fmt.Sprint(m.Values["id"])}
	}
	return places, nil
}

// liveBodies reads the events at places; the body is "" for those that are not live or not selected.
func (s *Store) liveBodies(ctx context.Context, q feedback.Query, places []placed) ([]string, error) {
	cmds := make([]*redis.SliceCmd, len(places))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, at := range places {
			cmds[i] = p.HMGet(ctx, s.log("event", at.id), "state", "user", "kind", "body")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	bodies := make([]string, len(places))
	for i, cmd := range cmds {
		var e struct {
			State string `redis:"state"`
			User  string `redis:"user"`
			Kind  string `redis:"kind"`
			Body  string `redis:"body"`
		}
		if err := cmd.Scan(&e); err != nil {
			return nil, damaged("read event "+places[i].id, err)
		}
		if e.State == "live" && (q.User == "" || q.User == e.User) && (q.Kind == "" || q.Kind == e.Kind) {
			bodies[i] = e.Body
		}
	}
	return bodies, nil
}
