package openai

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"plumb/chat"
	"plumb/clients/upstream"
)

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want []string
		bad  bool
	}{
		"nothing":                   {"", nil, false},
		"two":                       {"data: a\n\ndata: b\n\n", []string{"a", "b"}, false},
		"no space":                  {"data:a\n\n", []string{"a"}, false},
		"only one space is cut":     {"data:  a\n\n", []string{" a"}, false},
		"carriage returns":          {"data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}, false},
		"several lines are one":     {"data: a\ndata: b\n\n", []string{"a\nb"}, false},
		"comments and other fields": {": ping\n\nevent: x\nid: 7\nretry: 5\ndata: a\n\n: pong\n\n", []string{"a"}, false},
		"an empty event":            {"data:\n\ndata: a\n\n", []string{"", "a"}, false},
		"no empty line at the end":  {"data: a\n\ndata: [DONE]", []string{"a", "[DONE]"}, false},
		"a web page":                {"<html>\n", nil, true},
		"a page after an event":     {"data: a\n\nInternal Server Error", []string{"a"}, true},
		"an endless line":           {"data: " + strings.Repeat("x", upstream.MaxLine+1), nil, true},
		"an endless event":          {strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 9), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			e := newEvents(strings.NewReader(test.in))
			data, err := e.next()
			for ; err == nil; data, err = e.next() {
				got = append(got, string(data))
			}
			if (err != io.EOF) != test.bad || strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
				t.Errorf("got %.100q, %v; want %.100q, bad %v", got, err, test.want, test.bad)
			}
		})
	}
}

const chunk = `data: {"choices":[{"index":0,"delta":{"content":"a b"}}]}` + "\n\n"

func TestReadStream(t *testing.T) {
	for name, test := range map[string]struct {
		in     string
		finish string // "" if it is an error
		text   string
	}{
		"complete":                    {chunk + chunk + `data: {"choices":[{"delta":{},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n", "length", "a ba b"},
		"only DONE":                   {chunk + "data: [DONE]\n\n", "stop", "a b"},
		"only finish_reason":          {chunk + `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n", "stop", "a b"},
		"broken after finish_reason":  {chunk + `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: {\"usa", "stop", "a b"},
		"neither":                     {chunk, "", ""},
		"broken":                      {chunk + `data: {"choices":[{"de`, "", ""},
		"error":                       {chunk + `data: {"error":{"message":"out of memory"}}` + "\n\n", "", ""},
		"other choices are not ours":  {chunk + `data: {"choices":[{"index":1,"delta":{"content":"x"},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n", "stop", "a b"},
		"null everywhere":             {`data: {"choices":[{"delta":{"content":null,"tool_calls":null},"logprobs":null,"finish_reason":null}],"usage":null,"error":null}` + "\n\ndata: [DONE]\n\n", "stop", ""},
		"tool call out of order":      {`data: {"choices":[{"delta":{"tool_calls":[{"index":3}]}}]}` + "\n\ndata: [DONE]\n\n", "", ""},
		"tool call with a wrong type": {`data: {"choices":[{"delta":{"tool_calls":7}}]}` + "\n\ndata: [DONE]\n\n", "", ""},
		"log-prob above 0":            {`data: {"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":1}]}}]}` + "\n\ndata: [DONE]\n\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			done, err := readStream(iotest.OneByteReader(strings.NewReader(test.in)), func(text string, _ []chat.TokenLogprob) { said += text })
			if test.finish == "" {
				if err == nil {
					t.Errorf("got %+v", done)
				}
				return
			}
			if err != nil || done.Finish != test.finish || done.Text != test.text || said != test.text {
				t.Errorf("got %+v, said %q, %v", done, said, err)
			}
		})
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add([]byte(chunk + chunk + "data: [DONE]\n\n"))
	f.Add([]byte(chunk + `data: {"choices":[{"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n"))
	f.Add([]byte(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]}}]}` + "\n\n"))
	f.Add([]byte(`data: {"choices":[{"delta":{"content":"é"},"logprobs":{"content":[{"token":"é","logprob":-1.5,"bytes":[195,169],"top_logprobs":[]}]}}]}` + "\r\n\r\n"))
	f.Add([]byte("event: error\ndata: {\"error\":\"x\"}\n\n"))
	f.Add([]byte(": ping\n\n<html>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var said strings.Builder
		done, err := readStream(bytes.NewReader(in), func(text string, _ []chat.TokenLogprob) { said.WriteString(text) })
		if err != nil {
			return
		}
		if done.Text != said.String() {
			t.Errorf("pieces make %q, the reply is %q", said.String(), done.Text)
		}
		if done.Finish != chat.FinishStop && done.Finish != chat.FinishLength && done.Finish != chat.FinishToolCalls {
			t.Errorf("finish %q", done.Finish)
		}
		if (done.Logprob == nil) != (len(done.Logprobs) == 0) || done.Logprob != nil && math.IsNaN(*done.Logprob) {
			t.Errorf("log-prob %v of %d tokens", done.Logprob, len(done.Logprobs))
		}
		// Names of JSON fields are taken whatever their case, and may be escaped.
		low := bytes.ToLower(in)
		if !bytes.Contains(in, []byte("[DONE]")) && !bytes.Contains(low, []byte("fini")) && !bytes.Contains(low, []byte(`\u`)) {
			t.Errorf("a reply without an end was taken: %q", in)
		}
	})
}

func FuzzReadWhole(f *testing.F) {
	f.Add([]byte(`{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]},"finish_reason":"tool_calls"}]}`))
	f.Add([]byte(`{"error":{"message":"no"}}`))
	f.Add([]byte(`{"choices":[]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		done, err := readWhole(bytes.NewReader(in), func(string, []chat.TokenLogprob) {})
		if err == nil && done.Finish == "" {
			t.Errorf("no finish: %+v", done)
		}
	})
}
