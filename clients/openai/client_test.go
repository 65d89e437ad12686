package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumb/chat"
	"plumb/clients/upstreamtest"
	"plumb/sampler/samplertest"
)

const tiny = upstreamtest.DefaultModel

// fake starts a server and a client of it that retries without waiting long.
func fake(t *testing.T, o Options, models ...upstreamtest.Model) (*upstreamtest.Server, *Client) {
	t.Helper()
	s := upstreamtest.NewOpenAI(models...)
	t.Cleanup(s.Close)
	o.URL, o.Backoff = s.URL, time.Millisecond
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return s, c
}

func ask(n int) chat.Draw {
	d := chat.Draw{Model: tiny, Messages: []chat.Message{{Role: chat.User, Content: "What is a plumb line?"}},
		Prefixes: make([]string, n), Seeds: make([]int64, n), MaxTokens: 20}
	for i := range n {
		d.Seeds[i] = int64(i + 1)
	}
	return d
}

func TestGenerator(t *testing.T) {
	for name, o := range map[string]Options{
		"plain":           {},
		"continues":       {ContinueFinal: true, MaxCompletionTokens: true},
		"knows less":      {NoSeed: true, NoLogprobs: true, NoTools: true},
		"behind a key":    {Key: "sk-very-secret"},
		"with four slots": {Slots: 4},
	} {
		t.Run(name, func(t *testing.T) {
			samplertest.TestGenerator(t, func(t *testing.T) samplertest.Subject {
				s, c := fake(t, o)
				s.RequireKey(o.Key)
				var first atomic.Int64
				return samplertest.Subject{Generator: c, Model: tiny, Running: s.Active, FailOne: func() {
					s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
						// Without seeds the candidates look alike: the first request and its retries fail.
						if r.Seed == 2 || o.NoSeed && first.Add(1) == 1 {
							return upstreamtest.Reply{Status: http.StatusInternalServerError, Fault: upstreamtest.Cut}
						}
						return upstreamtest.Reply{}
					})
					if o.NoSeed {
						c.policy.Retries = -1
					}
				}}
			})
		})
	}
}

// Ollama speaks OpenAI's protocol too, its own way:
//
//	PLUMB_TEST_OLLAMA=http://127.0.0.1:11434 go test -run Live ./clients/openai
func TestLiveGenerator(t *testing.T) {
	url := os.Getenv("PLUMB_TEST_OLLAMA")
	if url == "" {
		t.Skip("PLUMB_TEST_OLLAMA is not set")
	}
	c, err := New(Options{URL: url, CandidateTimeout: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	samplertest.TestGenerator(t, func(t *testing.T) samplertest.Subject {
		return samplertest.Subject{Generator: c, Model: "smollm2:135m"}
	})
}

// last is the last piece of a draw of one.
func last(t *testing.T, c *Client, d chat.Draw) (last chat.Piece, err error) {
	t.Helper()
	err = c.Continue(t.Context(), d, func(p chat.Piece) { last = p })
	return last, err
}

func TestFaults(t *testing.T) {
	type reply = upstreamtest.Reply
	for _, test := range []struct {
		name    string
		reply   reply
		kind    chat.Kind
		retries int // of a request that never succeeds
		says    string
	}{
		{"500", reply{Status: 500}, chat.Upstream, 2, "Internal Server Error"},
		{"502 with a page", reply{Status: 502, Body: "<html>Bad Gateway</html>"}, chat.Upstream, 2, "Bad Gateway"},
		{"503", reply{Status: 503, Body: `{"message":"warming up"}`}, chat.Unavailable, 2, "warming up"},
		{"429", reply{Status: 429}, chat.RateLimited, 2, ""},
		{"400", reply{Status: 400, Body: `{"detail":"bad top_k"}`}, chat.Invalid, 0, "bad top_k"},
		{"401", reply{Status: 401}, chat.Upstream, 2, "Unauthorized"},
		{"connection closed at once", reply{Fault: upstreamtest.Cut}, chat.Upstream, 2, "closed the connection"},
		{"empty reply", reply{Fault: upstreamtest.Truncate}, chat.Upstream, 2, ""},
		{"cut in the middle", reply{Fault: upstreamtest.Cut, After: 3}, chat.Upstream, 0, "closed the connection"},
		{"ended in the middle", reply{Fault: upstreamtest.Truncate, After: 3}, chat.Upstream, 0, ""},
		{"garbage at once", reply{Fault: upstreamtest.Garbage}, chat.Upstream, 0, ""},
		{"garbage in the middle", reply{Fault: upstreamtest.Garbage, After: 2}, chat.Upstream, 0, ""},
		{"error in the middle", reply{Fault: upstreamtest.Error, After: 2}, chat.Upstream, 0, ""},
		{"filtered", reply{Finish: "content_filter"}, chat.Upstream, 0, "content_filter"},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", test.name, stream), func(t *testing.T) {
				s, c := fake(t, Options{})
				s.Script(func(upstreamtest.Request) reply { return test.reply })
				d := ask(1)
				d.Stream = stream
				p, err := last(t, c, d)
				if err == nil {
					err = p.Err
				}
				if p.Done != nil || chat.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %+v, error %v of kind %v; want %v saying %q", p.Done, err, chat.KindOf(err), test.kind, test.says)
				}
				if got := len(s.Requests()) - 1; got != test.retries {
					t.Errorf("%d retries, want %d", got, test.retries)
				}
			})
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	s, c := fake(t, Options{})
	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
		if r.Nth == 0 {
			return upstreamtest.Reply{Status: 429, RetryIn: "1"}
		}
		return upstreamtest.Reply{}
	})
	start := time.Now()
	if p, err := last(t, c, ask(1)); err != nil || p.Done == nil || p.Retries != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if d := time.Since(start); d < time.Second {
		t.Errorf("asked again after %v", d)
	}
}

