package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/nikolalohinski/gonja/v2/exec"

	"plumb/chat"
)

// list is a list of which templates can take items from the end, [-1], as in Python.
type list []any

// GetItem implements exec.ItemGetter.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

// messageValues are the messages as templates see them: role and content always, the other fields where they are set.
func messageValues(messages []chat.Message) (list, error) {
	out := list{}
	for i, m := range messages {
		d := exec.NewDict()
		put(d, "role", m.Role)
		put(d, "content", m.Content)
		if m.Name != "" {
			put(d, "name", m.Name)
		}
		if m.ToolCallID != "" {
			put(d, "tool_call_id", m.ToolCallID)
		}
		if len(m.ToolCalls) > 0 {
			calls, err := decode(m.ToolCalls)
			if err != nil {
				path := fmt.Sprintf("messages[%d].tool_calls", i)
				return nil, &chat.Error{Kind: chat.Invalid, Param: path, Msg: "read " + path, Cause: err}
			}
			openArguments(calls)
			put(d, "tool_calls", calls)
		}
		out = append(out, d)
	}
	return out, nil
}

func toolValues(tools json.RawMessage) (any, error) {
	if len(tools) == 0 {
		return nil, nil
	}
	v, err := decode(tools)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Param: "tools", Msg: "read tools", Cause: err}
	}
	return v, nil
}

func put(d *exec.Dict, key string, value any) {
	d.Pairs = append(d.Pairs, &exec.Pair{Key: exec.AsValue(key), Value: exec.AsValue(value)})
}

// openArguments replaces the arguments of each call, which OpenAI's interface writes as a string of JSON, by the object
// in it: templates are written for objects.
func openArguments(calls any) {
	items, _ := calls.(list)
	for _, call := range items {
		function := field(call, "function")
		if function == nil {
			continue
		}
		arguments := field(function.Value.Interface(), "arguments")
		if arguments == nil || !arguments.Value.IsString() {
			continue
		}
		if v, err := decode([]byte(arguments.Value.String())); err == nil {
			switch v.(type) {
			case *exec.Dict, map[string]any:
				arguments.Value = exec.AsValue(v)
			}
		}
	}
}

func field(value any, name string) *exec.Pair {
	d, ok := value.(*exec.Dict)
	if !ok {
		return nil
	}
	for _, pair := range d.Pairs {
		if pair.Key.String() == name {
			return pair
		}
	}
	return nil
}

// decode reads JSON and keeps the order of keys, which templates show.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more text after the JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("JSON nested deeper than %d", maxNesting)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return decodeNumber(t)
	case json.Delim:
		if t == '[' {
			return decodeList(d, depth)
		}
		return decodeDict(d, depth)
	}
	return t, nil // string, bool or nil
}

func decodeNumber(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return int(i), nil
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("number %.40q is out of range", n.String())
	}
	return f, nil
}

func decodeList(d *json.Decoder, depth int) (any, error) {
	out := list{}
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func decodeDict(d *json.Decoder, depth int) (any, error) {
	out := exec.NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		put(out, key.(string), v)
	}
	_, err := d.Token()
	if len(out.Pairs) == 0 {
		return map[string]any{}, err // which the library takes for false, as Python does
	}
	return out, err
}

func inputSize(messages []chat.Message, tools json.RawMessage) int {
	n := len(tools)
	for _, m := range messages {
		n += len(m.Role) + len(m.Content) + len(m.Name) + len(m.ToolCalls) + len(m.ToolCallID)
	}
	return n
}
