package pairs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"plumb/chat"
)

// Canonical returns text in Unicode's composed form with white space folded to single blanks: texts that a reader takes for
// the same are.
func Canonical(text string) string {
	return strings.Join(strings.Fields(norm.NFC.String(text)), " ")
}

// PromptKey identifies a prompt: a hash over the roles and canonical contents of all messages, the system prompt included.
func PromptKey(messages []chat.Message) string { return hashMessages(messages, Canonical) }

// TopicKey identifies prompts that ask the same in the same words: like [PromptKey], but blind to case and to everything that is
// neither letter nor digit. [Build] puts topics that are almost the same under one key.
func TopicKey(messages []chat.Message) string {
	return hashMessages(messages, func(text string) string {
		words := plainWords(text)
		if len(words) == 0 { // nothing but signs: they are all there is
			return Canonical(text)
		}
		return strings.Join(words, " ")
	})
}

func hashMessages(messages []chat.Message, form func(string) string) string {
	h := sha256.New()
	for _, m := range messages {
		for _, part := range []string{m.Role, form(m.Content), m.Name, string(m.ToolCalls), m.ToolCallID} {
			h.Write([]byte(part))
			h.Write([]byte{0})
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// lesser returns the smaller of two forms of a prompt, in an order of their texts: which of those that have one key stands for them does
// not depend on which came first.
func lesser(a, b []chat.Message) []chat.Message {
	order := slices.CompareFunc(a, b, func(x, y chat.Message) int {
		return cmp.Or(strings.Compare(x.Role, y.Role), strings.Compare(x.Content, y.Content), strings.Compare(x.Name, y.Name),
			bytes.Compare(x.ToolCalls, y.ToolCalls), strings.Compare(x.ToolCallID, y.ToolCallID))
	})
	if order <= 0 {
		return a
	}
	return b
}

// Prompt is a prompt with its key.
type Prompt struct {
	Key      string
	Messages []chat.Message
}

// Prompts returns the different prompts of all rows.
func (s Set) Prompts() []Prompt {
	var all []Prompt
	seen := map[string]bool{}
	add := func(m Meta, messages []chat.Message) {
		if !seen[m.Prompt] {
			seen[m.Prompt] = true
			all = append(all, Prompt{m.Prompt, messages})
		}
	}
	for _, r := range s.Preferences {
		add(r.Meta, r.Messages)
	}
	for _, r := range s.Unpaired {
		add(r.Meta, r.Messages)
	}
	for _, r := range s.Demonstrations {
		add(r.Meta, r.Messages)
	}
	return all
}
