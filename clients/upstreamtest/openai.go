package upstreamtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"plumb/chat"
)

// NewOpenAI starts a fake OpenAI-compatible server: /v1/models, /v1/chat/completions and /v1/embeddings. It ignores n,
// as many such servers do, and continues a last assistant message only where continue_final_message is set.
func NewOpenAI(models ...Model) *Server {
	return start(models, func(s *Server) http.Handler {
		o := &openAI{s}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /v1/models", o.list)
		mux.HandleFunc("POST /v1/chat/completions", o.chat)
		mux.HandleFunc("POST /v1/embeddings", o.embed)
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !o.allowed(req) {
				refuseOpenAI(w, http.StatusUnauthorized, "Incorrect API key provided")
				return
			}
			mux.ServeHTTP(w, req)
		})
	})
}

type openAI struct{ *Server }

func (o *openAI) allowed(req *http.Request) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.key == "" || req.Header.Get("Authorization") == "Bearer "+o.key
}

func refuseOpenAI(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": nil}})
}

func (o *openAI) list(w http.ResponseWriter, _ *http.Request) {
	data := []any{}
	for _, m := range o.Models() {
		data = append(data, map[string]any{"id": m.Name, "object": "model", "created": 1735787045, "owned_by": "test"})
	}
	answer(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

type openAIRequest struct {
	Model               string         `json:"model"`
	Messages            []chat.Message `json:"messages"`
	Seed                *int64         `json:"seed"`
	MaxTokens           *int           `json:"max_tokens"`
	MaxCompletionTokens *int           `json:"max_completion_tokens"`
	Stream              bool           `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Continue bool `json:"continue_final_message"`
	chat.Sampling
}

func (o *openAI) chat(w http.ResponseWriter, req *http.Request) {
	all, _ := io.ReadAll(req.Body)
	var q openAIRequest
	if err := json.Unmarshal(all, &q); err != nil {
		refuseOpenAI(w, http.StatusBadRequest, err.Error())
		return
	}
	own, ok := o.find(func(name string) bool { return name == q.Model })
	switch {
	case !ok:
		refuseOpenAI(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist", q.Model))
		return
	case len(q.Messages) == 0:
		refuseOpenAI(w, http.StatusBadRequest, "messages must not be empty")
		return
	case q.TopLogprobs > 20:
		refuseOpenAI(w, http.StatusBadRequest, "top_logprobs must be at most 20")
		return
	}
	r := Request{Model: q.Model, Messages: q.Messages, Prompt: render(q.Messages, own.System, q.Continue), Sampling: q.Sampling,
		Stream: q.Stream, Body: all}
	if q.Seed != nil {
		r.Seed = *q.Seed
	}
	for _, limit := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if limit != nil {
			r.MaxTokens = *limit
		}
	}
	d := &openAIDialect{w: w, req: r, usage: q.StreamOptions.IncludeUsage}
	if tokensIn(r.Prompt) >= own.size() {
		d.refuse(http.StatusBadRequest, fmt.Sprintf("This model's maximum context length is %d tokens", own.size()))
		return
	}
	o.play(w, req, r, own, d)
}

// openAIDialect writes server-sent events, or one object.
type openAIDialect struct {
	w     http.ResponseWriter
	req   Request
	usage bool
}

func (d *openAIDialect) event(v any) {
	d.w.Header().Set("Content-Type", "text/event-stream")
	data, err := json.Marshal(v)
	if err != nil {
		panic("upstreamtest: " + err.Error())
	}
	fmt.Fprintf(d.w, "data: %s\n\n", data)
	flush(d.w)
}

func (d *openAIDialect) object(kind string) map[string]any {
	return map[string]any{"id": "chatcmpl-1", "object": kind, "created": 1735787045, "model": d.req.Model}
}

func (d *openAIDialect) chunk(delta map[string]any, finish any, l []chat.TokenLogprob) map[string]any {
	c := d.object("chat.completion.chunk")
	choice := map[string]any{"index": 0, "delta": delta, "finish_reason": finish}
	if l != nil {
		choice["logprobs"] = map[string]any{"content": l}
	}
	c["choices"] = []any{choice}
	return c
}

func (d *openAIDialect) token(text string, l *chat.TokenLogprob) {
	var logprobs []chat.TokenLogprob
	if l != nil {
		logprobs = []chat.TokenLogprob{*l}
	}
	d.event(d.chunk(map[string]any{"role": "assistant", "content": text}, nil, logprobs))
}

func (d *openAIDialect) end(text drawn, calls []Call) {
	usage := map[string]int{"prompt_tokens": tokensIn(d.req.Prompt), "completion_tokens": len(text.tokens)}
	finish := text.finish
	if len(calls) > 0 {
		finish = chat.FinishToolCalls
	}
	if !d.req.Stream {
		d.whole(text, calls, finish, usage)
		return
	}
	for i, c := range calls { // a call comes in parts
		half := len(c.Arguments) / 2
		d.event(d.chunk(map[string]any{"tool_calls": []any{openAICall(i, c.Name, c.Arguments[:half])}}, nil, nil))
		d.event(d.chunk(map[string]any{"tool_calls": []any{map[string]any{"index": i,
			"function": map[string]any{"arguments": c.Arguments[half:]}}}}, nil, nil))
	}
	d.event(d.chunk(map[string]any{}, finish, nil))
	if d.usage {
		last := d.object("chat.completion.chunk")
		last["choices"], last["usage"] = []any{}, usage
		d.event(last)
	}
	io.WriteString(d.w, ": the end\n\ndata: [DONE]\n\n")
	flush(d.w)
}

func (d *openAIDialect) whole(text drawn, calls []Call, finish string, usage any) {
	message := map[string]any{"role": "assistant", "content": strings.Join(text.tokens, "")}
	for i, c := range calls {
		before, _ := message["tool_calls"].([]any)
		message["tool_calls"] = append(before, openAICall(i, c.Name, c.Arguments))
	}
	choice := map[string]any{"index": 0, "message": message, "finish_reason": finish}
	if d.req.Sampling.Logprobs {
		choice["logprobs"] = map[string]any{"content": text.logprobs}
	}
	whole := d.object("chat.completion")
	whole["choices"], whole["usage"] = []any{choice}, usage
	answer(d.w, http.StatusOK, whole)
}

func openAICall(i int, name, arguments string) map[string]any {
	return map[string]any{"index": i, "id": "call_" + strconv.Itoa(i), "type": "function",
		"function": map[string]any{"name": name, "arguments": arguments}}
}

func (d *openAIDialect) fail(message string) {
	d.event(map[string]any{"error": map[string]any{"message": message, "type": "server_error"}})
}

func (d *openAIDialect) refuse(status int, message string) { refuseOpenAI(d.w, status, message) }

// embed answers its rows last first, as the index allows.
func (o *openAI) embed(w http.ResponseWriter, req *http.Request) {
	var q struct {
		Model string   `json:"model"`
		Input []string `json:"input"`
	}
	json.NewDecoder(req.Body).Decode(&q)
	if _, ok := o.find(func(name string) bool { return name == q.Model }); !ok {
		refuseOpenAI(w, http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist", q.Model))
		return
	}
	rows := embed(q.Input)
	data := []any{}
	for i := len(rows) - 1; i >= 0; i-- {
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": rows[i]})
	}
	answer(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}
