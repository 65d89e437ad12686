package upstreamtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"plumb/chat"
)

// NewOllama starts a fake Ollama 0.17.4. Its models can be shown, created from blobs, warmed and deleted.
func NewOllama(models ...Model) *Server {
	return start(models, func(s *Server) http.Handler {
		o := &ollama{s}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]string{"version": "0.17.4"})
		})
		mux.HandleFunc("GET /api/tags", o.tags)
		mux.HandleFunc("GET /api/ps", o.running)
		mux.HandleFunc("POST /api/show", o.show)
		mux.HandleFunc("POST /api/chat", o.chat)
		mux.HandleFunc("POST /api/generate", o.chat)
		mux.HandleFunc("POST /api/embed", o.embed)
		mux.HandleFunc("HEAD /api/blobs/{digest}", o.headBlob)
		mux.HandleFunc("POST /api/blobs/{digest}", o.postBlob)
		mux.HandleFunc("POST /api/create", o.create)
		mux.HandleFunc("DELETE /api/delete", o.delete)
		return mux
	})
}

type ollama struct{ *Server }

func (o *ollama) model(name string) (Model, bool) {
	return o.find(func(have string) bool { return strings.EqualFold(withTag(have), withTag(name)) })
}

func withTag(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return name + ":latest"
}

type ollamaRequest struct {
	Model     string          `json:"model"`
	Messages  []ollamaMessage `json:"messages"`
	Prompt    string          `json:"prompt"`
	Raw       bool            `json:"raw"`
	Stream    *bool           `json:"stream"`
	Format    json.RawMessage `json:"format"`
	Tools     json.RawMessage `json:"tools"`
	Truncate  *bool           `json:"truncate"`
	Logprobs  bool            `json:"logprobs"`
	Top       int             `json:"top_logprobs"`
	KeepAlive json.RawMessage `json:"keep_alive"`
	Render    bool            `json:"_debug_render_only"`
	Options   struct {
		Seed             *int64   `json:"seed"`
		NumPredict       *int     `json:"num_predict"`
		Temperature      *float64 `json:"temperature"`
		TopP             *float64 `json:"top_p"`
		MinP             *float64 `json:"min_p"`
		TopK             *int     `json:"top_k"`
		PresencePenalty  *float64 `json:"presence_penalty"`
		FrequencyPenalty *float64 `json:"frequency_penalty"`
		Stop             []string `json:"stop"`
	} `json:"options"`
}

// ollamaMessage differs from OpenAI's in its tool calls.
type ollamaMessage struct {
	Role      string          `json:"role"`
	Content   string          `json:"content"`
	ToolCalls json.RawMessage `json:"tool_calls"`
}

// chat serves /api/chat and /api/generate.
func (o *ollama) chat(w http.ResponseWriter, req *http.Request) {
	all, _ := io.ReadAll(req.Body)
	var q ollamaRequest
	if err := json.Unmarshal(all, &q); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	own, ok := o.model(q.Model)
	if !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("model '%s' not found", q.Model)})
		return
	}
	generate := strings.HasSuffix(req.URL.Path, "/generate")
	r := q.request(own, all)
	if q.Render {
		answer(w, http.StatusOK, map[string]any{"model": q.Model, "message": map[string]string{"role": "", "content": ""},
			"done": false, "_debug_info": map[string]any{"rendered_template": r.Prompt}})
		return
	}
	if !absent(q.KeepAlive) {
		o.mu.Lock()
		o.warmed[withTag(q.Model)] = string(q.KeepAlive)
		o.mu.Unlock()
	}
	d := &ollamaDialect{w: w, req: r, generate: generate, own: own}
	switch {
	case q.Top < 0 || q.Top > 20:
		d.refuse(http.StatusBadRequest, "top_logprobs must be between 0 and 20")
	case len(q.Messages) == 0 && q.Prompt == "":
		d.line(map[string]any{"done": true, "done_reason": "load"}, "")
	case q.Truncate != nil && !*q.Truncate && tokensIn(r.Prompt) >= own.size():
		d.refuse(http.StatusBadRequest, "the input length exceeds the context length")
	default:
		o.play(w, req, r, own, d)
	}
}

