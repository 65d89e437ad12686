// Package rows reads and writes training data as JSON Lines in TRL's row shapes: preference {prompt, chosen, rejected},
// unpaired {prompt, completion, label}, demonstrations {prompt, completion}; and candidates {prompt, candidates}. Every
// text may be a plain string or a list of messages. It lives apart from offline so that the reward model's commands and
// the trainers read the same files by the same rules.
//
// https://huggingface.co/docs/trl/dataset_formats
package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"plumb/chat"
)

// Text is a prompt or a reply: a plain string, or messages where Messages is not nil. It is written as it was read.
type Text struct {
	Plain    string
	Messages []chat.Message
}

// Plain returns a Text that is a plain string.
func Plain(s string) Text { return Text{Plain: s} }

// Chat returns t as a conversation; a plain string is one message of the given role.
func (t Text) Chat(role string) []chat.Message {
	if t.Messages != nil {
		return t.Messages
	}
	return []chat.Message{{Role: role, Content: t.Plain}}
}

// String returns the text of t, the contents of its messages one after the other with a blank line between.
func (t Text) String() string {
	if t.Messages == nil {
		return t.Plain
	}
	parts := make([]string, len(t.Messages))
	for i, m := range t.Messages {
		parts[i] = m.Content
	}
	return strings.Join(parts, "\n\n")
}

// IsZero reports whether t is absent: no messages and an empty string.
func (t Text) IsZero() bool { return t.Messages == nil && t.Plain == "" }

// MarshalJSON implements [json.Marshaler].
func (t Text) MarshalJSON() ([]byte, error) {
	if t.Messages != nil {
		return json.Marshal(t.Messages)
	}
	return json.Marshal(t.Plain)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = Text{}
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, &t.Plain)
	case len(b) > 0 && b[0] == '[':
		if err := json.Unmarshal(b, &t.Messages); err != nil {
			return err
		}
		return checkMessages(t.Messages)
	}
	return fmt.Errorf("got %.20s, want a string or a list of messages", b)
}

func checkMessages(messages []chat.Message) error {
	if len(messages) == 0 {
		return fmt.Errorf("got an empty list of messages, want at least one")
	}
	for i, m := range messages {
		switch m.Role {
		case chat.System, chat.User, chat.Assistant, chat.Tool:
		default:
			return fmt.Errorf("message %d: role: got %q, want system, user, assistant or tool", i, m.Role)
		}
	}
	return nil
}

// Preference says that of two replies to one prompt the chosen one is liked better, or neither where Tie is set.
//
// Also read: TRL's implicit prompt (chosen and rejected as whole conversations; what they share is the prompt), and
// votes {prompt, a, b, winner: "a" | "b" | "tie"}.
type Preference struct {
	Prompt   Text     `json:"prompt"`
	Chosen   Text     `json:"chosen"`
	Rejected Text     `json:"rejected"`
	Tie      bool     `json:"tie,omitempty"`
	Weight   *float64 `json:"weight,omitempty"` // ≥ 0; nil means 1
	Margin   float64  `json:"margin,omitempty"` // least wanted reward difference, in log-odds
	User     string   `json:"user,omitempty"`
	Source   string   `json:"source,omitempty"` // human, implicit, import, rm
	ID       string   `json:"id,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Preference) UnmarshalJSON(b []byte) error {
	type plain Preference
	var row struct {
		plain
		Prompt   *Text   `json:"prompt"`
		Chosen   *Text   `json:"chosen"`
		Rejected *Text   `json:"rejected"`
		A        *Text   `json:"a"`
		B        *Text   `json:"b"`
		Winner   *string `json:"winner"`
		Worker   any     `json:"worker"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	*p = Preference(row.plain)
	if row.Winner != nil && row.Chosen == nil {
		if err := vote(*row.Winner, row.A, row.B, &row.Chosen, &row.Rejected, &p.Tie); err != nil {
			return err
		}
		if p.User == "" && row.Worker != nil {
			p.User = fmt.Sprint(row.Worker)
		}
	}
	if row.Prompt == nil && row.Chosen != nil && row.Rejected != nil {
		row.Prompt = implicitPrompt(row.Chosen, row.Rejected)
	}
	if err := require("prompt", row.Prompt, "chosen", row.Chosen, "rejected", row.Rejected); err != nil {
		return err
	}
	p.Prompt, p.Chosen, p.Rejected = *row.Prompt, *row.Chosen, *row.Rejected
	return p.check()
}

