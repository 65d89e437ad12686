package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"

	"plumb/chat"
)

const maxTopLogprobs = 20

// Check says what is wrong with a draw for any server. The error is Invalid and names the field.
func Check(d chat.Draw) error {
	s := d.Sampling
	switch {
	case d.Model == "":
		return Invalid("model", "it is empty")
	case len(d.Messages) == 0:
		return Invalid("messages", "there are none")
	case len(d.Seeds) != len(d.Prefixes):
		return Invalid("seeds", fmt.Sprintf("there are %d for %d prefixes", len(d.Seeds), len(d.Prefixes)))
	case d.MaxTokens < 0:
		return Invalid("max_tokens", fmt.Sprintf("%d is below 1", d.MaxTokens))
	case s.TopLogprobs < 0 || s.TopLogprobs > maxTopLogprobs:
		return Invalid("top_logprobs", fmt.Sprintf("%d is not in 0..%d", s.TopLogprobs, maxTopLogprobs))
	}
	return nil
}

// Invalid is the error for a field of a draw.
func Invalid(param, what string) error {
	return &chat.Error{Kind: chat.Invalid, Param: param, Msg: "draw: " + param + ": " + what}
}

// Absent says that an optional JSON field is missing or null.
func Absent(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}
