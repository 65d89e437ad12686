package offline

import (
	"context"

	"plumb/chat"
)

// Upstream is where models are served: an Ollama server, or the built-in engine.
type Upstream interface {
	// Locate returns the file of a model on this machine, for training and measuring. An error of kind NotFound if there is no
	// such model, Unavailable if its file is out of reach.
	Locate(ctx context.Context, model string) (path string, err error)
	// Publish has the file answer under p.Name, and returns the digest by which the upstream knows the model. It may move or link
	// the file, and is called again with the same arguments after an interruption.
	Publish(ctx context.Context, p Publication) (digest string, err error)
	// Warm loads a published model and has it draw one token.
	Warm(ctx context.Context, name string) error
	// Continue draws; see the sampler's Generator.
	Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error
}

// Publication is a trained model on its way to the upstream.
type Publication struct {
	Name   string // immutable name of this model, "plumb-ALIAS:RUN"
	File   string // whole GGUF file
	Digest string // "sha256:…" of the file
	Base   string // the upstream's name of the base, whose template and parameters it takes over
	Run    string
}
