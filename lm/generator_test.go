package lm_test

import (
	"context"
	"fmt"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/tiny"
	"plumb/sampler/samplertest"
)

// The engine is a generator as the sampler wants it.
func TestEngineIsAGenerator(t *testing.T) {
	open := func(_ context.Context, name string) (*lm.Model, error) {
		if name != tiny.Name {
			return nil, &chat.Error{Kind: chat.NotFound, Msg: fmt.Sprintf("open model: %q not found", name)}
		}
		return tiny.Open()
	}
	list := func(context.Context) ([]chat.Model, error) { return []chat.Model{{Name: tiny.Name}}, nil }
	engine := lm.NewEngine(open, list, lm.Options{})
	samplertest.TestGenerator(t, func(*testing.T) samplertest.Subject {
		return samplertest.Subject{Generator: engine, Model: tiny.Name}
	})
}
