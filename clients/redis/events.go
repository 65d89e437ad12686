package redis

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
	"plumb/feedback"
)

//go:embed put_event.lua
var putEventLua string

// putEvent is parsed once; it holds nothing but the text and its hash.
var putEvent = redis.NewScript(putEventLua)

// PutEvent implements [feedback.Writer].
func (s *Store) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	if err := e.Validate(); err != nil {
		return feedback.Event{}, "", err
	}
	target := feedback.Event{}
	if e.Kind == feedback.Revoke {
		var err error
		if target, err = s.Event(ctx, e.Target); err != nil && chat.KindOf(err) != chat.NotFound {
			return feedback.Event{}, "", err
		}
		if err == nil {
			e = e.Withdrawing(target)
		}
	}
	body, err := feedback.EncodeEvent(e)
	if err != nil {
		return feedback.Event{}, "", err
	}
	cmd, err := s.run(ctx, putEvent, s.log("seq"), s.log(), e.ID, e.Key(), e.Content(), e.Kind, e.Source, e.Generation, e.User, body, e.Target)
	if err != nil {
		return feedback.Event{}, "", fail("put event", err)
	}
	answer, err := cmd.StringSlice()
	if err != nil || len(answer) != 2 {
		return feedback.Event{}, "", damaged("put event", scriptAnswered(answer, err))
	}
	switch answer[0] {
	case "missing":
		return feedback.Event{}, "", notFound("target", "event", e.Target)
	case "revoke":
		return feedback.Event{}, "", &chat.Error{Kind: chat.Invalid, Param: "target", Msg: fmt.Sprintf("target %q is itself a revoke", e.Target)}
	}
	live, err := feedback.DecodeEvent([]byte(answer[1]))
	return live, feedback.Durable, damaged("put event", err)
}

// Event implements [feedback.Reader].
func (s *Store) Event(ctx context.Context, id string) (feedback.Event, error) {
	if err := s.ready(ctx); err != nil {
		return feedback.Event{}, err
	}
	body, err := s.client.HGet(ctx, s.log("event", id), "body").Bytes()
	if err == redis.Nil {
		var other string
		if other, err = s.client.Get(ctx, s.log("name", id)).Result(); err == nil {
			body, err = s.client.HGet(ctx, s.log("event", other), "body").Bytes()
		}
	}
	if err == redis.Nil {
		return feedback.Event{}, notFound("", "event", id)
	}
	if err != nil {
		return feedback.Event{}, fail("read event", err)
	}
	e, err := feedback.DecodeEvent(body)
	return e, damaged("read event "+id, err)
}
