package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/oklog/ulid/v2"

	"plumb/chat"
)

// trace is what one request leaves in the log and the metrics: no text, no user, no key, no path but the route's pattern.
type trace struct {
	id    string
	begun time.Time
	key   *key
	err   error
	chat  *chatTrace // of chat requests
}

const traceKey = "trace"

func traceOf(c *gin.Context) *trace { return c.MustGet(traceKey).(*trace) }

// observe gives every request its id, and writes it into the log and the metrics when it has ended.
func (s *Server) observe(c *gin.Context) {
	t := &trace{id: requestID(c.GetHeader("X-Request-Id")), begun: time.Now()}
	c.Set(traceKey, t)
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{}) // of the request before on this connection
	c.Header("X-Request-Id", t.id)
	c.Header("X-Content-Type-Options", "nosniff")
	s.metrics.inFlight.Inc()
	defer func() {
		s.metrics.inFlight.Dec()
		took := time.Since(t.begun)
		s.metrics.request(c.Request.Method, c.FullPath(), c.Writer.Status(), took)
		s.log(c, t, took)
	}()
	c.Next()
}

// requestID takes a caller's id where it is harmless in a log and a header, and else makes one.
func requestID(given string) string {
	const most = 128
	harmless := given != "" && len(given) <= most
	for i := 0; harmless && i < len(given); i++ {
		c := given[i]
		harmless = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:", c) >= 0
	}
	if harmless {
		return given
	}
	return "req-" + ulid.Make().String()
}

// recover turns a panic into a 500, or cuts the connection where an answer has begun.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		s.options.Logger.Error("panic", "request", traceOf(c).id, "route", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.metrics.panics.Inc()
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		s.fail(c, &chat.Error{Kind: chat.Internal, Msg: "panic"})
	}()
	c.Next()
}

// guard keeps web pages of other origins out, save those that the settings name: a page that somebody visits must not be
// able to talk to a server on that person's machine.
func (s *Server) guard() gin.HandlerFunc {
	cross := http.NewCrossOriginProtection()
	for _, origin := range s.options.Origins {
		_ = cross.AddTrustedOrigin(origin) // validated
	}
	return func(c *gin.Context) {
		host, _, err := net.SplitHostPort(c.Request.Host)
		if err != nil {
			host = c.Request.Host
		}
		if len(s.options.Hosts) > 0 && !slices.Contains(s.options.Hosts, strings.Trim(host, "[]")) {
			s.fail(c, &chat.Error{Kind: chat.Forbidden, Param: "Host", Msg: "Host: this server does not answer to " + quote(host)})
			return
		}
		if origin := c.GetHeader("Origin"); slices.Contains(s.options.Origins, origin) {
			c.Header("Access-Control-Allow-Origin", origin)
			c.Header("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, X-Plumb-Stored, X-Plumb-Warning")
			c.Header("Vary", "Origin")
			if c.Request.Method == http.MethodOptions {
				c.Header("Access-Control-Allow-Methods", "GET, POST, DELETE")
				c.Header("Access-Control-Allow-Headers", c.GetHeader("Access-Control-Request-Headers"))
				c.Header("Access-Control-Max-Age", "600")
				c.AbortWithStatus(http.StatusNoContent)
				return
			}
		}
		if err := cross.Check(c.Request); err != nil {
			s.fail(c, &chat.Error{Kind: chat.Forbidden, Param: "Origin", Msg: "Origin: requests from pages of this origin are not allowed"})
		}
	}
}

// allow lets a request pass whose key opens scope and has not used up its rate.
func (s *Server) allow(scope string) gin.HandlerFunc {
	return func(c *gin.Context) {
		t := traceOf(c)
		t.key = s.anybody()
		if len(s.keys) > 0 {
			var err error
			if t.key, err = s.keyOf(c.GetHeader("Authorization")); err != nil {
				s.fail(c, err)
				return
			}
		}
		if !t.key.opens(scope) {
			s.fail(c, &chat.Error{Kind: chat.Forbidden, Msg: "this API key has not the scope " + scope})
			return
		}
		if t.key.bucket == nil {
			return
		}
		left, wait := t.key.bucket.take(s.options.Now())
		c.Header("X-RateLimit-Limit-Requests", strconv.Itoa(int(t.key.bucket.perMinute)))
		c.Header("X-RateLimit-Remaining-Requests", strconv.Itoa(left))
		if wait > 0 {
			s.fail(c, &chat.Error{Kind: chat.RateLimited, RetryAfter: wait,
				Msg: fmt.Sprintf("this API key may send %.0f requests a minute", t.key.bucket.perMinute)})
		}
	}
}

// body reads the request's body, up to the limit. What is beyond it is read and thrown away within reason, for a client
// that is cut off while it sends does not get to see why.
func (s *Server) body(c *gin.Context) ([]byte, error) {
	limit := s.options.MaxBody
	deadline := http.NewResponseController(c.Writer)
	_ = deadline.SetReadDeadline(time.Now().Add(time.Minute)) // not every writer can; a server's can
	defer deadline.SetReadDeadline(time.Time{})
	var body []byte
	if n := c.Request.ContentLength; n > 0 && n <= min(limit, 64<<10) { // more is not set aside on a claim
		body = make([]byte, n)
		if _, err := io.ReadFull(c.Request.Body, body); err != nil {
			return nil, &chat.Error{Kind: chat.Invalid, Msg: "read body: it ended early or came too slowly", Cause: err}
		}
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, limit+1))
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "read body: it ended early or came too slowly", Cause: err}
	}
	if int64(len(body)) <= limit {
		return body, nil
	}
	const reason = 16 // times the limit
	_, _ = io.CopyN(io.Discard, c.Request.Body, reason*limit)
	return nil, &chat.Error{Kind: chat.TooLarge, Msg: fmt.Sprintf("read body: more than %d bytes", limit)}
}
