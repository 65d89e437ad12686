package server

import (
	"encoding/json"
	"slices"
	"strings"

	"plumb/chat"
)

// readMessages reads OpenAI's messages. Content is a string or an array of text parts, which are joined; what is no text
// is refused.
func readMessages(r *reader, path string) ([]chat.Message, error) {
	var messages []chat.Message
	err := r.array(path, func(i int, path string) error {
		if i >= maxMessages {
			return invalid("messages", "more than %d", maxMessages)
		}
		m, err := readMessage(r, path)
		messages = append(messages, m)
		return err
	})
	return messages, err
}

func readMessage(r *reader, path string) (chat.Message, error) {
	var m chat.Message
	var given, content bool
	if r.peek() == 'n' {
		return m, invalid(path, "want an object, got null")
	}
	err := r.object(path, func(name, path string) (err error) {
		switch name {
		case "role":
			given = true
			return r.oneOf(path, &m.Role, chat.System, "developer", chat.User, chat.Assistant, chat.Tool)
		case "content":
			content = r.peek() != 'n'
			m.Content, err = readContent(r, path)
			return err
		case "name":
			return r.string(path, &m.Name)
		case "tool_calls":
			m.ToolCalls, err = readTools(r, path)
			return err
		case "tool_call_id":
			return r.string(path, &m.ToolCallID)
		case "refusal", "audio", "function_call":
			if r.peek() == 'n' { // as OpenAI's own replies have it
				return r.skip(path)
			}
			return r.unsupported(path, "not supported")
		case "annotations":
			return r.skip(path)
		}
		return r.unknown(path)
	})
	if err != nil {
		return m, err
	}
	switch {
	case !given || m.Role == "":
		return m, invalid(path+".role", "missing")
	case !content && (m.Role != chat.Assistant || m.ToolCalls == nil):
		return m, invalid(path+".content", "missing")
	case m.ToolCalls != nil && m.Role != chat.Assistant:
		return m, invalid(path+".tool_calls", "only a message of role assistant has them, this is of role %s", m.Role)
	case m.Role == chat.Tool && m.ToolCallID == "":
		return m, invalid(path+".tool_call_id", "missing: a message of role tool answers a call")
	case m.Role == "developer":
		m.Role = chat.System
	}
	return m, nil
}

func readContent(r *reader, path string) (string, error) {
	switch r.peek() {
	case '"', 'n':
		var text string
		err := r.string(path, &text)
		return text, err
	case '[':
	default:
		return "", invalid(path, "want a string or an array of text parts, got %s", r.found())
	}
	var parts []string
	err := r.array(path, func(_ int, path string) error {
		var typ, text string
		var given bool
		err := r.object(path, func(name, path string) error {
			switch name {
			case "type":
				return r.oneOf(path, &typ, "text")
			case "text":
				given = true
				return r.string(path, &text)
			}
			if typ == "" || typ == "text" {
				return r.unknown(path)
			}
			return r.skip(path)
		})
		switch {
		case err != nil:
			return err
		case typ == "":
			return invalid(path+".type", "missing: want text")
		case !given:
			return invalid(path+".text", "missing")
		}
		parts = append(parts, text)
		return nil
	})
	return strings.Join(parts, ""), err
}

// readStop reads one stop sequence or up to four.
func readStop(r *reader, path string) ([]string, error) {
	if r.peek() != '[' {
		var stop string
		if r.peek() == 'n' {
			return nil, r.skip(path)
		}
		if r.peek() != '"' {
			return nil, invalid(path, "want a string or an array of at most %d strings, got %s", maxStops, r.found())
		}
		if err := r.string(path, &stop); err != nil {
			return nil, err
		}
		return []string{stop}, checkStop(path, stop)
	}
	var stops []string
	err := r.array(path, func(i int, path string) error {
		var stop string
		if i >= maxStops {
			return invalid("stop", "more than %d sequences", maxStops)
		}
		if err := r.string(path, &stop); err != nil {
			return err
		}
		stops = append(stops, stop)
		return checkStop(path, stop)
	})
	return stops, err
}

func checkStop(path, stop string) error {
	if stop == "" {
		return invalid(path, "empty: want at least one character")
	}
	return nil
}

// readResponseFormat reads the format of the reply; plain text is nil.
func readResponseFormat(r *reader, path string) (json.RawMessage, error) {
	raw, err := r.rawObject(path)
	if raw == nil || err != nil {
		return nil, err
	}
	var format struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"json_schema"`
	}
	if err := json.Unmarshal(raw, &format); err != nil {
		return nil, invalid(path, "want type and, with json_schema, the schema")
	}
	switch format.Type {
	case "text":
		return nil, nil
	case "json_object":
		return raw, nil
	case "json_schema":
		if len(format.Schema) == 0 || format.Schema[0] != '{' {
			return nil, invalid(path+".json_schema", "missing: want an object")
		}
		return raw, nil
	}
	return nil, invalid(path+".type", "got %s, want text, json_object or json_schema", quote(format.Type))
}

// readTools reads an array of functions, declared or called; both have type and function.name. An empty one is nil.
func readTools(r *reader, path string) (json.RawMessage, error) {
	if got := r.peek(); got != '[' && got != 'n' {
		return nil, invalid(path, "want an array, got %s", r.found())
	}
	raw, err := r.raw(path)
	if raw == nil || err != nil {
		return nil, err
	}
	var tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(raw, &tools); err != nil {
		return nil, invalid(path, "want an array of {type, function {name, …}}")
	}
	for i, tool := range tools {
		at := path + "[" + itoa(i) + "]"
		if tool.Type != "function" {
			return nil, invalid(at+".type", "got %s, want function", quote(tool.Type))
		}
		if tool.Function.Name == "" {
			return nil, invalid(at+".function.name", "missing")
		}
	}
	if len(tools) == 0 {
		return nil, nil
	}
	return raw, nil
}

// readToolChoice reads none, auto, required or one function.
func readToolChoice(r *reader, path string) (json.RawMessage, error) {
	switch r.peek() {
	case '"':
		start := r.at
		var choice string
		if err := r.oneOf(path, &choice, "none", "auto", "required"); err != nil {
			return nil, err
		}
		return r.body[start:r.at], nil
	case '{', 'n':
		return r.raw(path)
	}
	return nil, invalid(path, "want a string or an object, got %s", r.found())
}

// harmlessChoice says whether a choice can be honoured without tools.
func harmlessChoice(choice json.RawMessage) bool {
	return slices.Contains([]string{`"none"`, `"auto"`}, string(choice))
}

// readMetadata reads OpenAI's metadata: at most 16 pairs of strings.
func readMetadata(r *reader, path string) (json.RawMessage, error) {
	if r.peek() == 'n' {
		return nil, r.skip(path)
	}
	start, pairs := r.at, 0
	err := r.object(path, func(name, path string) error {
		var value string
		if pairs++; pairs > 16 {
			return invalid("metadata", "more than 16 pairs")
		}
		if len(name) > 64 {
			return invalid(path, "a name of %d bytes, want at most 64", len(name))
		}
		if err := r.string(path, &value); err != nil {
			return err
		}
		if len(value) > 512*4 {
			return invalid(path, "%d bytes, want at most %d", len(value), 512*4)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.RawMessage(r.body[start:r.at]), nil
}

// rawObject reads an object as text.
func (r *reader) rawObject(path string) (json.RawMessage, error) {
	if got := r.peek(); got != '{' && got != 'n' {
		return nil, invalid(path, "want an object, got %s", r.found())
	}
	return r.raw(path)
}
