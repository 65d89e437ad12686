package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"plumb/chat"
	"plumb/offline"
)

// training returns the upstream as the offline work knows it.
func (u *upstream) training() offline.Upstream {
	switch {
	case u.ollama != nil:
		return onOllama{u}
	case u.openai != nil:
		return readOnly{u}
	}
	return onEngine{u}
}

// onEngine publishes into the folder that the built-in engine serves from.
type onEngine struct{ *upstream }

// Locate implements [offline.Upstream].
func (u onEngine) Locate(_ context.Context, model string) (string, error) {
	if model == u.local.base {
		return u.local.basePath()
	}
	path := u.local.path(model)
	if _, err := os.Stat(path); err != nil {
		return "", unknownModel(model)
	}
	return path, nil
}

// Publish implements [offline.Upstream]: the file is linked under its name, which does not change afterwards.
func (u onEngine) Publish(_ context.Context, p offline.Publication) (string, error) {
	path := u.local.path(p.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("publish %s: %w", p.Name, err)
	}
	if _, err := os.Stat(path); err == nil {
		return p.Digest, nil // an earlier try got this far: the name stands for the run, and the run for the bytes
	}
	if err := os.Link(p.File, path); err == nil {
		return p.Digest, nil
	}
	return p.Digest, copyFile(p.File, path) // another file system
}

// Warm implements [offline.Upstream].
func (u onEngine) Warm(ctx context.Context, name string) error {
	_, err := u.engine.Abilities(ctx, name)
	return err
}

// Continue implements [offline.Upstream].
func (u onEngine) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	return u.engine.Continue(ctx, d, each)
}

// onOllama publishes to an Ollama server.
type onOllama struct{ *upstream }

// Locate implements [offline.Upstream].
func (u onOllama) Locate(ctx context.Context, model string) (string, error) {
	info, err := u.ollama.Show(ctx, model)
	if err != nil {
		return "", err
	}
	if info.Path == "" {
		return "", &chat.Error{Kind: chat.Unavailable, Msg: fmt.Sprintf("locate %s: its file cannot be read from here; name it with --base", model)}
	}
	return info.Path, nil
}

// Publish implements [offline.Upstream].
func (u onOllama) Publish(ctx context.Context, p offline.Publication) (string, error) {
	base, err := u.ollama.Show(ctx, p.Base)
	if err != nil {
		return "", err
	}
	return u.ollama.Publish(ctx, p.Name, p.File, p.Digest, base)
}

// Warm implements [offline.Upstream].
func (u onOllama) Warm(ctx context.Context, name string) error { return u.ollama.Warm(ctx, name) }

// Continue implements [offline.Upstream]. What the gate compares with our engine is drawn without Ollama's own penalty on
// repetition, which the engine does not have.
func (u onOllama) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	return u.exact.Continue(ctx, d, each)
}

// readOnly is an OpenAI-compatible server, which takes no models: reward models can be fitted, and that is all.
type readOnly struct{ *upstream }

var errReadOnly = &chat.Error{Kind: chat.Unavailable, Msg: "publish model: an OpenAI-compatible upstream takes no models; --method rm needs none, and Ollama or the built-in engine take them"}

// Locate implements [offline.Upstream].
func (readOnly) Locate(context.Context, string) (string, error) { return "", errReadOnly }

// Publish implements [offline.Upstream].
func (readOnly) Publish(context.Context, offline.Publication) (string, error) { return "", errReadOnly }

// Warm implements [offline.Upstream].
func (readOnly) Warm(context.Context, string) error { return errReadOnly }

// Continue implements [offline.Upstream].
func (u readOnly) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	return u.openai.Continue(ctx, d, each)
}

// copyFile copies a file whole or not at all.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}
