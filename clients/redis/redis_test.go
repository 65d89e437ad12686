package redis_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"plumb/clients/redis"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
	"plumb/offline/registry"
	"plumb/offline/registry/registrytest"
)

// realRedis names a Redis to test against beside the one in this process, as redis://127.0.0.1:6379/0.
const realRedis = "PLUMB_TEST_REDIS"

func open(t *testing.T, o redis.Options) *redis.Store {
	t.Helper()
	s, err := redis.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// own returns options for a part of the real Redis that this test has for itself.
func own(t *testing.T) redis.Options {
	t.Helper()
	url := os.Getenv(realRedis)
	if url == "" {
		t.Skipf("set %s=redis://host:port/db to test against a real Redis", realRedis)
	}
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("plumb-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	t.Cleanup(func() {
		c, ctx := goredis.NewClient(o), context.Background()
		defer c.Close()
		for it := c.Scan(ctx, 0, prefix+":*", 1000).Iterator(); it.Next(ctx); {
			c.Unlink(ctx, it.Val())
		}
	})
	return redis.Options{URL: url, Prefix: prefix, RequireAOF: true}
}

func mini(t *testing.T) (redis.Options, *miniredis.Miniredis) {
	m := miniredis.RunT(t)
	return redis.Options{URL: "redis://" + m.Addr()}, m
}

func TestLog(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		feedbacktest.TestLog(t, func(t *testing.T) feedback.Log { o, _ := mini(t); return open(t, o) })
	})
	t.Run("real", func(t *testing.T) {
		feedbacktest.TestLog(t, func(t *testing.T) feedback.Log { return open(t, own(t)) })
	})
}

func TestRegistry(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		registrytest.TestRegistry(t, func(t *testing.T) registry.Registry { o, _ := mini(t); return open(t, o) })
	})
	t.Run("real", func(t *testing.T) {
		registrytest.TestRegistry(t, func(t *testing.T) registry.Registry { return open(t, own(t)) })
	})
}

func TestLease(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		registrytest.TestLease(t, func(t *testing.T) registrytest.Place {
			o, m := mini(t)
			return registrytest.Place{Open: func(t *testing.T) registrytest.Leaser { return open(t, o) }, Advance: m.FastForward}
		})
	})
	t.Run("real", func(t *testing.T) {
		registrytest.TestLease(t, func(t *testing.T) registrytest.Place {
			o := own(t)
			return registrytest.Place{Open: func(t *testing.T) registrytest.Leaser { return open(t, o) }}
		})
	})
}
