package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ollama/ollama/api"

	"plumb/chat"
	"plumb/clients/upstream"
)

// unknownContext bounds replies without MaxTokens where the context's size is not told. The server ends them at its context
// anyway.
const unknownContext = 1 << 17

// body is what /api/chat and /api/generate take of the fields used here. The library's own type loses what it does not
// know of a tool's schema.
type body struct {
	Model       string          `json:"model"`
	Messages    []api.Message   `json:"messages,omitempty"`
	Prompt      string          `json:"prompt,omitempty"` // of /api/generate
	Raw         bool            `json:"raw,omitempty"`    // take Prompt as it is
	Stream      bool            `json:"stream"`
	Format      json.RawMessage `json:"format,omitempty"`
	Tools       json.RawMessage `json:"tools,omitempty"`
	Options     map[string]any  `json:"options"`
	Think       *api.ThinkValue `json:"think,omitempty"`
	Truncate    bool            `json:"truncate"` // never: a prompt that is too long is an error
	Shift       bool            `json:"shift"`    // never: a reply ends where the context does
	Logprobs    bool            `json:"logprobs,omitempty"`
	TopLogprobs int             `json:"top_logprobs,omitempty"`
	RenderOnly  bool            `json:"_debug_render_only,omitempty"`
}

// request is what the continuations of one draw share.
type request struct {
	shared body
	draw   chat.Draw
	raw    string // the rendered prompt, where the model's template closes a last assistant message
}

// request translates a draw, or says which of its fields Ollama cannot honour.
func (c *Client) request(ctx context.Context, d chat.Draw) (*request, error) {
	if err := upstream.Check(d); err != nil {
		return nil, err
	}
	messages, err := toMessages(d.Messages)
	if err != nil {
		return nil, err
	}
	tools, err := toTools(d.Sampling.Tools, d.Sampling.ToolChoice)
	if err != nil {
		return nil, err
	}
	format, err := toFormat(d.Sampling.ResponseFormat)
	if err != nil {
		return nil, err
	}
	r := &request{draw: d, shared: body{
		Model: d.Model, Messages: messages, Format: format, Tools: tools, Think: c.think(),
		// Long lists of log-probs come line by line, so that no line is longer than a client wants to hold.
		Stream:  d.Stream || d.Sampling.Logprobs,
		Options: c.sampling(d.Sampling, d.MaxTokens), Logprobs: d.Sampling.Logprobs, TopLogprobs: d.Sampling.TopLogprobs,
	}}
	return r, c.complete(ctx, r)
}

// complete adds what depends on the model, which is asked for only where needed.
func (c *Client) complete(ctx context.Context, r *request) error {
	d := r.draw
	prefixed := slices.ContainsFunc(d.Prefixes, func(p string) bool { return p != "" })
	if d.MaxTokens > 0 && !prefixed && len(d.Sampling.Stop) == 0 {
		return nil
	}
	m, err := c.model(ctx, d.Model)
	if err != nil {
		return err
	}
	if d.MaxTokens == 0 {
		r.shared.Options["num_predict"] = cmp.Or(m.can.Context, unknownContext)
	}
	if len(d.Sampling.Stop) > 0 {
		r.shared.Options["stop"] = union(d.Sampling.Stop, m.stops)
	}
	if !prefixed || m.open {
		return nil
	}
	if !m.can.Prefix {
		return upstream.Invalid("prefixes", fmt.Sprintf("the template of model %q closes the last assistant turn, and the server does not render prompts, so a reply cannot be continued", d.Model))
	}
	if r.shared.Tools != nil {
		return upstream.Invalid("prefixes", fmt.Sprintf("model %q cannot continue a reply and call tools at once", d.Model))
	}
	r.raw, err = c.render(ctx, r.shared)
	return err
}

