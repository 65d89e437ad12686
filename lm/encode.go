package lm

import (
	"fmt"
	"slices"

	"plumb/chat"
)

// Sequence is a prompt with a completion, as tokens: the completion is Tokens[Start:].
type Sequence struct {
	Tokens []int32
	Start  int
}

// Render returns the text of a conversation in the model's own chat template, with the assistant's turn opened.
func (m *Model) Render(messages []chat.Message) (string, error) {
	if m.template == nil {
		return "", &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("render chat: the file of %s has no chat template", m.config.Name)}
	}
	return m.template.Render(messages, nil, true)
}

// EncodeText returns the tokens of plain text, which begins with BOS if the file asks for it.
func (m *Model) EncodeText(text string) []int32 {
	ids := m.tokenizer.Encode(text, true)
	if m.tokenizer.AddBOS && m.tokenizer.BOS >= 0 && (len(ids) == 0 || ids[0] != m.tokenizer.BOS) {
		ids = append([]int32{m.tokenizer.BOS}, ids...)
	}
	return ids
}

// EncodePrompt returns the tokens of a conversation whose reply begins with prefix. The text is tokenised as one, so that
// the prefix has the tokens it had when the model wrote it.
func (m *Model) EncodePrompt(messages []chat.Message, prefix string) ([]int32, error) {
	text, err := m.Render(messages)
	if err != nil {
		return nil, err
	}
	return m.tokenizer.Encode(text+prefix, true), nil
}

// EncodeChat returns a conversation with a reply to it as tokens. The text is tokenised as one, as it was when the model
// saw it, and split where the prompt's own tokens end; it fails if the prompt's tokens do not begin the whole. With
// end set the completion ends with the token that closes an assistant's turn.
func (m *Model) EncodeChat(messages []chat.Message, completion string, end bool) (Sequence, error) {
	text, err := m.Render(messages)
	if err != nil {
		return Sequence{}, err
	}
	return m.sequence(m.tokenizer.Encode(text, true), m.tokenizer.Encode(text+completion, true), end)
}

// EncodeCompletion is EncodeChat for plain text without a template.
func (m *Model) EncodeCompletion(prompt, completion string, end bool) (Sequence, error) {
	return m.sequence(m.EncodeText(prompt), m.EncodeText(prompt+completion), end)
}

func (m *Model) sequence(prompt, whole []int32, end bool) (Sequence, error) {
	if len(prompt) == 0 {
		return Sequence{}, &chat.Error{Kind: chat.Invalid, Msg: "encode: the prompt has no tokens"}
	}
	if len(whole) < len(prompt) || !slices.Equal(whole[:len(prompt)], prompt) {
		return Sequence{}, &chat.Error{Kind: chat.Invalid, Msg: "encode: the tokens of the prompt do not begin those of prompt and completion together; the completion must not merge with the end of the prompt"}
	}
	if end {
		whole = append(whole, m.endOfTurn())
	}
	return Sequence{whole, len(prompt)}, nil
}

// endOfTurn is the token that closes an assistant's turn: the file's end-of-turn token, else its end of text.
func (m *Model) endOfTurn() int32 {
	if m.tokenizer.EOT >= 0 {
		return m.tokenizer.EOT
	}
	return m.tokenizer.EOS
}
