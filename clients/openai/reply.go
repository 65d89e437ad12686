package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"plumb/chat"
	"plumb/clients/upstream"
)

// maxToolCalls bounds the calls of one reply.
const maxToolCalls = 128

// object is a completion, or one chunk of it.
type object struct {
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type choice struct {
	Index        int     `json:"index"`
	Message      message `json:"message"` // of a whole completion
	Delta        message `json:"delta"`   // of a chunk
	FinishReason string  `json:"finish_reason"`
	Logprobs     struct {
		Content []chat.TokenLogprob `json:"content"`
	} `json:"logprobs"`
}

type message struct {
	Content   string          `json:"content"`
	ToolCalls json.RawMessage `json:"tool_calls"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

type say = func(text string, logprobs []chat.TokenLogprob)

// readWhole reads a completion that is not streamed.
func readWhole(r io.Reader, say say) (chat.Completion, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return chat.Completion{}, err
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return chat.Completion{}, fmt.Errorf("read reply: %w", err)
	}
	if err := o.failure(); err != nil {
		return chat.Completion{}, err
	}
	if len(o.Choices) == 0 {
		return chat.Completion{}, errors.New("the reply has no choice")
	}
	c := o.Choices[0]
	done := chat.Completion{Text: c.Message.Content, Logprobs: c.Logprobs.Content}
	if !upstream.Absent(c.Message.ToolCalls) && string(c.Message.ToolCalls) != "[]" {
		done.ToolCalls = c.Message.ToolCalls
	}
	if o.Usage != nil {
		done.PromptTokens, done.CompletionTokens = o.Usage.PromptTokens, o.Usage.CompletionTokens
	}
	if c.FinishReason == "" {
		return done, errors.New("the reply has no finish_reason")
	}
	if err := finish(&done, c.FinishReason); err != nil {
		return done, err
	}
	say(done.Text, done.Logprobs)
	return done, nil
}

// readStream reads a streamed completion to its end and calls say for new text. Once the finish_reason was read the reply
// is complete: that what follows, usage and [DONE], does not come is no failure.
func readStream(r io.Reader, say say) (chat.Completion, error) {
	var s stream
	for in := newEvents(r); ; {
		data, err := in.next()
		if err == nil && string(data) == "[DONE]" {
			return s.done()
		}
		var o object
		if err == nil {
			err = json.Unmarshal(data, &o)
		}
		if err == nil {
			err = o.failure()
		}
		if err == nil {
			err = s.add(&o, say)
		}
		switch {
		case err == nil:
		case s.finish != "":
			return s.done()
		case err == io.EOF:
			return chat.Completion{}, io.ErrUnexpectedEOF
		default:
			return chat.Completion{}, err
		}
	}
}

// failure is the error that came in the place of a completion.
func (o *object) failure() error {
	if upstream.Absent(o.Error) {
		return nil
	}
	var e struct{ Message string }
	if json.Unmarshal(o.Error, &e) == nil && e.Message != "" {
		return fmt.Errorf("the server says: %.500s", e.Message)
	}
	return fmt.Errorf("the server says: %.500s", o.Error)
}

// stream is a reply that is being read.
type stream struct {
	text     strings.Builder
	logprobs []chat.TokenLogprob
	calls    []toolCall
	finish   string
	usage    *usage
	pieces   int
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func (s *stream) add(o *object, say say) error {
	if o.Usage != nil {
		s.usage = o.Usage // some servers send it with every chunk, rising
	}
	for _, c := range o.Choices {
		if c.Index != 0 {
			continue // more than was asked for
		}
		if err := s.addCalls(c.Delta.ToolCalls); err != nil {
			return err
		}
		s.text.WriteString(c.Delta.Content)
		s.logprobs = append(s.logprobs, c.Logprobs.Content...)
		if c.Delta.Content != "" {
			s.pieces++
		}
		if c.FinishReason != "" {
			s.finish = c.FinishReason
		}
		say(c.Delta.Content, c.Logprobs.Content)
	}
	return nil
}

// addCalls joins the parts of tool calls: a part with a new index begins one.
func (s *stream) addCalls(raw json.RawMessage) error {
	if upstream.Absent(raw) {
		return nil
	}
	var parts []struct {
		Index int `json:"index"`
		toolCall
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("read tool calls: %w", err)
	}
	for _, p := range parts {
		if p.Index < 0 || p.Index > len(s.calls) || p.Index >= maxToolCalls {
			return fmt.Errorf("read tool calls: index %d after %d calls", p.Index, len(s.calls))
		}
		if p.Index == len(s.calls) {
			s.calls = append(s.calls, toolCall{Type: "function"})
		}
		call := &s.calls[p.Index]
		if p.ID != "" {
			call.ID = p.ID
		}
		call.Function.Name += p.Function.Name
		call.Function.Arguments += p.Function.Arguments
	}
	return nil
}

func (s *stream) done() (chat.Completion, error) {
	done := chat.Completion{Text: s.text.String(), CompletionTokens: max(s.pieces, len(s.logprobs)), Logprobs: s.logprobs}
	if s.usage != nil {
		done.PromptTokens, done.CompletionTokens = s.usage.PromptTokens, s.usage.CompletionTokens
	}
	if len(s.calls) > 0 {
		calls, err := json.Marshal(s.calls)
		if err != nil {
			return done, err
		}
		done.ToolCalls = calls
	}
	return done, finish(&done, s.finish)
}

// finish translates the finish_reason, "" where only [DONE] came, and adds up the log-probs.
func finish(done *chat.Completion, reason string) error {
	switch reason {
	case "stop", "", "eos", "eos_token", "stop_sequence":
		done.Finish = chat.FinishStop
	case "length":
		done.Finish = chat.FinishLength
	case "tool_calls", "function_call":
		done.Finish = chat.FinishToolCalls
	default: // "content_filter", "abort", "error"
		return fmt.Errorf("the reply ended with finish_reason %q", reason)
	}
	if done.ToolCalls != nil {
		done.Finish = chat.FinishToolCalls
	}
	if len(done.Logprobs) == 0 {
		return nil
	}
	sum := 0.0
	for _, t := range done.Logprobs {
		if math.IsNaN(t.Logprob) || t.Logprob > 1e-3 {
			return fmt.Errorf("the log-prob %v of token %q is not one", t.Logprob, t.Token)
		}
		sum += t.Logprob
	}
	done.Logprob = &sum
	return nil
}
