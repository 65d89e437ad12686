package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// chatTrace is what is logged of a chat request.
type chatTrace struct {
	model     string // as resolved
	mode      string // plain, buffered or pass
	method    string
	drawn     int
	failed    int
	tokens    int
	discarded int
	reward    *float64
	stored    string
	waited    time.Duration
}

// log writes the one line of a request. It holds nothing that a caller wrote.
func (s *Server) log(c *gin.Context, t *trace, took time.Duration) {
	level := slog.LevelInfo
	route := c.FullPath()
	switch {
	case c.Writer.Status() >= http.StatusInternalServerError:
		level = slog.LevelError
	case route == "/healthz", route == "/readyz", route == "/metrics":
		level = slog.LevelDebug
	}
	ctx := context.WithoutCancel(c.Request.Context())
	if !s.options.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("request", t.id), slog.String("method", c.Request.Method), slog.String("route", route),
		slog.Int("status", c.Writer.Status()), slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int("bytes", c.Writer.Size()))
	if t.key != nil && t.key.name != "" {
		attrs = append(attrs, slog.String("key", t.key.name))
	}
	if t.err != nil {
		attrs = append(attrs, errorAttrs(t.err)...)
	}
	if t.chat != nil {
		attrs = append(attrs, t.chat.attrs()...)
	}
	s.options.Logger.LogAttrs(ctx, level, "request", attrs...)
}

// errorAttrs logs an error without what the caller sent: bad input by its kind alone, for even the path of a field can be
// the caller's own words; everything else by its cause.
func errorAttrs(err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("kind", chat.KindOf(err).String())}
	var e *chat.Error
	if !errors.As(err, &e) {
		return append(attrs, slog.String("error", err.Error()))
	}
	switch e.Kind {
	case chat.Internal, chat.Unavailable, chat.Upstream, chat.Timeout:
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	return attrs
}

func (t *chatTrace) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("model", t.model), slog.String("mode", t.mode), slog.Float64("waited_ms", float64(t.waited.Microseconds())/1000)}
	if t.method == "" {
		return attrs // nothing was drawn
	}
	attrs = append(attrs, slog.String("sampler", t.method), slog.Int("drawn", t.drawn), slog.Int("failed", t.failed),
		slog.Int("tokens", t.tokens), slog.Int("discarded", t.discarded), slog.String("stored", t.stored))
	if t.reward != nil {
		attrs = append(attrs, slog.Float64("reward", *t.reward))
	}
	return attrs
}
