package server

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/sampler"
)

// events reads a stream: the data of each event, and how many comments came.
func readEvents(t *testing.T, body string) (chunks []map[string]any, comments int, done bool) {
	t.Helper()
	doc, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	schema := doc.Components.Schemas["ChatCompletionChunk"].Value
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		switch {
		case strings.HasPrefix(event, ":"):
			comments++
		case !ok || done || strings.Contains(data, "\n"):
			t.Fatalf("event %q in %q", event, body)
		case data == "[DONE]":
			done = true
		default:
			var chunk map[string]any
			if err := json.Unmarshal([]byte(data), &chunk); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if chunk["error"] == nil {
				if err := schema.VisitJSON(chunk); err != nil {
					t.Errorf("chunk against openapi.yaml: %v\n%s", err, data)
				}
			}
			chunks = append(chunks, chunk)
		}
	}
	return chunks, comments, done
}

// textOf joins the text of a choice and returns how it ended.
func textOf(chunks []map[string]any, choice int) (text, finish string) {
	for _, chunk := range chunks {
		choices, _ := chunk["choices"].([]any)
		for _, c := range choices {
			c := c.(map[string]any)
			if c["index"] != float64(choice) {
				continue
			}
			part, _ := c["delta"].(map[string]any)["content"].(string)
			text += part
			if reason, ok := c["finish_reason"].(string); ok {
				finish += reason
			}
		}
	}
	return text, finish
}

func TestBufferedStream(t *testing.T) {
	f := newFixture(t)
	f.sampler.change = func(_ sampler.Request, r *sampler.Result) {
		r.Candidates[r.Chosen[0]].Text = "A longer reply, of so many words that it goes out in parts. Ätherisch, 長い返事です。 End."
	}
	a := f.chat(`"stream": true, "align": {"n": 4, "candidates": true}`)
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	chunks, _, done := readEvents(t, a.body)
	text, finish := textOf(chunks, 0)
	if text != "A longer reply, of so many words that it goes out in parts. Ätherisch, 長い返事です。 End." || finish != "stop" || !done || len(chunks) < 5 {
		t.Errorf("%q %q in %d chunks, done %v", text, finish, len(chunks), done)
	}
	if dig(t, chunks[0], "choices", 0, "delta", "role") != "assistant" {
		t.Errorf("first chunk %v", chunks[0])
	}
	for i, chunk := range chunks {
		if chunk["id"] != chunks[0]["id"] || (chunk["align"] != nil) != (i == len(chunks)-1) {
			t.Errorf("chunk %d: %v", i, chunk)
		}
	}
	last := chunks[len(chunks)-1]
	if dig(t, last, "align", "n_drawn") != 4.0 || dig(t, last, "align", "stored") != "durable" || last["usage"] != nil {
		t.Errorf("last chunk %v", last)
	}
	if got := f.get("/v1/generations/" + chunks[0]["id"].(string)); got.status != 200 {
		t.Error("the reply was not kept: " + got.body)
	}
}

func TestStreamWithUsage(t *testing.T) {
	for _, mode := range []string{`"align": {"n": 1}`, `"align": {"n": 4}`} {
		chunks, _, done := readEvents(t, newFixture(t).chat(`"stream": true, "stream_options": {"include_usage": true}`, mode).body)
		last := chunks[len(chunks)-1]
		if !done || len(last["choices"].([]any)) != 0 || dig(t, last, "usage", "completion_tokens").(float64) < 5 || last["align"] == nil {
			t.Errorf("%s: %v", mode, last)
		}
		if text, finish := textOf(chunks, 0); finish != "stop" || !strings.HasPrefix(text, "reply ") {
			t.Errorf("%s: %q %q", mode, text, finish)
		}
	}
}

func TestStreamOfSeveralChoices(t *testing.T) {
	chunks, _, _ := readEvents(t, newFixture(t).chat(`"stream": true, "n": 2, "align": {"n": 4}`).body)
	for choice, want := range []string{"reply 3", "reply 2"} {
		if text, finish := textOf(chunks, choice); text != want || finish != "stop" {
			t.Errorf("choice %d: %q %q", choice, text, finish)
		}
	}
}

func TestStreamOfLogprobsAndToolCalls(t *testing.T) {
	f := newFixture(t)
	chunks, _, _ := readEvents(t, f.chat(`"stream": true, "logprobs": true, "align": {"n": 4}`).body)
	if dig(t, chunks[1], "choices", 0, "logprobs", "content", 0, "token") != "reply 3" {
		t.Errorf("%v", chunks[1])
	}
	f.sampler.change = func(_ sampler.Request, r *sampler.Result) {
		c := &r.Candidates[r.Chosen[0]]
		c.Text, c.Finish, c.ToolCalls = "", chat.FinishToolCalls, json.RawMessage(`[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]`)
	}
	chunks, _, _ = readEvents(t, f.chat(`"stream": true, "tools": [{"type": "function", "function": {"name": "f"}}]`).body)
	if dig(t, chunks[1], "choices", 0, "delta", "tool_calls", 0, "index") != 0.0 {
		t.Errorf("%v", chunks[1])
	}
	if _, finish := textOf(chunks, 0); finish != "tool_calls" {
		t.Errorf("ended by %q", finish)
	}
}

