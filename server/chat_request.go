package server

import (
	"encoding/json"
	"math"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// Limits of a chat request, besides those in Options.
const (
	maxMessages = 4096
	maxStops    = 4
	maxUser     = 256 // bytes of a user's name
	maxSession  = 128 // bytes
)

// chatRequest is a chat request as it was sent, each field in its range, but not yet held against what the model can do.
type chatRequest struct {
	model         string
	messages      []chat.Message
	n             *int
	seed          *int64
	maxTokens     *int
	sampling      chat.Sampling
	stream        bool
	includeUsage  bool
	user          string
	session       string
	metadata      json.RawMessage
	tier          string
	parallelTools *bool
	align         alignSpec
	warnings      []string
}

// readChat reads a chat request. maxN is the caller's ceiling.
func (s *Server) readChat(c *gin.Context, maxN int) (*chatRequest, error) {
	body, err := s.body(c)
	if err != nil {
		return nil, err
	}
	q, err := s.decodeChat(body, maxN)
	if err != nil {
		return nil, err
	}
	headers, err := alignHeaders(c.Request.Header, maxN)
	if err != nil {
		return nil, err
	}
	name, suffix, err := splitModel(q.model, maxN)
	if err != nil {
		return nil, err
	}
	q.model = name
	q.align = q.align.over(headers).over(suffix)
	if err := q.settle(); err != nil {
		return nil, err
	}
	q.session = c.GetHeader("X-Session-Id")
	if len(q.session) > maxSession {
		return nil, invalid("X-Session-Id", "%d bytes, want at most %d", len(q.session), maxSession)
	}
	return q, nil
}

// decodeChat reads the body alone.
func (s *Server) decodeChat(body []byte, maxN int) (*chatRequest, error) {
	q := &chatRequest{}
	r := newReader(body)
	r.lenient = s.options.Lenient
	d := chatDecoder{reader: r, q: q, maxN: maxN, maxTokens: s.options.MaxTokens}
	if err := r.whole(d.field); err != nil {
		return nil, err
	}
	q.warnings = r.warnings
	return q, d.check()
}

// chatDecoder reads the fields of a chat request into q.
type chatDecoder struct {
	*reader
	q         *chatRequest
	maxN      int
	maxTokens int

	completionTokens *int
	topLogprobs      *int
}

// field reads one field of the body; the fields are in groups by what they are about.
func (d *chatDecoder) field(name, path string) error {
	for _, group := range []func(name, path string) (bool, error){d.ask, d.draw, d.tools, d.harmless} {
		if known, err := group(name, path); known || err != nil {
			return err
		}
	}
	if reason, ok := notSupported[name]; ok {
		if d.peek() == 'n' {
			return d.skip(path)
		}
		return d.unsupported(path, reason)
	}
	return d.unknown(path)
}

// notSupported are fields of OpenAI's that cannot be honoured here, with the reason.
var notSupported = map[string]string{
	"logit_bias":         "not supported",
	"audio":              "not supported: replies are text",
	"prediction":         "not supported",
	"functions":          "not supported: use tools",
	"function_call":      "not supported: use tool_choice",
	"web_search_options": "not supported",
	"reasoning_effort":   "not supported",
	"verbosity":          "not supported",
}

// ask reads what is asked and how the answer comes.
func (d *chatDecoder) ask(name, path string) (known bool, err error) {
	q := d.q
	switch name {
	case "model":
		return true, d.string(path, &q.model)
	case "messages":
		q.messages, err = readMessages(d.reader, path)
		return true, err
	case "stream":
		return true, d.flag(path, &q.stream)
	case "stream_options":
		return true, d.object(path, func(name, path string) error {
			switch name {
			case "include_usage":
				return d.flag(path, &q.includeUsage)
			case "include_obfuscation":
				return d.only(path, false)
			}
			return d.unknown(path)
		})
	case "n":
		return true, d.int(path, &q.n, 1, d.maxN)
	case "align":
		q.align, err = readAlign(d.reader, path, d.maxN)
		return true, err
	}
	return false, nil
}

// draw reads how tokens are drawn.
func (d *chatDecoder) draw(name, path string) (known bool, err error) {
	q, p := d.q, &d.q.sampling
	switch name {
	case "seed":
		return true, d.int64(path, &q.seed)
	case "max_tokens":
		return true, d.int(path, &q.maxTokens, 1, d.maxTokens)
	case "max_completion_tokens":
		return true, d.int(path, &d.completionTokens, 1, d.maxTokens)
	case "temperature":
		return true, d.float(path, &p.Temperature, 0, 2)
	case "top_p":
		if err := d.float(path, &p.TopP, 0, 1); err != nil {
			return true, err
		}
		if p.TopP != nil && *p.TopP == 0 {
			return true, invalid(path, "got 0, want above 0 and at most 1")
		}
		return true, nil
	case "min_p":
		return true, d.float(path, &p.MinP, 0, 1)
	case "top_k":
		return true, d.int(path, &p.TopK, 1, math.MaxInt32)
	case "presence_penalty":
		return true, d.float(path, &p.PresencePenalty, -2, 2)
	case "frequency_penalty":
		return true, d.float(path, &p.FrequencyPenalty, -2, 2)
	case "stop":
		p.Stop, err = readStop(d.reader, path)
		return true, err
	case "logprobs":
		return true, d.flag(path, &p.Logprobs)
	case "top_logprobs":
		return true, d.int(path, &d.topLogprobs, 0, 20)
	}
	return false, nil
}

// tools reads what is passed through to the model.
func (d *chatDecoder) tools(name, path string) (known bool, err error) {
	p := &d.q.sampling
	switch name {
	case "response_format":
		p.ResponseFormat, err = readResponseFormat(d.reader, path)
		return true, err
	case "tools":
		p.Tools, err = readTools(d.reader, path)
		return true, err
	case "tool_choice":
		p.ToolChoice, err = readToolChoice(d.reader, path)
		return true, err
	case "parallel_tool_calls":
		return true, d.bool(path, &d.q.parallelTools)
	}
	return false, nil
}

// harmless reads what changes nothing in the reply: it is checked, and kept where it says something.
func (d *chatDecoder) harmless(name, path string) (known bool, err error) {
	var ignored string
	switch name {
	case "user":
		if err := d.string(path, &d.q.user); err != nil {
			return true, err
		}
		return true, checkUser(path, d.q.user)
	case "metadata":
		d.q.metadata, err = readMetadata(d.reader, path)
		return true, err
	case "store":
		return true, d.only(path, false)
	case "service_tier":
		return true, d.oneOf(path, &d.q.tier, "auto", "default")
	case "prompt_cache_key", "safety_identifier":
		return true, d.string(path, &ignored)
	case "modalities":
		return true, d.array(path, func(_ int, path string) error { return d.oneOf(path, &ignored, "text") })
	}
	return false, nil
}

// only reads a truth value of which one alone can be honoured.
func (r *reader) only(path string, want bool) error {
	got := want
	if err := r.flag(path, &got); err != nil {
		return err
	}
	if got != want {
		return invalid(path, "got %v, want %v: the other is not supported", got, want)
	}
	return nil
}

// check holds the fields against each other.
func (d *chatDecoder) check() error {
	q, p := d.q, &d.q.sampling
	switch {
	case q.model == "":
		return invalid("model", "missing: want the name of a model")
	case len(q.messages) == 0:
		return invalid("messages", "missing or empty: want at least one message")
	case q.maxTokens != nil && d.completionTokens != nil && *q.maxTokens != *d.completionTokens:
		return invalid("max_completion_tokens", "%d differs from max_tokens %d: send one of them", *d.completionTokens, *q.maxTokens)
	case d.topLogprobs != nil && *d.topLogprobs > 0 && !p.Logprobs:
		return invalid("top_logprobs", "needs logprobs: true")
	case p.ToolChoice != nil && p.Tools == nil && !harmlessChoice(p.ToolChoice):
		return invalid("tool_choice", "needs tools")
	case q.includeUsage && !q.stream:
		return invalid("stream_options", "needs stream: true")
	}
	if p.Tools == nil {
		p.ToolChoice = nil
	} else if q.parallelTools != nil && !*q.parallelTools {
		return invalid("parallel_tool_calls", "got false, want true: the model decides how many tools it calls")
	}
	if q.maxTokens == nil {
		q.maxTokens = d.completionTokens
	}
	if d.topLogprobs != nil {
		p.TopLogprobs = *d.topLogprobs
	}
	return nil
}

// settle holds the body against what headers and the model's suffix added.
func (q *chatRequest) settle() error {
	a := &q.align
	switch {
	case q.seed != nil && a.seed != nil && *q.seed != *a.seed:
		return invalid("align.seed", "%d differs from seed %d: send one of them", *a.seed, *q.seed)
	case q.n != nil && a.n != nil && *a.n < *q.n:
		return invalid("align.n", "%d candidates are fewer than the n = %d replies to return", *a.n, *q.n)
	}
	if a.seed == nil {
		a.seed = q.seed
	}
	return nil
}

// unable returns an error for the first field that needs what the model's server cannot do.
func (q *chatRequest) unable(can chat.Abilities) error {
	p := q.sampling
	set := func(penalty *float64) bool { return penalty != nil && *penalty != 0 }
	for _, need := range []struct {
		param     string
		asked, ok bool
	}{
		{"logprobs", p.Logprobs, can.Logprobs},
		{"tools", p.Tools != nil, can.Tools},
		{"response_format", p.ResponseFormat != nil, can.ResponseFormat},
		{"presence_penalty", set(p.PresencePenalty), can.Penalties},
		{"frequency_penalty", set(p.FrequencyPenalty), can.Penalties},
		{"seed", q.align.seed != nil, can.Seed},
	} {
		if need.asked && !need.ok {
			return invalid(need.param, "the server of model %s cannot honour it", quote(q.model))
		}
	}
	return nil
}

func checkUser(path, user string) error {
	if len(user) > maxUser {
		return invalid(path, "%d bytes, want at most %d", len(user), maxUser)
	}
	return nil
}
