package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"plumb/chat"
	"plumb/clients/redis"
	"plumb/feedback"
)

func vote(user string, value float64) feedback.Event {
	now := time.Now().UTC()
	return feedback.Event{ID: feedback.NewEventID(now), Generation: "chatcmpl-A", Candidate: "chatcmpl-A.0", User: user, Kind: feedback.Thumb,
		Value: value, Source: feedback.Human, Time: now}
}

func wantAway(t *testing.T, err error) {
	t.Helper()
	if err == nil || chat.KindOf(err) != chat.Unavailable {
		t.Fatalf("kind %v: %v", chat.KindOf(err), err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]redis.Options{
		"no URL":          {},
		"another scheme":  {URL: "http://127.0.0.1:6379"},
		"a port in words": {URL: "redis://ada:hunter2@127.0.0.1:port/0"},
		"a bad database":  {URL: "redis://ada:hunter2@127.0.0.1:6379/zero"},
		"a bad parameter": {URL: "redis://ada:hunter2@127.0.0.1:6379/0?pool_size=many"},
		"a bad node":      {URL: "redis://ada:hunter2@127.0.0.1:6379?addr=one&addr=:::"},
		"braces":          {URL: "redis://127.0.0.1:6379", Prefix: "a{b}"},
		"fewer than none": {URL: "redis://127.0.0.1:6379", Replicas: -1},
	} {
		s, err := redis.Open(o)
		if err == nil {
			_ = s.Close()
		}
		if chat.KindOf(err) != chat.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAwayFromTheStartAndBack(t *testing.T) {
	o, m := mini(t)
	m.Close()
	s := open(t, o) // opening does not need it
	_, _, err := s.PutEvent(t.Context(), vote("u-1", 1))
	wantAway(t, err)
	_, err = s.Generation(t.Context(), "chatcmpl-A")
	wantAway(t, err)
	_, err = s.Alias(t.Context(), "plumb")
	wantAway(t, err)
	wantAway(t, s.Ping(t.Context()))
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PutEvent(t.Context(), vote("u-1", 1)); err != nil {
		t.Fatal(err)
	}
}

func TestRepliesOfAServerThatCannot(t *testing.T) {
	o, m := mini(t)
	s := open(t, o)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for reply, kind := range map[string]chat.Kind{
		"LOADING Redis is loading the dataset in memory":                                                   chat.Unavailable,
		"OOM command not allowed when used memory > 'maxmemory'.":                                          chat.Unavailable,
		"MISCONF Errors writing to the AOF file: No space left on device":                                  chat.Unavailable,
		"READONLY You can't write against a read only replica.":                                            chat.Unavailable,
		"NOAUTH Authentication required.":                                                                  chat.Unavailable,
		"ERR unknown command":                                                                              chat.Internal,
		"WRONGTYPE Operation against a key holding the wrong kind of value, which a stranger put in there": chat.Internal,
	} {
		m.SetError(reply)
		_, _, err := s.PutEvent(t.Context(), vote("u-1", 1))
		if err == nil || chat.KindOf(err) != kind || !strings.Contains(err.Error(), reply) {
			t.Errorf("%s: kind %v: %v", reply, chat.KindOf(err), err)
		}
	}
	m.SetError("")
}

func TestServerRefused(t *testing.T) {
	t.Run("a later version of the keys", func(t *testing.T) {
		o, m := mini(t)
		if err := m.Set("plumb:{log}:version", "2"); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, o).Event(t.Context(), "fb-1")
		if chat.KindOf(err) != chat.Internal || !strings.Contains(err.Error(), "version 2") {
			t.Fatal(err)
		}
	})
	t.Run("no append-only file that we know of", func(t *testing.T) {
		o, _ := mini(t)
		o.RequireAOF = true
		wantAway(t, open(t, o).Ping(t.Context()))
	})
	t.Run("no append-only file", func(t *testing.T) {
		srv := startServer(t, "--appendonly", "no")
		s := open(t, redis.Options{URL: "redis://" + srv.addr, RequireAOF: true})
		_, _, err := s.PutEvent(t.Context(), vote("u-1", 1))
		wantAway(t, err)
		d, err := s.Durability(t.Context())
		if err != nil || d.AOF != redis.No || len(d.Warnings()) != 1 {
			t.Fatalf("%+v %q, %v", d, d.Warnings(), err)
		}
		c := srv.client() // somebody mends it
		defer c.Close()
		for k, v := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
			if err := c.ConfigSet(t.Context(), k, v).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.PutEvent(t.Context(), vote("u-1", 1)); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Durability(t.Context()); err != nil || len(d.Warnings()) != 0 {
			t.Fatalf("%+v %q, %v", d, d.Warnings(), err)
		}
	})
}

func TestDurabilityWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		d    redis.Durability
		says []string
	}{
		"nothing known": {redis.Durability{AOF: redis.Unknown, Fsync: redis.Unknown, Eviction: redis.Unknown}, []string{"does not say"}},
		"every second":  {redis.Durability{AOF: redis.Yes, Fsync: "everysec", Eviction: "noeviction"}, []string{"last seconds"}},
		"never":         {redis.Durability{AOF: redis.Yes, Fsync: "no", Eviction: "noeviction"}, []string{"half a minute"}},
		"always":        {redis.Durability{AOF: redis.Yes, Fsync: "always", Eviction: "noeviction"}, nil},
		"throws away":   {redis.Durability{AOF: redis.No, Fsync: "always", Eviction: "allkeys-lru"}, []string{"restart loses", "allkeys-lru"}},
	} {
		w := c.d.Warnings()
		if len(w) != len(c.says) {
			t.Errorf("%s: %q", name, w)
			continue
		}
		for i := range w {
			if !strings.Contains(w[i], c.says[i]) {
				t.Errorf("%s: %q", name, w)
			}
		}
	}
}

