package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plumb/chat"
)

// maxErrorBody bounds what is read of a failed request's reply.
const maxErrorBody = 64 << 10

// maxErrorText bounds what is repeated of it.
const maxErrorText = 500

// StatusError reads the body of a failed reply and says what it means. doing is what was attempted ("draw from model
// \"x\""). The body is not closed.
func StatusError(doing string, resp *http.Response) *chat.Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := Status(doing, resp.StatusCode, messageOf(body))
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return e
}

// Status is the error for an HTTP status ≥ 400 with the server's own message.
func Status(doing string, status int, message string) *chat.Error {
	if message == "" {
		message = http.StatusText(status)
	}
	return &chat.Error{
		Kind: kindOf(status),
		Msg:  fmt.Sprintf("%s: the upstream answered %d: %s", doing, status, clip(message)),
	}
}

// kindOf is the one table from an upstream's status to a kind. What is wrong with our key there is not the caller's
// fault: it counts as a failure of the upstream.
func kindOf(status int) chat.Kind {
	switch status {
	case http.StatusNotFound:
		return chat.NotFound
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return chat.Invalid
	case http.StatusRequestEntityTooLarge:
		return chat.TooLarge
	case http.StatusTooManyRequests:
		return chat.RateLimited
	case http.StatusServiceUnavailable:
		return chat.Unavailable
	case http.StatusConflict:
		return chat.Conflict
	}
	return chat.Upstream
}

// messageOf finds the message in {"error": "…"}, {"error": {"message": "…"}}, {"message": "…"}, {"detail": "…"} or
// plain text.
func messageOf(body []byte) string {
	var envelope struct {
		Error   json.RawMessage
		Message string
		Detail  json.RawMessage
	}
	if json.Unmarshal(body, &envelope) != nil {
		return strings.TrimSpace(strings.ToValidUTF8(string(body), "�"))
	}
	var text string
	var inner struct{ Message string }
	switch {
	case json.Unmarshal(envelope.Error, &text) == nil && text != "":
		return text
	case json.Unmarshal(envelope.Error, &inner) == nil && inner.Message != "":
		return inner.Message
	case envelope.Message != "":
		return envelope.Message
	case json.Unmarshal(envelope.Detail, &text) == nil:
		return text
	}
	return string(envelope.Detail)
}

func clip(s string) string {
	if len(s) > maxErrorText {
		return strings.ToValidUTF8(s[:maxErrorText], "") + " …"
	}
	return s
}

// retryAfter reads the header's number of seconds; a date or nonsense is 0.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 || seconds > 1e6 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Broken is the error for a request that failed without an answer or with one that makes no sense: no server is
// Unavailable, everything else Upstream. The end of a context and a [chat.Error] are returned as they are.
func Broken(doing string, err error) error {
	var known *chat.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case unreachable(err):
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": no connection to the upstream", Cause: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &chat.Error{Kind: chat.Upstream, Msg: doing + ": the upstream closed the connection in mid-reply", Cause: err}
	}
	return &chat.Error{Kind: chat.Upstream, Msg: doing + ": the upstream failed", Cause: err}
}

// unreachable says that no connection was made at all.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// passing says that the same request may succeed when sent again.
func passing(err error) bool {
	switch chat.KindOf(err) {
	case chat.Upstream, chat.Unavailable, chat.RateLimited:
		return true
	}
	return false
}

// ofTheWhole says that err would meet every continuation of a draw.
func ofTheWhole(err error) bool {
	switch chat.KindOf(err) {
	case chat.Invalid, chat.NotFound, chat.Unauthorized, chat.Forbidden, chat.TooLarge:
		return true
	case chat.Unavailable:
		return unreachable(err)
	}
	return false
}