// vote orders the two replies of a vote.
func vote(winner string, a, b *Text, chosen, rejected **Text, tie *bool) error {
	if err := require("a", a, "b", b); err != nil {
		return err
	}
	*chosen, *rejected = a, b
	switch winner {
	case "a":
	case "b":
		*chosen, *rejected = b, a
	case "tie":
		*tie = true
	default:
		return fmt.Errorf("winner: got %q, want a, b or tie", winner)
	}
	return nil
}

// implicitPrompt cuts the messages that both conversations begin with off them and returns them; nil if there are none
// or if nothing would be left of either reply.
func implicitPrompt(chosen, rejected *Text) *Text {
	a, b := chosen.Messages, rejected.Messages
	n := 0
	for n < min(len(a), len(b))-1 && sameMessage(a[n], b[n]) {
		n++
	}
	if n == 0 {
		return nil
	}
	prompt := &Text{Messages: a[:n:n]}
	chosen.Messages, rejected.Messages = a[n:], b[n:]
	return prompt
}

func sameMessage(a, b chat.Message) bool {
	return a.Role == b.Role && a.Content == b.Content && a.Name == b.Name && a.ToolCallID == b.ToolCallID && bytes.Equal(a.ToolCalls, b.ToolCalls)
}

// Unpaired is one reply with a thumb up (Label) or down, or with a rating.
type Unpaired struct {
	Prompt     Text     `json:"prompt"`
	Completion Text     `json:"completion"`
	Label      bool     `json:"label"`
	Rating     float64  `json:"rating,omitempty"` // 1 … 5, 0 where there was only a label
	Weight     *float64 `json:"weight,omitempty"`
	User       string   `json:"user,omitempty"`
	Source     string   `json:"source,omitempty"`
	ID         string   `json:"id,omitempty"`
}

// Target returns how good the reply is said to be, in [0, 1]: the label, or the rating mapped linearly.
func (u Unpaired) Target() float64 {
	switch {
	case u.Rating != 0:
		return (u.Rating - 1) / 4
	case u.Label:
		return 1
	}
	return 0
}

// ratings are the words of Topical-Chat and the like for a rating of 1 to 5.
var ratings = []string{"poor", "not good", "passable", "good", "excellent"}

