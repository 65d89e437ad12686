package redis

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what the client library has to say of its own, such as failed dials, to l at level debug. The library has
// one logger for the whole process and writes to standard error where LogTo is not called; call it before Open.
func LogTo(l *slog.Logger) { redis.SetLogger(logger{l}) }

type logger struct{ *slog.Logger }

// Printf implements the library's interface.
func (l logger) Printf(ctx context.Context, format string, args ...any) {
	if l.Enabled(ctx, slog.LevelDebug) {
		l.DebugContext(ctx, fmt.Sprintf(format, args...))
	}
}
