package sampler

import "encoding/json"

// merge notes for every drawn candidate the first one that says the same: the same text and the same calls of tools,
// whatever ids the calls were given.
func merge(candidates []Candidate) {
	type reply struct{ text, calls string }
	first := map[reply]int{}
	for i := range candidates {
		c := &candidates[i]
		c.SameAs = i
		if c.Err != nil {
			continue
		}
		key := reply{c.Text, withoutIDs(c.ToolCalls)}
		if at, seen := first[key]; seen {
			c.SameAs = at
		} else {
			first[key] = i
		}
	}
}

// withoutIDs is a list of tool calls in one spelling and without their ids, which upstreams make up.
func withoutIDs(calls json.RawMessage) string {
	if len(calls) == 0 {
		return ""
	}
	var list []map[string]any
	if err := json.Unmarshal(calls, &list); err != nil {
		return string(calls)
	}
	for _, call := range list {
		delete(call, "id")
	}
	spelled, err := json.Marshal(list)
	if err != nil {
		return string(calls)
	}
	return string(spelled)
}