// UnmarshalJSON implements [json.Unmarshaler]. The label is true, false, 1, 0 or −1; in place of it a rating is taken:
// a number of 1 … 5, or one of Poor, Not Good, Passable, Good, Excellent. The label of a rating is rating > 3.
func (u *Unpaired) UnmarshalJSON(b []byte) error {
	type plain Unpaired
	var row struct {
		plain
		Prompt     *Text `json:"prompt"`
		Completion *Text `json:"completion"`
		Label      any   `json:"label"`
		Rating     any   `json:"rating"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	*u = Unpaired(row.plain)
	if err := require("prompt", row.Prompt, "completion", row.Completion); err != nil {
		return err
	}
	u.Prompt, u.Completion = *row.Prompt, *row.Completion
	switch rating := row.Rating.(type) {
	case nil:
	case float64:
		u.Rating = rating
	case string:
		u.Rating = float64(1 + slices.Index(ratings, strings.ToLower(rating)))
	}
	if row.Rating != nil && !(u.Rating >= 1 && u.Rating <= 5) {
		return fmt.Errorf("rating: got %v, want 1 … 5 or one of %s", row.Rating, strings.Join(ratings, ", "))
	}
	switch row.Label {
	case nil:
		if u.Rating == 0 {
			return fmt.Errorf("label: missing; want true or false, or a rating")
		}
		u.Label = u.Rating > 3
	case true, 1.0:
		u.Label = true
	case false, 0.0, -1.0:
	default:
		return fmt.Errorf("label: got %v, want true or false", row.Label)
	}
	return checkWeight(u.Weight)
}

// Demonstration is a prompt with the reply that a person wished for, perhaps beside replies of the model.
type Demonstration struct {
	Prompt     Text        `json:"prompt"`
	Completion Text        `json:"completion"`
	Candidates []Candidate `json:"candidates,omitempty"`
	Weight     *float64    `json:"weight,omitempty"`
	User       string      `json:"user,omitempty"`
	Source     string      `json:"source,omitempty"`
	ID         string      `json:"id,omitempty"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Demonstration) UnmarshalJSON(b []byte) error {
	type plain Demonstration
	var row struct {
		plain
		Prompt     *Text             `json:"prompt"`
		Completion *Text             `json:"completion"`
		Candidates []json.RawMessage `json:"candidates"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	*d = Demonstration(row.plain)
	if err := require("prompt", row.Prompt, "completion", row.Completion); err != nil {
		return err
	}
	d.Prompt, d.Completion = *row.Prompt, *row.Completion
	var err error
	if d.Candidates, err = readCandidates(row.Candidates); err != nil {
		return err
	}
	return checkWeight(d.Weight)
}

// Candidates is several replies to one prompt, each with a score where one is known.
type Candidates struct {
	Prompt     Text        `json:"prompt"`
	Candidates []Candidate `json:"candidates"`
	ID         string      `json:"id,omitempty"`
}

// Candidate is one of several replies. A plain string is read as its text.
type Candidate struct {
	Text      string   `json:"text"`
	Score     *float64 `json:"score,omitempty"`      // gold; higher is better; nil where unknown
	LogWeight *float64 `json:"log_weight,omitempty"` // log π_ref − log q, in nats, of one drawn from q; nil where that is the reference
}

func readCandidates(raw []json.RawMessage) ([]Candidate, error) {
	var all []Candidate
	for i, b := range raw {
		var c struct {
			Text      *string  `json:"text"`
			Score     *float64 `json:"score"`
			LogWeight *float64 `json:"log_weight"`
		}
		var err error
		if len(b) > 0 && b[0] == '"' {
			err = json.Unmarshal(b, &c.Text)
		} else {
			err = json.Unmarshal(b, &c)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("candidates[%d]: %w", i, err)
		case c.Text == nil:
			return nil, fmt.Errorf("candidates[%d].text: missing; want a string", i)
		}
		all = append(all, Candidate{*c.Text, c.Score, c.LogWeight})
	}
	return all, nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Candidates) UnmarshalJSON(b []byte) error {
	var row struct {
		Prompt     *Text             `json:"prompt"`
		Candidates []json.RawMessage `json:"candidates"`
		ID         string            `json:"id"`
	}
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	if err := require("prompt", row.Prompt); err != nil {
		return err
	}
	if len(row.Candidates) == 0 {
		return fmt.Errorf("candidates: missing or empty; want [{text, score}, …]")
	}
	*c = Candidates{Prompt: *row.Prompt, ID: row.ID}
	var err error
	c.Candidates, err = readCandidates(row.Candidates)
	return err
}

// require takes names and values in turn and reports the first value that is nil.
func require(nameValue ...any) error {
	for i := 0; i < len(nameValue); i += 2 {
		if nameValue[i+1].(*Text) == nil {
			return fmt.Errorf("%s: missing; want a string or a list of messages", nameValue[i])
		}
	}
	return nil
}

func (p *Preference) check() error {
	if math.Abs(p.Margin) > 1e3 {
		return fmt.Errorf("margin: got %v, want -1000 … 1000", p.Margin)
	}
	return checkWeight(p.Weight)
}

func checkWeight(w *float64) error {
	if w != nil && !(*w >= 0 && *w <= 1e6) {
		return fmt.Errorf("weight: got %v, want 0 … 1e6", *w)
	}
	return nil
}
