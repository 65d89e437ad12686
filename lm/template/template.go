// Package template renders the chat template that a model's file carries, the Jinja text under tokenizer.chat_template,
// with the same variables, functions and white space rules as Hugging Face's apply_chat_template.
//
// A template comes with a model file, which may be hostile. So a template reads no files, and its size, its steps, the
// size of its values and of its output are bounded: see limits.go and check.go.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"

	"plumb/chat"
)

// Template is a parsed chat template. It is safe for concurrent use.
type Template struct {
	// Now is the clock of strftime_now. New sets it to time.Now.
	Now func() time.Time

	source   string
	bos, eos string
	parsed   *exec.Template
}

// New parses the source of a template. bos and eos are the texts of the tokens that begin and end a text, "" if the model has
// none. Jinja that can read files (include, import, extends) is refused, as is what check.go bounds.
func New(source, bos, eos string) (t *Template, err error) {
	defer recovered("parse chat template", &err)
	lowered, err := front(source)
	if err != nil {
		return nil, fmt.Errorf("parse chat template: %w", err)
	}
	cfg := config.New()
	cfg.KeepTrailingNewline = true
	parsed, err := exec.NewTemplate(root, cfg, loader(lowered), newEnvironment())
	if err != nil {
		return nil, fmt.Errorf("parse chat template: %w", shortened(err, lowered))
	}
	return &Template{Now: time.Now, source: source, bos: bos, eos: eos, parsed: parsed}, nil
}

// front reads a template as Jinja does and writes it as the library shall read it.
func front(source string) (string, error) {
	if err := checkSource(source); err != nil {
		return "", err
	}
	parts, err := scan(source)
	if err != nil {
		return "", err
	}
	if err := checkParts(parts); err != nil {
		return "", err
	}
	return lower(parts), nil
}

// Source returns the text that New was given.
func (t *Template) Source() string { return t.source }

// Render returns the conversation as the text the model was trained on. tools is OpenAI's array, or nil. With
// addGenerationPrompt the text ends where the model's own reply begins. Where the template itself refuses the conversation
// (raise_exception), the error is a [chat.Error] of kind Invalid with the template's own words.
func (t *Template) Render(messages []chat.Message, tools json.RawMessage, addGenerationPrompt bool) (text string, err error) {
	defer recovered("render chat template", &err)
	list, err := messageValues(messages)
	if err != nil {
		return "", err
	}
	toolList, err := toolValues(tools)
	if err != nil {
		return "", err
	}
	b := newBudget(inputSize(messages, tools))
	var out strings.Builder
	err = t.parsed.Execute(b.writer(&out, b.output), exec.NewContext(map[string]any{
		budgetKey:               b,
		"messages":              list,
		"tools":                 toolList,
		"documents":             nil,
		"add_generation_prompt": addGenerationPrompt,
		"bos_token":             t.bos,
		"eos_token":             t.eos,
		"raise_exception":       b.raise,
		"strftime_now":          func(format string) (string, error) { return strftime(t.Now(), format) },
	}))
	switch {
	case b.raised != nil:
		return "", b.raised
	case b.err != nil:
		return "", fmt.Errorf("render chat template: %w", b.err)
	case err != nil:
		return "", fmt.Errorf("render chat template: %w", shortened(err, ""))
	}
	return out.String(), nil
}

// recovered turns a panic of the library, which some impossible operations cause (a division by zero), into an error.
func recovered(doing string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: %v", doing, r)
	}
}

// shortened takes the whole template out of the library's messages.
func shortened(err error, source string) error {
	text := err.Error()
	if source != "" {
		text = strings.ReplaceAll(text, "'"+source+"': ", "")
	}
	if len(text) > 1000 {
		text = text[:1000] + "…"
	}
	return errors.New(text)
}

// root is the name under which the library reads the template.
const root = "chat_template"

// loader gives the library the template and nothing else.
func loader(source string) loaders.Loader {
	return loaders.MustNewShiftedLoader(root, strings.NewReader(source), loaders.MustNewMemoryLoader(nil))
}
