package ollama

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/ollama/ollama/api"

	"plumb/chat"
	"plumb/clients/upstream"
)

// line is what is read of one line of /api/chat or /api/generate. A reply that is not streamed is one line.
type line struct {
	Message struct {
		Content   string         `json:"content"`
		ToolCalls []api.ToolCall `json:"tool_calls"`
	} `json:"message"`
	Response        string        `json:"response"` // of /api/generate
	Done            bool          `json:"done"`
	DoneReason      string        `json:"done_reason"`
	PromptEvalCount int           `json:"prompt_eval_count"`
	EvalCount       int           `json:"eval_count"`
	Logprobs        []api.Logprob `json:"logprobs"`
	Error           string        `json:"error"`
}

// readReply reads a reply to its end and calls say for new text. Thinking is counted but not part of the text. A reply
// that ends before its last line, breaks or makes no sense is an error.
func readReply(body io.Reader, logprobs bool, say func(string, []chat.TokenLogprob)) (chat.Completion, error) {
	var text strings.Builder
	var done chat.Completion
	var calls []api.ToolCall
	for lines := upstream.Lines(body); ; {
		if !lines.Scan() {
			err := lines.Err()
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return done, err
		}
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			if broken := lines.Err(); broken != nil { // the line is what came before the break
				return done, broken
			}
			return done, fmt.Errorf("read reply: %w", err)
		}
		if l.Error != "" {
			return done, errors.New(l.Error)
		}
		tokens, err := fromLogprobs(l.Logprobs)
		if err != nil {
			return done, err
		}
		fresh := l.Message.Content + l.Response
		text.WriteString(fresh)
		done.Logprobs = append(done.Logprobs, tokens...)
		calls = append(calls, l.Message.ToolCalls...)
		say(fresh, tokens)
		if l.Done {
			done.Text = text.String()
			return finish(done, l, calls, logprobs)
		}
	}
}

// finish adds what the last line tells.
func finish(done chat.Completion, last line, calls []api.ToolCall, logprobs bool) (chat.Completion, error) {
	done.PromptTokens, done.CompletionTokens = last.PromptEvalCount, last.EvalCount
	switch last.DoneReason {
	case "stop", "":
		done.Finish = chat.FinishStop
	case "length":
		done.Finish = chat.FinishLength
	default: // "load", "unload": nothing was drawn
		return done, fmt.Errorf("the reply ended with reason %q", last.DoneReason)
	}
	var err error
	if done.ToolCalls, err = fromToolCalls(calls); err != nil {
		return done, err
	}
	if done.ToolCalls != nil {
		done.Finish = chat.FinishToolCalls
	}
	if !logprobs {
		return done, nil
	}
	if len(done.Logprobs) == 0 && done.Text != "" {
		return done, errors.New("the reply has no log-probs; they need Ollama 0.12.11 or later")
	}
	sum := 0.0
	for _, t := range done.Logprobs {
		sum += t.Logprob
	}
	done.Logprob = &sum
	return done, nil
}

func fromLogprobs(in []api.Logprob) ([]chat.TokenLogprob, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]chat.TokenLogprob, len(in))
	for i, t := range in {
		if math.IsNaN(t.Logprob) || t.Logprob > 1e-3 {
			return nil, fmt.Errorf("the log-prob %v of token %q is not one", t.Logprob, t.Token)
		}
		out[i] = fromToken(t.TokenLogprob)
		for _, alternative := range t.TopLogprobs {
			out[i].Top = append(out[i].Top, fromToken(alternative))
		}
	}
	return out, nil
}

func fromToken(t api.TokenLogprob) chat.TokenLogprob {
	return chat.TokenLogprob{Token: t.Token, Logprob: t.Logprob, Bytes: t.Bytes}
}
