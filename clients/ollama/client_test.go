package ollama

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
func fake(t *testing.T, models ...upstreamtest.Model) (*upstreamtest.Server, *Client) {
	t.Helper()
	s := upstreamtest.NewOllama(models...)
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL, Backoff: time.Millisecond})
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

// failOne makes the next request with seed 2 fail, however often it is sent.
func failOne(s *upstreamtest.Server) {
	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
		if r.Seed == 2 {
			return upstreamtest.Reply{Status: http.StatusInternalServerError}
		}
		return upstreamtest.Reply{}
	})
}

func TestGenerator(t *testing.T) {
	for name, model := range map[string]upstreamtest.Model{
		"open template":   {Name: tiny, System: "You are a test."},
		"closed template": {Name: tiny, Closes: true},
	} {
		t.Run(name, func(t *testing.T) {
			samplertest.TestGenerator(t, func(t *testing.T) samplertest.Subject {
				s, c := fake(t, model)
				return samplertest.Subject{Generator: c, Model: tiny, Running: s.Active, FailOne: func() { failOne(s) }}
			})
		})
	}
}

// Without a real server's help these tests would not know that the fake is like it.
func TestLiveGenerator(t *testing.T) {
	c := live(t)
	samplertest.TestGenerator(t, func(t *testing.T) samplertest.Subject {
		return samplertest.Subject{Generator: c, Model: liveModel}
	})
}

// last is the last piece of a draw of one.
func last(t *testing.T, c *Client, d chat.Draw) (last chat.Piece, text string, err error) {
	t.Helper()
	err = c.Continue(t.Context(), d, func(p chat.Piece) { last, text = p, text+p.Text })
	return last, text, err
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
		{"503", reply{Status: 503, Body: `{"error":"server busy"}`}, chat.Unavailable, 2, "server busy"},
		{"429", reply{Status: 429}, chat.RateLimited, 2, ""},
		{"413", reply{Status: 413}, chat.TooLarge, 0, ""},
		{"redirect", reply{Status: 307}, chat.Upstream, 2, ""},
		{"connection closed at once", reply{Fault: upstreamtest.Cut}, chat.Upstream, 2, "closed the connection"},
		{"empty reply", reply{Fault: upstreamtest.Truncate}, chat.Upstream, 2, ""},
		{"cut in the middle", reply{Fault: upstreamtest.Cut, After: 3}, chat.Upstream, 0, "closed the connection"},
		{"ended in the middle", reply{Fault: upstreamtest.Truncate, After: 3}, chat.Upstream, 0, ""},
		{"garbage at once", reply{Fault: upstreamtest.Garbage}, chat.Upstream, 0, "invalid character"},
		{"garbage in the middle", reply{Fault: upstreamtest.Garbage, After: 2}, chat.Upstream, 0, ""},
		{"error in the middle", reply{Fault: upstreamtest.Error, After: 2}, chat.Upstream, 0, "the runner died"},
		{"model unloaded", reply{Finish: "unload"}, chat.Upstream, 0, "unload"},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", test.name, stream), func(t *testing.T) {
				s, c := fake(t)
				s.Script(func(upstreamtest.Request) reply { return test.reply })
				d := ask(1)
				d.Stream = stream
				p, _, err := last(t, c, d)
				if err == nil {
					err = p.Err
				}
				if p.Done != nil || chat.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %+v, error %v of kind %v; want %v saying %q", p.Done, err, chat.KindOf(err), test.kind, test.says)
				}
				if got := len(s.Requests()) - 1; got != test.retries {
					t.Errorf("%d retries, want %d", got, test.retries)
				}
				if p.Err != nil && p.Retries != test.retries {
					t.Errorf("the piece tells of %d retries, want %d", p.Retries, test.retries)
				}
			})
		}
	}
}

func TestRetrySucceeds(t *testing.T) {
	s, c := fake(t)
	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
		return [...]upstreamtest.Reply{{Status: 500}, {Fault: upstreamtest.Cut}, {}}[r.Nth]
	})
	p, _, err := last(t, c, ask(1))
	if err != nil || p.Done == nil || p.Retries != 2 || p.Done.Text == "" {
		t.Errorf("got %+v, %v", p, err)
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
	if _, err := c.Abilities(t.Context(), tiny); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("abilities: %v", err)
	}
}

