// Package tiny is the built-in model, plumb-tiny: a llama-family chat model of about two million parameters, so that
// everything can be tried with nothing installed. It gives short advice on some fifty everyday subjects, makes small talk,
// and says that it does not know anything else. It is no more than that.
//
// The model is made by this project alone: lm/tiny/corpus writes the chats, [Init] the tokenizer and the untrained
// model, and plumb's own trainer trains it. README.md beside this file has the command that makes plumb-tiny.gguf again.
package tiny

import (
	_ "embed"

	"plumb/lm"
	"plumb/lm/gguf"
)

// Name is what the model is called where models are listed.
const Name = "plumb-tiny"

//go:embed plumb-tiny.gguf
var file []byte

// Open returns the built-in model.
func Open() (*lm.Model, error) {
	f, err := gguf.Parse(file)
	if err != nil {
		return nil, err
	}
	return lm.FromFile(f)
}

// File returns the model's GGUF file, to be published elsewhere. It must not be changed.
func File() []byte { return file }