// openStream posts a streamed request and returns its lines as they come.
func openStream(t *testing.T, f *fixture, ctx context.Context, extra ...string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.http.URL+"/v1/chat/completions", strings.NewReader(ask(append(extra, `"stream": true`)...)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, bufio.NewScanner(response.Body)
}

func TestHeartbeatsComeBeforeTheReply(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Heartbeat = 5 * time.Millisecond })
	release := make(chan struct{})
	f.sampler.before = func(context.Context, sampler.Request) error { <-release; return nil }
	response, lines := openStream(t, f, context.Background())
	if response.StatusCode != 200 {
		t.Fatal(response.Status)
	}
	for beats := 0; beats < 3; { // only the sampler's release could end this otherwise
		if !lines.Scan() {
			t.Fatal("the stream ended while the sampler drew")
		}
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		} else if lines.Text() != "" {
			t.Fatalf("%q before the reply was chosen", lines.Text())
		}
	}
	close(release)
	var rest []string
	for lines.Scan() {
		rest = append(rest, lines.Text())
	}
	if !strings.Contains(strings.Join(rest, "\n"), "data: [DONE]") {
		t.Errorf("the stream ended with %q", rest)
	}
}

func TestPassedTextComesAsItIsDrawn(t *testing.T) {
	f := newFixture(t)
	release := make(chan struct{})
	f.sampler.before = func(_ context.Context, r sampler.Request) error {
		r.Stream(chat.Piece{Text: "early"})
		<-release
		return &chat.Error{Kind: chat.Upstream, Msg: "read reply: the connection broke"}
	}
	_, lines := openStream(t, f, context.Background(), `"align": {"method": "none"}`)
	for lines.Scan() && !strings.Contains(lines.Text(), "early") {
	}
	close(release) // the text was there before the sampler went on
	var rest string
	for lines.Scan() {
		rest += lines.Text() + "\n"
	}
	if !strings.Contains(rest, `data: {"error":{"message":"read reply: the connection broke","type":"upstream_error"`) || strings.Contains(rest, "[DONE]") {
		t.Errorf("after the failure: %q", rest)
	}
}

func TestFailuresBeforeTheStreamHaveTheirStatus(t *testing.T) {
	f := newFixture(t)
	f.sampler.before = func(context.Context, sampler.Request) error {
		return &chat.Error{Kind: chat.Upstream, Msg: "all failed"}
	}
	for _, method := range []string{"none", "bon"} {
		wantError(t, f.chat(`"stream": true, "align": {"method": "`+method+`"}`), 502, "")
	}
	wantError(t, f.chat(`"stream": true, "n": 0`), 400, "n")
}

func TestFailuresInABufferedStream(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Heartbeat = 5 * time.Millisecond })
	f.sampler.before = func(ctx context.Context, _ sampler.Request) error {
		select {
		case <-time.After(3 * opening):
		case <-ctx.Done():
		}
		return &chat.Error{Kind: chat.Timeout, Msg: "draw candidates: the deadline passed"}
	}
	a := f.chat(`"stream": true`)
	chunks, comments, done := readEvents(t, a.body)
	if a.status != 200 || comments == 0 || done || len(chunks) != 1 || dig(t, chunks[0], "error", "type") != "timeout_error" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestLeavingCancels(t *testing.T) {
	for _, method := range []string{"none", "bon"} {
		for _, streamed := range []bool{true, false} {
			f := newFixture(t, func(o *Options) { o.Heartbeat = time.Millisecond })
			inside, cancelled := make(chan struct{}), make(chan error, 1)
			f.sampler.before = func(ctx context.Context, _ sampler.Request) error {
				close(inside)
				<-ctx.Done() // hangs the test if leaving does not cancel
				cancelled <- ctx.Err()
				return &chat.Error{Kind: chat.Upstream, Msg: "draw: the request broke", Cause: ctx.Err()}
			}
			ctx, leave := context.WithCancel(context.Background())
			body := ask(`"align": {"method": "` + method + `"}`)
			if streamed {
				body = ask(`"stream": true, "align": {"method": "` + method + `"}`)
			}
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, f.http.URL+"/v1/chat/completions", strings.NewReader(body))
			go http.DefaultClient.Do(r)
			<-inside
			leave()
			if err := <-cancelled; err != context.Canceled {
				t.Errorf("%s, streamed %v: %v", method, streamed, err)
			}
			f.http.Close() // waits for the handler
			if streamed {
				continue
			}
			if log := f.lines.String(); !strings.Contains(log, `"status":499`) {
				t.Errorf("%s: log %s", method, log)
			}
		}
	}
}

func TestParts(t *testing.T) {
	for _, text := range []string{"", "a", "no spaces here at all, or few", strings.Repeat("語", 40), strings.Repeat("x", 100), strings.Repeat("ab ", 50)} {
		var joined string
		for part := range parts(text) {
			if part == "" || strings.ToValidUTF8(part, "") != part {
				t.Errorf("part %q of %q", part, text)
			}
			joined += part
		}
		if joined != text {
			t.Errorf("%q became %q", text, joined)
		}
	}
}
