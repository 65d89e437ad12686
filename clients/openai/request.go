package openai

import (
	"encoding/json"
	"slices"

	"plumb/chat"
	"plumb/clients/upstream"
)

// body is a request. Fields of [chat.Sampling] have OpenAI's names; top_k and min_p are known to vLLM, SGLang and
// llama.cpp.
type body struct {
	Model               string          `json:"model"`
	Messages            []chat.Message  `json:"messages"`
	Seed                *int64          `json:"seed,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	Temperature         *float64        `json:"temperature,omitempty"`
	TopP                *float64        `json:"top_p,omitempty"`
	MinP                *float64        `json:"min_p,omitempty"`
	TopK                *int            `json:"top_k,omitempty"`
	PresencePenalty     *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty,omitempty"`
	Stop                []string        `json:"stop,omitempty"`
	Logprobs            bool            `json:"logprobs,omitempty"`
	TopLogprobs         int             `json:"top_logprobs,omitempty"`
	ResponseFormat      json.RawMessage `json:"response_format,omitempty"`
	Tools               json.RawMessage `json:"tools,omitempty"`
	ToolChoice          json.RawMessage `json:"tool_choice,omitempty"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options,omitempty"`
	ContinueFinal       bool            `json:"continue_final_message,omitempty"`
	AddGenerationPrompt *bool           `json:"add_generation_prompt,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// check says which fields of a draw cannot be honoured.
func (c *Client) check(d chat.Draw) error {
	if err := upstream.Check(d); err != nil {
		return err
	}
	prefixed := slices.ContainsFunc(d.Prefixes, func(p string) bool { return p != "" })
	for _, need := range []struct {
		param          string
		asked, refused bool
	}{
		{"prefixes", prefixed, !c.options.ContinueFinal},
		{"logprobs", d.Sampling.Logprobs, c.options.NoLogprobs},
		{"tools", !upstream.Absent(d.Sampling.Tools), c.options.NoTools},
	} {
		if need.asked && need.refused {
			return upstream.Invalid(need.param, "this upstream is said not to support it")
		}
	}
	return nil
}

// body is the request for continuation i.
func (c *Client) body(d chat.Draw, i int) *body {
	s := d.Sampling
	b := &body{
		Model: d.Model, Messages: d.Messages, Temperature: s.Temperature, TopP: s.TopP, MinP: s.MinP, TopK: s.TopK,
		PresencePenalty: s.PresencePenalty, FrequencyPenalty: s.FrequencyPenalty, Stop: s.Stop,
		Logprobs: s.Logprobs, TopLogprobs: s.TopLogprobs,
		ResponseFormat: s.ResponseFormat, Tools: s.Tools, ToolChoice: s.ToolChoice, Stream: d.Stream,
	}
	if !c.options.NoSeed {
		seed := upstream.FoldSeed(d.Seeds[i])
		b.Seed = &seed
	}
	if c.options.MaxCompletionTokens {
		b.MaxCompletionTokens = d.MaxTokens
	} else {
		b.MaxTokens = d.MaxTokens
	}
	if d.Stream {
		b.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	if d.Prefixes[i] != "" {
		no := false
		b.Messages = withPrefix(d.Messages, d.Prefixes[i])
		b.ContinueFinal, b.AddGenerationPrompt = true, &no
	}
	return b
}

// withPrefix is a copy of messages, the beginning of the reply added.
func withPrefix(messages []chat.Message, prefix string) []chat.Message {
	out := slices.Clone(messages)
	if last := len(out) - 1; out[last].Role == chat.Assistant {
		out[last].Content += prefix
		return out
	}
	return append(out, chat.Message{Role: chat.Assistant, Content: prefix})
}