// TestTooFewReplicas: what was not acknowledged by enough is an error, and can be put again.
func TestTooFewReplicas(t *testing.T) {
	o, _ := mini(t)
	waiting := o
	waiting.Replicas = 1
	e := vote("u-1", 1)
	_, _, err := open(t, waiting).PutEvent(t.Context(), e)
	wantAway(t, err)
	live, _, err := open(t, o).PutEvent(t.Context(), e)
	if err != nil || live.ID != e.ID {
		t.Fatal(live.ID, err)
	}
}

func TestDamagedBlob(t *testing.T) {
	o, m := mini(t)
	s := open(t, o)
	hash, err := s.PutBlob(t.Context(), []byte("weights"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set("plumb:blob:{"+hash+"}", "weighty"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blob(t.Context(), hash); chat.KindOf(err) != chat.Internal || err == nil {
		t.Fatal(err)
	}
}

// TestEraseLeavesNothing looks at the keys themselves.
func TestEraseLeavesNothing(t *testing.T) {
	o, m := mini(t)
	s := open(t, o)
	for _, user := range []string{"u-1", "u-2"} {
		if _, err := s.PutGeneration(t.Context(), feedback.Generation{ID: "chatcmpl-of-" + user, User: user}); err != nil {
			t.Fatal(err)
		}
		for i := range 450 { // more than one portion
			e := vote(user, float64(1-2*(i%2)))
			if _, _, err := s.PutEvent(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.PutEvent(t.Context(), vote(user, -1)); err != nil { // another name
			t.Fatal(err)
		}
	}
	gone, err := s.EraseUser(t.Context(), "u-1")
	if err != nil || gone.Events != 450 || gone.Generations != 1 || len(gone.IDs) != 451 {
		t.Fatalf("%d events, %d generations, %v", gone.Events, gone.Generations, err)
	}
	events, names := 0, 0
	for _, key := range m.Keys() {
		if strings.Contains(key, "u-1") {
			t.Errorf("%s is left", key)
		}
		if strings.Contains(key, ":event:") {
			events++
			if m.HGet(key, "user") != "u-2" {
				t.Errorf("%s is left", key)
			}
		}
		if strings.Contains(key, ":name:") {
			names++
		}
	}
	if events != 450 || names != 1 {
		t.Errorf("%d events and %d names are left", events, names)
	}
	c := goredis.NewClient(&goredis.Options{Addr: m.Addr()})
	defer c.Close()
	if n, err := c.XLen(t.Context(), "plumb:{log}:events").Result(); err != nil || n != 450 {
		t.Errorf("%d stream entries are left, %v", n, err)
	}
}

func TestCancelled(t *testing.T) {
	o, _ := mini(t)
	s := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.PutEvent(ctx, vote("u-1", 1)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
