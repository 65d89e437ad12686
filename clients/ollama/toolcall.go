package ollama

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ollama/ollama/api"

	"plumb/clients/upstream"
)

// toolCall is OpenAI's shape: Ollama has the same fields, but arguments is an object there and a string here.
type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function toolFunction `json:"function"`
}

type toolFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// toToolCalls translates the calls of an earlier assistant message.
func toToolCalls(raw json.RawMessage) ([]api.ToolCall, error) {
	if upstream.Absent(raw) {
		return nil, nil
	}
	var calls []toolCall
	if err := json.Unmarshal(raw, &calls); err != nil {
		return nil, err
	}
	out := make([]api.ToolCall, len(calls))
	for i, c := range calls {
		out[i] = api.ToolCall{ID: c.ID, Function: api.ToolCallFunction{Index: i, Name: c.Function.Name}}
		if c.Function.Arguments == "" {
			continue
		}
		if err := json.Unmarshal([]byte(c.Function.Arguments), &out[i].Function.Arguments); err != nil {
			return nil, fmt.Errorf("arguments of call %d: %w", i, err)
		}
	}
	return out, nil
}

// fromToolCalls translates the calls of a reply, nil if there are none.
func fromToolCalls(calls []api.ToolCall) (json.RawMessage, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	out := make([]toolCall, len(calls))
	for i, c := range calls {
		if c.ID == "" {
			c.ID = "call_" + strconv.Itoa(i)
		}
		out[i] = toolCall{ID: c.ID, Type: "function", Function: toolFunction{c.Function.Name, c.Function.Arguments.String()}}
	}
	return json.Marshal(out)
}