func TestUnreachable(t *testing.T) {
	c, err := New(Options{URL: upstreamtest.Nobody(), Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Continue(t.Context(), ask(3), func(p chat.Piece) { t.Errorf("piece %+v", p) })
	if chat.KindOf(err) != chat.Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestCancelStopsTheServer(t *testing.T) {
	s, c := fake(t, Options{})
	var started atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Script(func(upstreamtest.Request) upstreamtest.Reply {
		if started.Add(1) == 8 {
			cancel()
		}
		return upstreamtest.Reply{Fault: upstreamtest.Endless}
	})
	d := ask(8)
	d.Stream = true
	if err := c.Continue(ctx, d, func(chat.Piece) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for deadline := time.Now().Add(30 * time.Second); s.Active() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests still run", s.Active())
		}
	}
}

func TestRequestSaysWhatWasAsked(t *testing.T) {
	s, c := fake(t, Options{ContinueFinal: true, MaxCompletionTokens: true})
	d := ask(2)
	d.Seeds = []int64{-1, 1 << 40}
	d.Prefixes[1] = "It is"
	half, forty := 0.5, 40
	d.Sampling = chat.Sampling{Temperature: &half, TopP: &half, MinP: &half, TopK: &forty, PresencePenalty: &half, FrequencyPenalty: &half,
		Stop: []string{"STOP"}, ResponseFormat: []byte(`{"type":"json_object"}`), ToolChoice: []byte(`"required"`),
		Tools: []byte(`[{"type":"function","function":{"name":"f"}}]`)}
	if err := c.Continue(t.Context(), d, func(chat.Piece) {}); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests() {
		if r.Seed < 0 || r.Seed >= 1<<31-1 {
			t.Errorf("seed %d went out", r.Seed)
		}
		for _, want := range []string{`"max_completion_tokens":20`, `"temperature":0.5`, `"top_p":0.5`, `"min_p":0.5`, `"top_k":40`,
			`"presence_penalty":0.5`, `"frequency_penalty":0.5`, `"stop":["STOP"]`, `"response_format":{"type":"json_object"}`,
			`"tool_choice":"required"`, `"tools":[{`} {
			if !strings.Contains(string(r.Body), want) {
				t.Errorf("the body lacks %s: %s", want, r.Body)
			}
		}
		for _, unwanted := range []string{`"max_tokens"`, `"n":`} {
			if strings.Contains(string(r.Body), unwanted) {
				t.Errorf("the body has %s: %s", unwanted, r.Body)
			}
		}
		if continues := strings.Contains(string(r.Body), `"continue_final_message":true,"add_generation_prompt":false`); continues != (len(r.Messages) == 2) {
			t.Errorf("continue_final_message is %v with %d messages", continues, len(r.Messages))
		}
	}
}

func TestInvalidDraws(t *testing.T) {
	s, c := fake(t, Options{NoTools: true, NoLogprobs: true})
	for name, change := range map[string]func(*chat.Draw){
		"model":      func(d *chat.Draw) { d.Model = "" },
		"seeds":      func(d *chat.Draw) { d.Seeds = nil },
		"max_tokens": func(d *chat.Draw) { d.MaxTokens = -1 },
		"prefixes":   func(d *chat.Draw) { d.Prefixes[1] = "It is" },
		"logprobs":   func(d *chat.Draw) { d.Sampling.Logprobs = true },
		"tools":      func(d *chat.Draw) { d.Sampling.Tools = []byte(`[{}]`) },
	} {
		t.Run(name, func(t *testing.T) {
			d := ask(2)
			change(&d)
			err := c.Continue(t.Context(), d, func(p chat.Piece) { t.Errorf("piece %+v", p) })
			var e *chat.Error
			if !errors.As(err, &e) || e.Kind != chat.Invalid || e.Param != name {
				t.Errorf("error %#v", err)
			}
		})
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests went out", n)
	}
}

func TestToolCalls(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s, c := fake(t, Options{})
		s.Script(func(upstreamtest.Request) upstreamtest.Reply {
			return upstreamtest.Reply{Tokens: []string{}, ToolCalls: []upstreamtest.Call{
				{Name: "weather", Arguments: `{"city":"Ulm"}`}, {Name: "time", Arguments: `{}`}}}
		})
		d := ask(1)
		d.Stream = stream
		p, err := last(t, c, d)
		if err != nil || p.Done == nil {
			t.Fatal(p, err)
		}
		calls := string(p.Done.ToolCalls)
		for _, want := range []string{`"id":"call_0"`, `"name":"weather"`, `"arguments":"{\"city\":\"Ulm\"}"`, `"id":"call_1"`, `"arguments":"{}"`} {
			if !strings.Contains(calls, want) {
				t.Errorf("stream %v: calls lack %s: %s", stream, want, calls)
			}
		}
		if p.Done.Finish != chat.FinishToolCalls {
			t.Errorf("finish %s", p.Done.Finish)
		}
	}
}

func TestWrongKeyIsNotRepeated(t *testing.T) {
	s, c := fake(t, Options{Key: "sk-very-secret"})
	s.RequireKey("another")
	p, err := last(t, c, ask(1))
	_, listing := c.Models(t.Context())
	for _, err := range []error{err, p.Err, listing} {
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	if chat.KindOf(listing) != chat.Upstream || chat.KindOf(p.Err) != chat.Upstream {
		t.Errorf("errors %v and %v", p.Err, listing)
	}
}

func TestModelsAndEmbeddings(t *testing.T) {
	_, c := fake(t, Options{}, upstreamtest.Model{Name: "a"}, upstreamtest.Model{Name: "b"})
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 2 || models[1].Name != "b" || models[1].Created == 0 {
		t.Errorf("%v %v", models, err)
	}
	rows, err := c.Embeddings(t.Context(), "a", []string{"x", "y", "x"})
	if err != nil || len(rows) != 3 || rows[0][0] != rows[2][0] || rows[0][0] == rows[1][0] {
		t.Errorf("%v %v", rows, err)
	}
	if _, err := c.Embeddings(t.Context(), "nobody", []string{"x"}); chat.KindOf(err) != chat.NotFound {
		t.Errorf("nobody: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:1":                "http://h:1/v1",
		"h:1/":                      "http://h:1/v1",
		"http://h:1/v1/":            "http://h:1/v1",
		"https://h/proxy/openai/v3": "https://h/proxy/openai/v3",
	} {
		c, err := New(Options{URL: in})
		if err != nil || c.base.String() != want {
			t.Errorf("New(%q): %v, %v; want %s", in, c.base, err, want)
		}
	}
	for _, o := range []Options{{}, {URL: "file:///etc"}, {URL: "http://h", Slots: -1}, {URL: "http://user:hush@[broken"}} {
		if _, err := New(o); chat.KindOf(err) != chat.Invalid || strings.Contains(err.Error(), "hush") {
			t.Errorf("New(%+v): %v", o, err)
		}
	}
}
