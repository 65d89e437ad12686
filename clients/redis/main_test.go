package redis_test

import (
	"log/slog"
	"os"
	"testing"

	"plumb/clients/redis"
)

func TestMain(m *testing.M) {
	redis.LogTo(slog.New(slog.DiscardHandler)) // servers that are away are what many tests are about
	os.Exit(m.Run())
}