// A model that is deleted while its candidates are drawn takes the rest with it, but not what is there.
func TestNotFoundEndsTheDrawOnce(t *testing.T) {
	s, c := fake(t)
	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
		if r.Seed == 1 {
			return upstreamtest.Reply{Status: 404, Body: `{"error":"model 'tiny' not found"}`}
		}
		return upstreamtest.Reply{Fault: upstreamtest.Hang}
	})
	err := c.Continue(t.Context(), ask(4), func(p chat.Piece) { t.Errorf("piece %+v", p) })
	if chat.KindOf(err) != chat.NotFound || !strings.Contains(err.Error(), tiny) {
		t.Errorf("error %v", err)
	}
	idle(t, s)
}

// idle waits until the server works on nothing.
func idle(t *testing.T, s *upstreamtest.Server) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.Active() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests still run", s.Active())
		}
	}
}

func TestCancelStopsTheServer(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{"hanging": upstreamtest.Hang, "endless": upstreamtest.Endless} {
		t.Run(name, func(t *testing.T) {
			s, c := fake(t)
			var started atomic.Int32
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.Script(func(upstreamtest.Request) upstreamtest.Reply {
				if started.Add(1) == 8 {
					cancel()
				}
				return upstreamtest.Reply{Fault: fault}
			})
			d := ask(8)
			d.Stream = true
			if err := c.Continue(ctx, d, func(chat.Piece) {}); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			idle(t, s)
			if s.Left() != 8 {
				t.Errorf("the server saw %d clients leave, want 8", s.Left())
			}
		})
	}
}

func TestCandidateTimeout(t *testing.T) {
	s, _ := fake(t)
	c, err := New(Options{URL: s.URL, CandidateTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
		if r.Seed == 2 {
			return upstreamtest.Reply{Fault: upstreamtest.Hang}
		}
		return upstreamtest.Reply{Tokens: []string{"in", " time"}}
	})
	pieces := make([]chat.Piece, 2)
	if err := c.Continue(t.Context(), ask(2), func(p chat.Piece) { pieces[p.Index] = p }); err != nil {
		t.Fatal(err)
	}
	if chat.KindOf(pieces[1].Err) != chat.Timeout || pieces[1].Retries != 0 {
		t.Errorf("the hanging one: %+v", pieces[1])
	}
	idle(t, s)
}

func TestRequestSaysWhatWasAsked(t *testing.T) {
	s, c := fake(t, upstreamtest.Model{Name: tiny, Stop: []string{"<|im_end|>"}, Context: 300})
	c.options.Threads, c.options.Set = 3, map[string]any{"repeat_penalty": 1.0, "num_predict": 7}
	d := ask(2)
	d.MaxTokens = 0
	d.Seeds = []int64{-1, 1 << 40}
	half, forty := 0.5, 40
	d.Sampling = chat.Sampling{Temperature: &half, TopP: &half, MinP: &half, TopK: &forty, PresencePenalty: &half, FrequencyPenalty: &half,
		Stop: []string{"STOP"}, ResponseFormat: []byte(`{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}`),
		Tools: []byte(`[{"type":"function","function":{"name":"f","parameters":{"x-unknown":1}}}]`), ToolChoice: []byte(`"auto"`)}
	d.Messages = append(d.Messages, chat.Message{Role: chat.Assistant, ToolCalls: []byte(`[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}}]`)},
		chat.Message{Role: chat.Tool, Name: "f", ToolCallID: "a", Content: "3"})
	if err := c.Continue(t.Context(), d, func(chat.Piece) {}); err != nil {
		t.Fatal(err)
	}
	seeds := map[int64]bool{}
	for _, r := range s.Requests() {
		seeds[r.Seed] = true
		if r.Seed < 0 || r.Seed >= 1<<31-1 {
			t.Errorf("seed %d went out", r.Seed)
		}
		for _, want := range []string{`"num_predict":300`, `"num_thread":3`, `"repeat_penalty":1`, `"stop":["STOP","\u003c|im_end|\u003e"]`,
			`"format":{"type":"object"}`, `"x-unknown":1`, `"temperature":0.5`, `"top_p":0.5`, `"min_p":0.5`, `"top_k":40`,
			`"presence_penalty":0.5`, `"frequency_penalty":0.5`, `"truncate":false`, `"shift":false`, `"stream":false`,
			`"arguments":{"z":1,"a":2}`, `"tool_name":"f"`, `"tool_call_id":"a"`} {
			if !strings.Contains(string(r.Body), want) {
				t.Errorf("the body lacks %s: %s", want, r.Body)
			}
		}
	}
	if len(seeds) != 2 {
		t.Errorf("seeds %v", seeds)
	}
}

