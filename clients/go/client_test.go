package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return &Client{BaseURL: s.URL + "/v1/", Key: "secret", User: "ada"}
}

func TestChatSendsTheRequestWhole(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		got, _ := json.Marshal(body)
		want := `{"align":{"n":8},"messages":[{"content":"hi","role":"user"}],"model":"plumb","seed":7,"user":"ada"}`
		if string(got) != want || r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/v1/chat/completions" {
			t.Errorf("%s got %s, want %s", r.URL.Path, got, want)
		}
		io.WriteString(w, `{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":"hello"}}],"align":{"method":"bon","n_drawn":8}}`)
	})
	done, err := c.Chat(context.Background(), Request{
		Messages: []Message{{"user", "hi"}}, Align: &Align{N: 8}, Extra: map[string]any{"seed": 7}})
	if err != nil || done.Text() != "hello" || done.Align.NDrawn != 8 {
		t.Fatal(done, err)
	}
}

func TestErrorsCarryStatusAndParam(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"envelope": {`{"error":{"message":"n is 0","param":"n"}}`, "plumb: n is 0 (HTTP 400, n)"},
		"text":     {"no such page\n", "plumb: no such page (HTTP 400)"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); io.WriteString(w, test.body) })
			_, err := c.Vote(context.Background(), Vote{Kind: "thumb"})
			var e *Error
			if !errors.As(err, &e) || e.Error() != test.want {
				t.Fatalf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestStream(t *testing.T) {
	for name, test := range map[string]struct {
		events, text string
		fails        bool
	}{
		"whole":     {": beat\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\ndata: [DONE]\n\n", "ab", false},
		"truncated": {"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", "a", true},
		"error":     {"data: {\"error\":{\"message\":\"upstream died\"}}\n\n", "", true},
		"garbage":   {"data: {\n\n", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, test.events) })
			var text strings.Builder
			var failed error
			for part, err := range c.Stream(context.Background(), Request{}) {
				text.WriteString(part)
				failed = err
			}
			if text.String() != test.text || (failed != nil) != test.fails {
				t.Fatalf("got %q, %v", text.String(), failed)
			}
		})
	}
}

func ExampleClient() {
	plumb := &Client{User: "ada"}
	reply, err := plumb.Chat(context.Background(), Request{
		Messages: []Message{{Role: "user", Content: "Any tips for making tea?"}}, Align: &Align{N: 8}})
	if err != nil {
		return // no server here
	}
	fmt.Println(reply.Text())
	_, _ = plumb.Vote(context.Background(), Vote{ID: reply.ID, Kind: "thumb", Value: +1})
}
