package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	ollama "plumb/clients/ollama/store"
	"plumb/lm"
)

// ModelFile is a flag that names a model: a GGUF file, the first of a model in several, or ollama:NAME[:TAG] in Ollama's
// store. A name alone is looked for there too, where no such file is. The zero value names none.
type ModelFile struct {
	Given string // what another process is to be given; a file's path is absolute
	Path  string // of the GGUF file
	Name  string // of the model, where models are listed
}

// Open opens the model.
func (f ModelFile) Open() (*lm.Model, error) { return lm.Open(f.Path) }

const inStore = "ollama:"

// systemStore is where Ollama's installer for Linux lets the service keep its models.
const systemStore = "/usr/share/ollama/.ollama/models"

// modelFiles turns what is written for a ModelFile into one. It implements [kong.Mapper].
type modelFiles struct {
	getenv func(string) string
	stderr io.Writer
	said   map[string]bool // kong may read a flag more than once
}

// readsModels lets a command line have flags of the type ModelFile.
func readsModels(getenv func(string) string, stderr io.Writer) kong.Option {
	return kong.TypeMapper(reflect.TypeFor[ModelFile](), modelFiles{getenv, stderr, map[string]bool{}})
}

// Decode implements [kong.Mapper].
func (m modelFiles) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("model", &text); err != nil {
		return err
	}
	f, err := m.find(text)
	if err != nil {
		return err
	}
	target.Set(reflect.ValueOf(f))
	return nil
}

// find finds the file of a model by what was written for it.
func (m modelFiles) find(text string) (ModelFile, error) {
	if text == "" {
		return ModelFile{}, nil
	}
	if name, ok := strings.CutPrefix(text, inStore); ok {
		return m.stored(name)
	}
	path := kong.ExpandPath(text)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return ModelFile{}, fmt.Errorf("%s is a folder; want a GGUF file, or ollama:NAME for a model in Ollama's store", text)
	case err == nil:
		return ModelFile{Given: path, Path: path, Name: strings.TrimSuffix(filepath.Base(path), ".gguf")}, nil
	case !errors.Is(err, fs.ErrNotExist) || strings.ContainsAny(text, "/\\") || strings.HasSuffix(text, ".gguf"):
		return ModelFile{}, err
	}
	f, missing := m.stored(text)
	if missing != nil {
		return ModelFile{}, fmt.Errorf("no file %s; %w", text, missing)
	}
	return f, nil
}

// stored finds a model in Ollama's store, and says what of it is not used.
func (m modelFiles) stored(name string) (ModelFile, error) {
	found, err := ollama.Find(name, m.folders()...)
	if err != nil {
		return ModelFile{}, err
	}
	if len(found.Others) > 0 && !m.said[found.Name] {
		m.said[found.Name] = true
		fmt.Fprintf(m.stderr, "plumb: %s from Ollama's store: its weights with the keys and the chat template of their own file; not used: %s\n",
			found.Name, strings.Join(found.Others, ", "))
	}
	return ModelFile{Given: inStore + found.Name, Path: found.Path, Name: found.Name}, nil
}

// folders lists where Ollama may keep its models: OLLAMA_MODELS if that is set, else the user's and the service's.
func (m modelFiles) folders() []string {
	if dir := m.getenv("OLLAMA_MODELS"); dir != "" {
		return []string{dir}
	}
	var folders []string
	if home := m.home(); home != "" {
		folders = append(folders, filepath.Join(home, ".ollama", "models"))
	}
	return append(folders, systemStore)
}

func (m modelFiles) home() string {
	if home := m.getenv("HOME"); home != "" {
		return home
	}
	return m.getenv("USERPROFILE")
}
