package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plumb/chat"
)

const (
	// MaxReply bounds the body of any reply, in bytes.
	MaxReply = 256 << 20
	// MaxLine bounds one line of a streamed reply, in bytes.
	MaxLine = 8 << 20

	connectTimeout = 5 * time.Second
	idleTimeout    = 90 * time.Second
	idlePerHost    = 256 // the largest n, several times over
)

// NewHTTP is a client for one upstream: it gives up connecting after 5 s, keeps up to 256 connections warm, reads at most
// [MaxReply] bytes of a reply, and sends prompts nowhere else: it follows neither redirects nor a proxy from the
// environment. It has no time limit of its own: contexts have.
func NewHTTP() *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{CheckRedirect: stay, Transport: bounded{&http.Transport{
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: connectTimeout,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
	}}}
}

// ParseURL reads the address of an upstream. A missing scheme is http; the path is kept without its last slash.
func ParseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err == nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		err = errors.New("want http://host:port or https://host")
	}
	if err != nil {
		// url.Error repeats the address, which may hold a password.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, &chat.Error{Kind: chat.Invalid, Param: "upstream", Msg: "read upstream address", Cause: err}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// OpenAIRoot completes the address of an OpenAI-compatible server: without a path it is that of "/v1".
func OpenAIRoot(u *url.URL) *url.URL {
	if u.Path == "" {
		return u.JoinPath("/v1")
	}
	return u
}

// bounded ends replies that are too long with an error.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: MaxReply}
	}
	return resp, err
}

func (b bounded) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the reply is longer than %d bytes", MaxReply)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
