package server

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"plumb/chat"
)

// fuzzed is a server of which only the decoding is used.
func fuzzed(lenient bool) *Server {
	return &Server{options: Options{MaxTokens: 1000, Lenient: lenient}}
}

// FuzzChat holds that decoding never panics, that what it refuses it refuses as bad input, and that what it takes is JSON.
func FuzzChat(f *testing.F) {
	for _, seed := range []string{
		ask(), ask(`"stop": ["a"]`, `"n": 8.0`, `"align": {"n": 8, "method": "top_m"}`), ask(`"tools": [{"type": "function", "function": {"name": "f"}}]`),
		ask(`"metadata": {"a": "b"}`, `"stream": true`, `"stream_options": {"include_usage": true}`), ask(`"x": [[[{"a": null}]]]`),
		`{"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "\ud800"}]}]}`, `{"a":1,"a":2}`, `{`, `[]`, "\xff", `{"model": nul}`,
		ask(`"logit_bias": {"1": -100}`, `"response_format": {"type": "json_schema", "json_schema": {}}`), `{"seed": 1e400}`, `{,}`, `{"a" 1}`, `{"model":,}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, lenient bool) {
		q, err := fuzzed(lenient).decodeChat(body, 64)
		if err == nil {
			if !json.Valid(body) || !utf8.Valid(body) || q.model == "" || len(q.messages) == 0 {
				t.Errorf("took %q as %+v", body, q)
			}
			return
		}
		wantBadInput(t, body, err)
	})
}

func FuzzVote(f *testing.F) {
	for _, seed := range []string{`{"id": "chatcmpl-x", "kind": "thumb", "value": 1}`, `{"kind": "demonstration", "messages": [{"role": "user", "content": "x"}], "text": "y"}`,
		`{"id": "x", "kind": "preference", "winner": "x.0", "losers": ["x.1", "x.2"]}`, `{"losers": {}}`, `{"value": -1e-400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := fuzzed(false).decodeVote(body); err != nil {
			wantBadInput(t, body, err)
		} else if !json.Valid(body) {
			t.Errorf("took %q", body)
		}
	})
}

func FuzzModel(f *testing.F) {
	for _, seed := range []string{"plumb", "plumb@bon8", "plumb@guide0.5", "@cf/a", "a@b@none", "x@sha256:ab", "@", "plumb@top_m99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, model string) {
		name, a, err := splitModel(model, 64)
		if err != nil {
			wantBadInput(t, []byte(model), err)
			return
		}
		if !strings.HasPrefix(model, name) || a.n != nil && (*a.n < 1 || *a.n > 64) {
			t.Errorf("%q became %q, %+v", model, name, a)
		}
	})
}

func wantBadInput(t *testing.T, body []byte, err error) {
	t.Helper()
	var e *chat.Error
	if !errors.As(err, &e) || e.Kind != chat.Invalid || e.Msg == "" || len(e.Msg) > 2000 || !utf8.ValidString(e.Msg) {
		t.Errorf("%q gave %v", body, err)
	}
}

// TestStrictAsJSON holds the reader against encoding/json on what is and is not JSON.
func TestStrictAsJSON(t *testing.T) {
	for _, text := range []string{`{}`, `{"a":1}`, `{"a":[1,2,{"b":null}],"c":"x"}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`,
		`{"a":.5}`, `{"a":tru}`, `{"a":"\x"}`, `{"a":"` + "\n" + `"}`, `{"a":'b'}`, `{a:1}`, `{"a":1 "b":2}`, `{"a"}`, `{"a":}`, `{:1}`, `{"a":1}}`, `{"a":[}`, `{"a":{]}`,
		` { "a" : -1.5e+3 } `, `{"a":NaN}`, `{"a":1}//`, `{"a":1,,"b":2}`, `{"a"::1}`, `{,"a":1}`} {
		r := newReader([]byte(text))
		err := r.whole(func(_, path string) error { return r.skip(path) })
		if (err == nil) != json.Valid([]byte(text)) {
			t.Errorf("%s: %v, encoding/json says %v", text, err, json.Valid([]byte(text)))
		}
	}
}
