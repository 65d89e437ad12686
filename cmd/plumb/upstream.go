package main

import (
	"context"
	"fmt"
	"strings"

	"plumb/chat"
	"plumb/clients/ollama"
	"plumb/clients/openai"
	"plumb/lm"
	"plumb/sampler"
)

// upstream is where replies are drawn. One of engine, ollama and openai is set.
type upstream struct {
	generator sampler.Generator
	models    func(context.Context) ([]chat.Model, error)

	local  *localModels // with the built-in engine
	engine *lm.Engine
	ollama *ollama.Client
	exact  *ollama.Client // the same server, drawing from the model's bare distribution
	openai *openai.Client
}

// openUpstream connects to what --upstream names, and finds out what it is where that is not said.
func openUpstream(ctx context.Context, w *Where) (*upstream, error) {
	if w.Upstream == "" {
		local := newLocalModels(w)
		e := lm.NewEngine(local.open, local.list, lm.Options{Exact: w.Exact})
		return &upstream{generator: e, models: e.Models, local: local, engine: e}, nil
	}
	kind, url, said := strings.Cut(w.Upstream, "+")
	if !said {
		url = w.Upstream
		var err error
		if kind, err = ollama.Probe(ctx, url); err != nil {
			return nil, fmt.Errorf("connect to --upstream %s: %w", url, err)
		}
	}
	if kind == "ollama" {
		o := ollama.Options{URL: url, Threads: w.OllamaThreads}
		c, err := ollama.New(o)
		if err != nil {
			return nil, err
		}
		o.Set = map[string]any{"repeat_penalty": 1}
		exact, err := ollama.New(o)
		if err != nil {
			return nil, err
		}
		return &upstream{generator: c, models: c.Models, ollama: c, exact: exact}, nil
	}
	c, err := openai.New(openai.Options{URL: url, Key: w.UpstreamKey})
	if err != nil {
		return nil, err
	}
	return &upstream{generator: c, models: c.Models, openai: c}, nil
}

var (
	_ sampler.Generator = (*lm.Engine)(nil)
	_ sampler.Generator = (*ollama.Client)(nil)
	_ sampler.Generator = (*openai.Client)(nil)
)