func (q *ollamaRequest) request(own Model, all []byte) Request {
	r := Request{Model: q.Model, Prompt: q.Prompt, Stream: q.Stream == nil || *q.Stream, Body: all, Sampling: chat.Sampling{
		Temperature: q.Options.Temperature, TopP: q.Options.TopP, MinP: q.Options.MinP, TopK: q.Options.TopK,
		PresencePenalty: q.Options.PresencePenalty, FrequencyPenalty: q.Options.FrequencyPenalty, Stop: q.Options.Stop,
		Logprobs: q.Logprobs, TopLogprobs: q.Top, ResponseFormat: q.Format, Tools: q.Tools,
	}}
	if r.Sampling.Stop == nil {
		r.Sampling.Stop = own.Stop // a list in the request replaces the model's
	}
	if q.Options.Seed != nil {
		r.Seed = *q.Options.Seed & 0xffffffff // 32 bits are kept
	}
	if q.Options.NumPredict != nil {
		r.MaxTokens = max(0, *q.Options.NumPredict) // 0 is no bound
	}
	for _, m := range q.Messages {
		r.Messages = append(r.Messages, chat.Message{Role: m.Role, Content: m.Content, ToolCalls: m.ToolCalls})
	}
	if !q.Raw {
		messages := r.Messages
		if q.Prompt != "" {
			messages = []chat.Message{{Role: chat.User, Content: q.Prompt}}
		}
		r.Prompt = render(messages, own.System, !own.Closes)
	}
	return r
}

// ollamaDialect writes JSON lines.
type ollamaDialect struct {
	w        http.ResponseWriter
	req      Request
	own      Model
	generate bool
}

func (d *ollamaDialect) line(fields map[string]any, text string) {
	fields["model"], fields["created_at"] = d.req.Model, "2025-01-02T03:04:05.678Z"
	if d.generate {
		fields["response"] = text
	} else if _, ok := fields["message"]; !ok {
		fields["message"] = map[string]any{"role": "assistant", "content": text}
	}
	d.w.Header().Set("Content-Type", "application/x-ndjson")
	json.NewEncoder(d.w).Encode(fields)
	flush(d.w)
}

func (d *ollamaDialect) token(text string, l *chat.TokenLogprob) {
	fields := map[string]any{"done": false}
	if l != nil {
		fields["logprobs"] = []chat.TokenLogprob{*l}
	}
	d.line(fields, text)
}

func (d *ollamaDialect) end(text drawn, calls []Call) {
	fields := map[string]any{"done": true, "done_reason": text.finish,
		"prompt_eval_count": tokensIn(d.req.Prompt), "eval_count": len(text.tokens)}
	said := ""
	if !d.req.Stream {
		said = strings.Join(text.tokens, "")
		if d.req.Sampling.Logprobs {
			fields["logprobs"] = text.logprobs
		}
	}
	if len(calls) > 0 {
		fields["message"] = map[string]any{"role": "assistant", "content": said, "tool_calls": ollamaCalls(calls)}
	}
	d.line(fields, said)
}

func ollamaCalls(calls []Call) []any {
	var out []any
	for i, c := range calls {
		out = append(out, map[string]any{"function": map[string]any{"index": i, "name": c.Name, "arguments": json.RawMessage(c.Arguments)}})
	}
	return out
}

func (d *ollamaDialect) fail(message string) {
	json.NewEncoder(d.w).Encode(map[string]string{"error": message})
	flush(d.w)
}

func (d *ollamaDialect) refuse(status int, message string) {
	answer(d.w, status, map[string]string{"error": message})
}

func (o *ollama) embed(w http.ResponseWriter, req *http.Request) {
	var q struct {
		Model string   `json:"model"`
		Input []string `json:"input"`
	}
	json.NewDecoder(req.Body).Decode(&q)
	if _, ok := o.model(q.Model); !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("model '%s' not found", q.Model)})
		return
	}
	answer(w, http.StatusOK, map[string]any{"model": q.Model, "embeddings": embed(q.Input)})
}

// embed makes up 8 numbers for each text.
func embed(texts []string) [][]float32 {
	rows := make([][]float32, len(texts))
	for i, t := range texts {
		for k := range 8 {
			rows[i] = append(rows[i], float32(score(t, int64(k))%2000)/1000-1)
		}
	}
	return rows
}

func (o *ollama) headBlob(w http.ResponseWriter, req *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.blobs[req.PathValue("digest")] {
		w.WriteHeader(http.StatusNotFound)
	}
}

// postBlob takes a file; one that is there is answered without reading it, as Ollama does.
func (o *ollama) postBlob(w http.ResponseWriter, req *http.Request) {
	digest := req.PathValue("digest")
	o.mu.Lock()
	there := o.blobs[digest]
	o.mu.Unlock()
	if there {
		return
	}
	sum := sha256.New()
	io.Copy(sum, req.Body)
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
		answer(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("digest mismatch, expected %q, got %q", digest, got)})
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blobs[digest] = true
	w.WriteHeader(http.StatusCreated)
}
