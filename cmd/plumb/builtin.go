package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/tiny"
)

// builtInModel is the base model when nothing else is named.
const builtInModel = tiny.Name

// localModels are the models that the built-in engine serves: the base, and what runs have published into a folder.
type localModels struct {
	base string // name of the base model
	file string // its file; "" for the built-in model
	dir  string // published models, one file each
}

func newLocalModels(w *Where) *localModels {
	return &localModels{base: w.baseName(), file: w.Base.Path, dir: filepath.Join(w.Data, "models")}
}

// path returns the file of a published model.
func (l *localModels) path(name string) string {
	return filepath.Join(l.dir, strings.ReplaceAll(name, ":", "_")+".gguf")
}

// open opens a model by name.
func (l *localModels) open(_ context.Context, name string) (*lm.Model, error) {
	switch {
	case name == l.base && l.file != "":
		return lm.Open(l.file)
	case name == l.base:
		return tiny.Open()
	case name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, "."):
		return nil, unknownModel(name)
	}
	m, err := lm.Open(l.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknownModel(name)
	}
	return m, err
}

func unknownModel(name string) error {
	return &chat.Error{Kind: chat.NotFound, Param: "model", Msg: fmt.Sprintf("open model: no model %q", name)}
}

// list names the base. Published models are reached through the alias; their names work too.
func (l *localModels) list(context.Context) ([]chat.Model, error) {
	return []chat.Model{{Name: l.base}}, nil
}

// basePath returns a file with the base model, for training.
func (l *localModels) basePath() (string, error) {
	if l.file != "" {
		return l.file, nil
	}
	path := filepath.Join(l.dir, tiny.Name+".gguf")
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(tiny.File())) {
		return path, nil
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return "", fmt.Errorf("make model folder: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, tiny.File(), 0o600); err != nil {
		return "", fmt.Errorf("write built-in model: %w", err)
	}
	return path, os.Rename(temp, path)
}
