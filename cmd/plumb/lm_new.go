package main

import (
	"encoding/json"
	"fmt"
	"io"

	"plumb/lm/gguf"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/offline/durable"
	"plumb/offline/rows"
)

// LMCorpusCmd is "plumb lm corpus": the chats that the built-in model is trained on.
type LMCorpusCmd struct {
	Out   string `help:"Where to write the chats, JSON Lines {prompt, completion}." required:"" placeholder:"FILE"`
	Chats int    `help:"How many." default:"80000"`
	Seed  uint64 `help:"Of the chats." default:"1"`
}

// Run implements the command.
func (cmd *LMCorpusCmd) Run(c *Context) error {
	if cmd.Chats < 1 {
		return usageError{fmt.Errorf("--chats: got %d, want at least 1", cmd.Chats)}
	}
	source := corpus.New()
	chats := func(yield func(rows.Demonstration) bool) {
		for i := range cmd.Chats {
			m := source.Chat(cmd.Seed, i)
			last := len(m) - 1
			row := rows.Demonstration{Prompt: rows.Text{Messages: m[:last]}, Completion: rows.Plain(m[last].Content)}
			if c.Ctx.Err() != nil || !yield(row) {
				return
			}
		}
	}
	if err := durable.WriteFile(cmd.Out, func(w io.Writer) error { return rows.Write(w, chats) }); err != nil {
		return fmt.Errorf("write corpus: %w", err)
	}
	if err := c.Ctx.Err(); err != nil {
		return err
	}
	return json.NewEncoder(c.Stdout).Encode(map[string]any{"chats": cmd.Chats, "out": cmd.Out})
}

// LMNewCmd is "plumb lm new": an untrained model with a vocabulary of its own.
type LMNewCmd struct {
	Out    string `help:"Where to write the model, GGUF." required:"" placeholder:"FILE"`
	Dim    int    `help:"Width of the hidden state." default:"192"`
	Layers int    `help:"Layers." default:"5"`
	FFN    int    `help:"Width of the feed-forward layers." name:"ffn" default:"512"`
	Vocab  int    `help:"Tokens at most." default:"2048"`
	Seed   uint64 `help:"Of the weights, and of the chats that the vocabulary is made from." default:"1"`
}

// Run implements the command.
func (cmd *LMNewCmd) Run(c *Context) error {
	kv, tensors, err := tiny.Init(cmd.Seed, tiny.Dims{Dim: cmd.Dim, Layers: cmd.Layers, FFN: cmd.FFN, Vocab: cmd.Vocab})
	if err != nil {
		return usageError{err}
	}
	digest, err := gguf.WriteFile(cmd.Out, kv, tensors)
	if err != nil {
		return err
	}
	weights := 0
	for _, t := range tensors {
		n := 1
		for _, d := range t.Dims {
			n *= int(d)
		}
		weights += n
	}
	return json.NewEncoder(c.Stdout).Encode(map[string]any{"weights": weights, "digest": digest, "out": cmd.Out})
}
