package pairs

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

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

// TopicKey identifies prompts that ask the same in almost the same words: like [PromptKey], but blind to case and to
// everything that is neither letter nor digit. Splits and caps go by it.
func TopicKey(messages []chat.Message) string {
	return hashMessages(messages, func(text string) string {
		words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		})
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
