// Package openai draws from any server that speaks OpenAI's chat completions: vLLM, llama.cpp, a cluster behind Ray Serve
// or KServe, or OpenAI itself. A [Client] satisfies the sampler's Generator without naming it.
//
// Servers differ in what they do with the less common fields, so as little as possible is left to them. Each candidate
// is a request of its own with a seed of its own: many servers answer n = 4 with one choice and status 200. A stream
// that ends with neither a finish_reason nor [DONE] broke, and is an error. What a server refuses comes back with its
// own words; what it ignores in silence cannot be seen from here, and is told by [Options] instead.
package openai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/singleflight"

	"plumb/chat"
	"plumb/clients/upstream"
)

// Options configure a [Client]. Only URL is needed.
type Options struct {
	// URL is the address without "/chat/completions": "https://api.openai.com/v1", or "http://gpu7:8000", to which "/v1"
	// is added because it has no path.
	URL string
	Key string // sent as a bearer token; "" sends none. Never part of an error or a log.

	// ContinueFinal says that the server continues a last assistant message if asked by continue_final_message, as vLLM
	// and SGLang do. Without it prefixes are refused.
	ContinueFinal bool
	// MaxCompletionTokens sends the bound under that name, which OpenAI's reasoning models insist on, and not as
	// max_tokens, which every other server knows.
	MaxCompletionTokens bool
	NoSeed              bool // the server does not take seeds, or gives different text for the same one
	NoLogprobs          bool // the server does not tell log-probs
	NoTools             bool // the server does not call tools
	Slots               int  // requests that the server truly runs at once; 0 if unknown

	CandidateTimeout time.Duration // bound of one continuation with its retries; 0 means 120 s
	Retries          int           // before the first byte only; 0 means 2, negative none
	Backoff          time.Duration // mean wait before the first retry; 0 means 100 ms
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL
	http    *http.Client
	policy  upstream.Policy
	listed  listed
	asking  singleflight.Group
}

// New makes a client; it connects to nothing yet.
func New(o Options) (*Client, error) {
	base, err := upstream.ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Slots < 0 || o.CandidateTimeout < 0 || o.Backoff < 0 {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf(
			"make openai client: slots %d, candidate timeout %v and backoff %v must not be below 0", o.Slots, o.CandidateTimeout, o.Backoff)}
	}
	return &Client{
		options: o,
		base:    upstream.OpenAIRoot(base),
		http:    upstream.NewHTTP(),
		policy:  upstream.Policy{Timeout: o.CandidateTimeout, Retries: o.Retries, Backoff: o.Backoff},
	}, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Continue draws one continuation of each prefix of d and calls each for every piece, never concurrently. A full reply
// comes as one piece unless d.Stream is set. Cancelling ctx closes every connection at once.
//
// Seeds outside [0, 2³¹−1) are folded into it. Without MaxTokens none is sent: the server's own bound holds. Token
// counts are the server's; one that sends none with a stream has its pieces counted, and its prompt as 0.
func (c *Client) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	if len(d.Prefixes) == 0 && len(d.Seeds) == 0 {
		return ctx.Err()
	}
	if err := c.check(d); err != nil {
		return err
	}
	doing := fmt.Sprintf("draw from model %q", d.Model)
	return c.policy.Continue(ctx, len(d.Prefixes), d.Stream, func(ctx context.Context, i int, r *upstream.Reply) (chat.Completion, error) {
		resp, err := c.post(ctx, "/chat/completions", c.body(d, i))
		if err != nil {
			return chat.Completion{}, upstream.Broken(doing, err)
		}
		defer upstream.Drain(resp.Body)
		if resp.StatusCode != http.StatusOK {
			return chat.Completion{}, upstream.StatusError(doing, resp)
		}
		read := readStream
		if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !d.Stream || kind == "application/json" {
			read = readWhole // some servers do not stream when asked to
		}
		done, err := read(r.Reading(resp.Body), r.Say)
		if err == nil && d.Sampling.Logprobs && len(done.Logprobs) == 0 && done.Text != "" {
			err = fmt.Errorf("the reply has no log-probs")
		}
		return done, upstream.Broken(doing, err)
	}, each)
}

// patience bounds a request that may load a model.
func (c *Client) patience() time.Duration { return cmp.Or(c.options.CandidateTimeout, 120*time.Second) }

func (c *Client) post(ctx context.Context, route string, body any) (*http.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "encode request", Cause: err}
	}
	return c.send(ctx, http.MethodPost, route, encoded)
}

func (c *Client) send(ctx context.Context, method, route string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(route).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.options.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	return c.http.Do(req)
}