func TestInvalidDraws(t *testing.T) {
	s, c := fake(t)
	for name, change := range map[string]func(*chat.Draw){
		"model":                func(d *chat.Draw) { d.Model = "" },
		"messages":             func(d *chat.Draw) { d.Messages = nil },
		"seeds":                func(d *chat.Draw) { d.Seeds = nil },
		"max_tokens":           func(d *chat.Draw) { d.MaxTokens = -1 },
		"top_logprobs":         func(d *chat.Draw) { d.Sampling.TopLogprobs = 21 },
		"tool_choice":          func(d *chat.Draw) { d.Sampling.ToolChoice = []byte(`"required"`) },
		"tools":                func(d *chat.Draw) { d.Sampling.Tools = []byte(`{}`) },
		"response_format":      func(d *chat.Draw) { d.Sampling.ResponseFormat = []byte(`7`) },
		"response_format.type": func(d *chat.Draw) { d.Sampling.ResponseFormat = []byte(`{"type":"xml"}`) },
		"response_format.json_schema.schema": func(d *chat.Draw) {
			d.Sampling.ResponseFormat = []byte(`{"type":"json_schema","json_schema":{}}`)
		},
		"messages[0].tool_calls": func(d *chat.Draw) { d.Messages[0].ToolCalls = []byte(`[{"function":{"arguments":"x"}}]`) },
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
		s, c := fake(t, upstreamtest.Model{Name: tiny, Tools: true})
		s.Script(func(upstreamtest.Request) upstreamtest.Reply {
			return upstreamtest.Reply{Tokens: []string{}, ToolCalls: []upstreamtest.Call{{Name: "weather", Arguments: `{"city":"Ulm","unit":"C"}`}}}
		})
		d := ask(1)
		d.Stream = stream
		p, _, err := last(t, c, d)
		if err != nil || p.Done == nil {
			t.Fatal(p, err)
		}
		want := `[{"id":"call_0","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Ulm\",\"unit\":\"C\"}"}}]`
		if string(p.Done.ToolCalls) != want || p.Done.Finish != chat.FinishToolCalls {
			t.Errorf("calls %s, finish %s", p.Done.ToolCalls, p.Done.Finish)
		}
		if can, err := c.Abilities(t.Context(), tiny); !can.Tools || err != nil {
			t.Errorf("abilities %+v %v", can, err)
		}
	}
}

func TestPrefixNeedsNoToolsWhereTheTemplateCloses(t *testing.T) {
	_, c := fake(t, upstreamtest.Model{Name: tiny, Closes: true, Tools: true})
	d := ask(1)
	d.Prefixes[0] = "It is"
	d.Sampling.Tools = []byte(`[{"type":"function","function":{"name":"f"}}]`)
	if err := c.Continue(t.Context(), d, func(chat.Piece) {}); chat.KindOf(err) != chat.Invalid {
		t.Errorf("error %v", err)
	}
}

func TestAbilitiesFollowTheDigest(t *testing.T) {
	s, c := fake(t)
	before, err := c.Abilities(t.Context(), tiny)
	if err != nil || !before.Prefix || before.Context != 4096 {
		t.Fatal(before, err)
	}
	base, err := c.Show(t.Context(), tiny)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, []byte("GGUF and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), "other:1", path, "", base); err != nil {
		t.Fatal(err)
	}
	can, err := c.Abilities(t.Context(), "other:1")
	if err != nil || can != before {
		t.Errorf("the published model: %+v %v", can, err)
	}
	if err := c.Delete(t.Context(), "other:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Abilities(t.Context(), "other:1"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("deleted: %v", err)
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d replies were drawn", n)
	}
}

