package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// statusGone is logged for requests whose client left; nobody reads it.
const statusGone = 499

// statuses is the one table of error kinds: their HTTP status and the type in OpenAI's envelope. The envelope's code is
// the kind's own name.
var statuses = map[chat.Kind]struct {
	status int
	typ    string
}{
	chat.Internal:     {http.StatusInternalServerError, "server_error"},
	chat.Invalid:      {http.StatusBadRequest, "invalid_request_error"},
	chat.Unauthorized: {http.StatusUnauthorized, "authentication_error"},
	chat.Forbidden:    {http.StatusForbidden, "permission_error"},
	chat.NotFound:     {http.StatusNotFound, "invalid_request_error"},
	chat.Conflict:     {http.StatusConflict, "invalid_request_error"},
	chat.TooLarge:     {http.StatusRequestEntityTooLarge, "invalid_request_error"},
	chat.RateLimited:  {http.StatusTooManyRequests, "rate_limit_error"},
	chat.Unavailable:  {http.StatusServiceUnavailable, "server_error"},
	chat.Upstream:     {http.StatusBadGateway, "upstream_error"},
	chat.Timeout:      {http.StatusGatewayTimeout, "timeout_error"},
}

// envelopeOf returns the status and OpenAI's envelope for err. What is not a [chat.Error] is a fault of ours: its text
// stays in the log, and the caller gets the request's id to ask about.
func envelopeOf(err error, requestID string) (int, wireError) {
	var e *chat.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled):
		return statusGone, wireError{}
	case errors.Is(err, context.DeadlineExceeded):
		e = &chat.Error{Kind: chat.Timeout, Msg: "answer request: the deadline passed with nothing drawn"}
	default:
		e = &chat.Error{Kind: chat.Internal}
	}
	row, ok := statuses[e.Kind]
	if !ok {
		row = statuses[chat.Internal]
	}
	body := wireErrorBody{Message: e.Msg, Type: row.typ, Code: e.Kind.String()}
	if row.status == http.StatusInternalServerError {
		body.Message = "internal error: the log has it under request id " + requestID
	}
	if e.Param != "" {
		body.Param = &e.Param
	}
	return row.status, wireError{Error: body}
}

// fail answers with err, or does nothing where an answer has begun. It is the only place that turns errors into
// responses, except for streams that have begun.
func (s *Server) fail(c *gin.Context, err error) {
	t := traceOf(c)
	if ctx := c.Request.Context(); ctx.Err() != nil {
		err = context.Cause(ctx) // whatever failed, failed because of this
	}
	t.err = err
	c.Abort()
	if c.Writer.Written() {
		return
	}
	status, body := envelopeOf(err, t.id)
	var e *chat.Error
	if errors.As(err, &e) {
		switch {
		case e.Kind == chat.Unauthorized:
			c.Header("WWW-Authenticate", "Bearer")
		case e.RetryAfter > 0:
			c.Header("Retry-After", seconds(e.RetryAfter))
		case e.Kind == chat.RateLimited:
			c.Header("Retry-After", "1")
		}
	}
	if status == statusGone {
		c.Status(status)
		return
	}
	reply(c, status, body)
}

// seconds rounds d up to whole seconds, at least 1, as Retry-After wants them.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// invalid makes the error for bad input: param is its path, and the message names it, what it was and what is allowed.
func invalid(param, format string, args ...any) *chat.Error {
	return &chat.Error{Kind: chat.Invalid, Param: param, Msg: param + ": " + fmt.Sprintf(format, args...)}
}

// quote quotes a value for a message and cuts it where it is long.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