// of is the route and the body for continuation i.
func (r *request) of(i int) (route string, b body) {
	b = r.shared
	b.Options = maps.Clone(b.Options)
	b.Options["seed"] = upstream.FoldSeed(r.draw.Seeds[i])
	switch p := r.draw.Prefixes[i]; {
	case p == "":
		return "/api/chat", b
	case r.raw != "":
		b.Messages, b.Think = nil, nil
		b.Prompt, b.Raw = r.raw+p, true
		return "/api/generate", b
	default:
		b.Messages = withPrefix(b.Messages, p)
		return "/api/chat", b
	}
}

// withPrefix is a copy of messages, the beginning of the reply added.
func withPrefix(messages []api.Message, prefix string) []api.Message {
	out := slices.Clone(messages)
	if last := len(out) - 1; out[last].Role == chat.Assistant {
		out[last].Content += prefix
		return out
	}
	return append(out, api.Message{Role: chat.Assistant, Content: prefix})
}

// union is the stop texts of a request and the model's own, which the server would otherwise forget.
func union(asked, own []string) []string {
	all := slices.Clone(asked)
	for _, s := range own {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// sampling is the options object that the requests of a draw share, stop texts excepted.
func (c *Client) sampling(s chat.Sampling, predict int) map[string]any {
	o := maps.Clone(c.options.Set)
	if o == nil {
		o = make(map[string]any)
	}
	if c.options.Threads > 0 {
		o["num_thread"] = c.options.Threads
	}
	o["num_predict"] = predict
	set(o, "temperature", s.Temperature)
	set(o, "top_p", s.TopP)
	set(o, "min_p", s.MinP)
	set(o, "top_k", s.TopK)
	set(o, "presence_penalty", s.PresencePenalty)
	set(o, "frequency_penalty", s.FrequencyPenalty)
	return o
}

func set[T any](o map[string]any, name string, value *T) {
	if value != nil {
		o[name] = *value
	}
}

func (c *Client) think() *api.ThinkValue {
	if c.options.Think == nil {
		return nil
	}
	return &api.ThinkValue{Value: *c.options.Think}
}

// toFormat translates OpenAI's response_format to Ollama's format: "json" or a schema.
func toFormat(raw json.RawMessage) (json.RawMessage, error) {
	if upstream.Absent(raw) {
		return nil, nil
	}
	var f struct {
		Type       string
		JSONSchema struct{ Schema json.RawMessage } `json:"json_schema"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, upstream.Invalid("response_format", err.Error())
	}
	switch f.Type {
	case "text":
		return nil, nil
	case "json_object":
		return json.RawMessage(`"json"`), nil
	case "json_schema":
		if upstream.Absent(f.JSONSchema.Schema) {
			return nil, upstream.Invalid("response_format.json_schema.schema", "it is missing")
		}
		return f.JSONSchema.Schema, nil
	}
	return nil, upstream.Invalid("response_format.type", fmt.Sprintf("%q is not one of text, json_object, json_schema", f.Type))
}

// toTools translates OpenAI's tools. Ollama always lets the model choose.
func toTools(raw, choice json.RawMessage) (json.RawMessage, error) {
	if !upstream.Absent(choice) {
		var word string
		if json.Unmarshal(choice, &word) != nil || word != "auto" && word != "none" {
			return nil, upstream.Invalid("tool_choice", fmt.Sprintf("Ollama can only do \"auto\" and \"none\", not %s", choice))
		}
		if word == "none" {
			return nil, nil
		}
	}
	if upstream.Absent(raw) {
		return nil, nil
	}
	var tools []json.RawMessage
	if err := json.Unmarshal(raw, &tools); err != nil {
		return nil, upstream.Invalid("tools", err.Error())
	}
	return raw, nil
}

func toMessages(messages []chat.Message) ([]api.Message, error) {
	out := make([]api.Message, len(messages))
	for i, m := range messages {
		out[i] = api.Message{Role: m.Role, Content: m.Content, ToolCallID: m.ToolCallID}
		if m.Role == chat.Tool {
			out[i].ToolName = m.Name
		}
		calls, err := toToolCalls(m.ToolCalls)
		if err != nil {
			return nil, upstream.Invalid(fmt.Sprintf("messages[%d].tool_calls", i), err.Error())
		}
		out[i].ToolCalls = calls
	}
	return out, nil
}