func TestPublish(t *testing.T) {
	s, c := fake(t, upstreamtest.Model{Name: tiny, System: "Be brief.", Stop: []string{"<|im_end|>", "a \"b\""}})
	ctx := t.Context()
	base, err := c.Show(ctx, "TINY")
	if err != nil {
		t.Fatal(err)
	}
	if base.Context != 4096 || base.Architecture != "llama" || base.Quantization != "F16" || base.Path != "" || len(base.Parameters["stop"].([]string)) != 2 {
		t.Errorf("shown: %+v", base)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("GGUF one")
	digest, err := c.Publish(ctx, "plumb-live:run1", path, "", base)
	if err != nil {
		t.Fatal(err)
	}
	made := s.Models()[1]
	if made.Name != "plumb-live:run1" || made.System != "Be brief." || len(made.Stop) != 2 || made.Stop[1] != `a "b"` || made.Closes {
		t.Errorf("made %+v", made)
	}
	if again, err := c.Publish(ctx, "plumb-live:run1", path, "", base); err != nil || again != digest {
		t.Errorf("again: %q %v, want %q", again, err, digest)
	}
	write("GGUF two")
	if _, err := c.Publish(ctx, "plumb-live:run1", path, "", base); chat.KindOf(err) != chat.Conflict {
		t.Errorf("another file: %v", err)
	}
	if _, err := c.Publish(ctx, "x:1", path, "sha256:"+strings.Repeat("0", 64), base); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a wrong digest: %v", err)
	}
	if _, err := c.Publish(ctx, "x:1", path, "../../secret", base); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a hostile digest: %v", err)
	}
	if _, err := c.Publish(ctx, "x:1", path+".missing", "", base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := c.Warm(ctx, "plumb-live:run1"); err != nil || s.KeepAlive("plumb-live:run1") != `"24h0m0s"` {
		t.Errorf("warm: %v, keep_alive %s", err, s.KeepAlive("plumb-live:run1"))
	}
	if err := c.Warm(ctx, "nobody"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("warm nobody: %v", err)
	}
	if err := c.Delete(ctx, "nobody"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("delete nobody: %v", err)
	}
}

func TestEmbeddings(t *testing.T) {
	_, c := fake(t)
	rows, err := c.Embeddings(t.Context(), tiny, []string{"a", "b", "a"})
	if err != nil || len(rows) != 3 || len(rows[0]) != 8 || rows[0][0] != rows[2][0] || rows[0][0] == rows[1][0] {
		t.Errorf("%v %v", rows, err)
	}
	if _, err := c.Embeddings(t.Context(), "nobody", []string{"a"}); chat.KindOf(err) != chat.NotFound {
		t.Errorf("nobody: %v", err)
	}
	if rows, err := c.Embeddings(t.Context(), "nobody", nil); rows != nil || err != nil {
		t.Errorf("no texts: %v %v", rows, err)
	}
}

func TestProbe(t *testing.T) {
	ollama, openai := upstreamtest.NewOllama(), upstreamtest.NewOpenAI()
	locked := upstreamtest.NewOpenAI()
	locked.RequireKey("secret")
	for _, s := range []*upstreamtest.Server{ollama, openai, locked} {
		t.Cleanup(s.Close)
	}
	for _, test := range []struct {
		url, want string
		kind      chat.Kind
	}{
		{ollama.URL, KindOllama, 0},
		{ollama.URL + "/", KindOllama, 0},
		{ollama.URL[len("http://"):], KindOllama, 0},
		{openai.URL, KindOpenAI, 0},
		{openai.URL + "/v1", KindOpenAI, 0},
		{locked.URL, KindOpenAI, 0},
		{upstreamtest.Nobody(), "", chat.Unavailable},
		{"ftp://x", "", chat.Invalid},
		{"", "", chat.Invalid},
		{ollama.URL + "/elsewhere", "", chat.Upstream},
	} {
		kind, err := Probe(t.Context(), test.url)
		if kind != test.want || (err != nil) != (test.want == "") || err != nil && chat.KindOf(err) != test.kind {
			t.Errorf("Probe(%q) = %q, %v", test.url, kind, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {URL: "http://"}, {URL: "http://h", Threads: -1}, {URL: "http://h", CandidateTimeout: -1}} {
		if _, err := New(o); chat.KindOf(err) != chat.Invalid {
			t.Errorf("New(%+v): %v", o, err)
		}
	}
}
