// Package ollama draws from the models of an Ollama server through its native API, reads what it knows of them, and
// publishes trained ones. A [Client] satisfies the sampler's Generator without naming it.
//
// What Ollama does differently from what its API suggests, and how it is met here (all seen with v0.17.4):
//   - It has no n: a draw is n requests at once, each with its own seed. Each slot reads the prompt itself.
//   - num_predict 0 means unlimited, so it is never sent. A context that is full is shifted, and a prompt that is too
//     long is cut, both in silence: "shift" and "truncate" are sent as false, which makes the first end with reason
//     length and the second an error.
//   - Stop texts of a request replace the model's own, so the model's are sent along.
//   - A last assistant message is continued only if the model's template leaves it open. Where it does not, the server
//     renders the prompt and it is continued raw. See abilities.go.
//   - A stream that breaks ends like one that is complete, but for its last line: one without done is an error here.
//     Chats are therefore read by this package itself; the library's client ignores read errors and allocates 8 MiB for
//     each stream. It serves for everything else.
//   - Copying a model over a name in use is not atomic: published names are immutable. See publish.go.
package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ollama/ollama/api"
	"golang.org/x/sync/singleflight"

	"plumb/chat"
	"plumb/clients/upstream"
)

// Options configure a [Client]. Only URL is needed.
type Options struct {
	URL string // "http://127.0.0.1:11434"; the scheme may be left out

	// Threads is num_thread of every request; 0 leaves it to Ollama. Its threads spin while they wait for each other:
	// beside any other busy process 1 is many times faster than all cores.
	Threads   int
	Slots     int           // requests that the server truly runs at once (OLLAMA_NUM_PARALLEL); 0 if unknown
	Think     *bool         // whether models that can shall think first; nil is the model's own default
	KeepAlive time.Duration // how long a warmed model stays loaded when idle; 0 means 24 h, below 0 for ever

	// Set holds further Ollama options, sent with every request: {"num_ctx": 8192}, {"repeat_penalty": 1}. Those that
	// a draw states itself win over it.
	Set map[string]any

	CandidateTimeout time.Duration // bound of one continuation with its retries; 0 means 120 s
	Retries          int           // before the first byte only; 0 means 2, negative none
	Backoff          time.Duration // mean wait before the first retry; 0 means 100 ms
}

// metadataTimeout bounds requests that neither draw nor upload.
const metadataTimeout = 30 * time.Second

// Client talks to one Ollama server. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL
	http    *http.Client
	api     *api.Client
	policy  upstream.Policy
	known   known
	asking  singleflight.Group // models being found out, by name
}

// New makes a client; it connects to nothing yet.
func New(o Options) (*Client, error) {
	base, err := upstream.ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]int64{
		"threads": int64(o.Threads), "slots": int64(o.Slots), "candidate timeout": int64(o.CandidateTimeout), "backoff": int64(o.Backoff),
	} {
		if value < 0 {
			return nil, &chat.Error{Kind: chat.Invalid, Param: name, Msg: fmt.Sprintf("make ollama client: %s %d is below 0", name, value)}
		}
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 24 * time.Hour
	}
	client := upstream.NewHTTP()
	return &Client{
		options: o,
		base:    base,
		http:    client,
		api:     api.NewClient(base, client),
		policy:  upstream.Policy{Timeout: o.CandidateTimeout, Retries: o.Retries, Backoff: o.Backoff},
	}, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Continue draws one continuation of each prefix of d and calls each for every piece, never concurrently. A full reply
// comes as one piece unless d.Stream is set. Cancelling ctx closes every connection at once, which stops Ollama.
//
// Seeds outside [0, 2³¹−1) are folded into it, because the server keeps 32 bits only and takes −1 for "random".
// Messages that end with the assistant's are continued too, where the model's template leaves them open.
func (c *Client) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	if len(d.Prefixes) == 0 && len(d.Seeds) == 0 {
		return ctx.Err()
	}
	request, err := c.request(ctx, d)
	if err != nil {
		return err
	}
	doing := fmt.Sprintf("draw from model %q", d.Model)
	return c.policy.Continue(ctx, len(d.Prefixes), d.Stream, func(ctx context.Context, i int, r *upstream.Reply) (chat.Completion, error) {
		route, body := request.of(i)
		resp, err := c.post(ctx, route, body)
		if err != nil {
			return chat.Completion{}, upstream.Broken(doing, err)
		}
		defer upstream.Drain(resp.Body)
		if resp.StatusCode != http.StatusOK {
			return chat.Completion{}, upstream.StatusError(doing, resp)
		}
		done, err := readReply(r.Reading(resp.Body), d.Sampling.Logprobs, r.Say)
		return done, upstream.Broken(doing, err)
	}, each)
}

func (c *Client) post(ctx context.Context, route string, b body) (*http.Response, error) {
	encoded, err := json.Marshal(b)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "encode request", Cause: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(route).String(), bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.http.Do(req)
}

// failed turns an error of the library's client into one with a kind.
func failed(doing string, err error) error {
	var status api.StatusError
	var denied api.AuthorizationError
	switch {
	case errors.As(err, &status):
		return upstream.Status(doing, status.StatusCode, status.ErrorMessage)
	case errors.As(err, &denied):
		return upstream.Status(doing, denied.StatusCode, "")
	}
	return upstream.Broken(doing, err)
}
