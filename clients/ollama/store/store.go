// Package store finds models in the folder where Ollama keeps them, without asking Ollama.
//
// The folder has manifests/HOST/NAMESPACE/NAME/TAG, a JSON list of layers, and blobs/sha256-HEX, the layers themselves. A
// layer of the type application/vnd.ollama.image.model is a whole GGUF file.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	layerType   = "application/vnd.ollama.image."
	maxManifest = 1 << 20 // bytes; real ones have about a thousand
)

// Model is a model that was found.
type Model struct {
	Name   string   // as it was asked for, with its tag: "smollm2:135m"
	Path   string   // of the GGUF file
	Others []string // kinds of its other layers, which the file does not have: "template", "system", "params", …
}

// Find looks for name, [HOST/][NAMESPACE/]NAME[:TAG] with Ollama's defaults registry.ollama.ai, library and latest, in each
// of the folders, and takes the first that has it. If none has, the error names all that were looked at and wraps
// [fs.ErrNotExist]. A model with an adapter beside its weights is refused: the file alone would answer differently.
func Find(name string, folders ...string) (Model, error) {
	parts, tag, err := split(name)
	if err != nil {
		return Model{}, err
	}
	short := strings.TrimSuffix(strings.TrimPrefix(name, "registry.ollama.ai/"), ":"+tag) + ":" + tag
	var looked []string
	for _, folder := range folders {
		path := filepath.Join(folder, "manifests", filepath.Join(parts...), tag)
		m, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			looked = append(looked, path)
			continue
		}
		if err != nil {
			return Model{}, fmt.Errorf("find model %s in Ollama's store: %w", short, err)
		}
		found, err := m.model(folder)
		if err != nil {
			return Model{}, fmt.Errorf("find model %s in Ollama's store: %s: %w", short, path, err)
		}
		found.Name = short
		return found, nil
	}
	return Model{}, fmt.Errorf("find model %s in Ollama's store: no %s: %w", short, strings.Join(looked, " and no "), fs.ErrNotExist)
}

// element is what one part of a name may be. It cannot leave its folder.
var element = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// split returns host, namespace and name, and the tag.
func split(name string) (parts []string, tag string, err error) {
	rest := name
	tag = "latest"
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		rest, tag = name[:i], name[i+1:]
	}
	parts = strings.Split(rest, "/")
	switch len(parts) {
	case 1:
		parts = []string{"registry.ollama.ai", "library", rest}
	case 2:
		parts = append([]string{"registry.ollama.ai"}, parts...)
	}
	if len(parts) != 3 || slices.ContainsFunc(append([]string{tag}, parts...), func(s string) bool { return !element.MatchString(s) }) {
		return nil, "", fmt.Errorf("find model %q in Ollama's store: want NAME, NAME:TAG, or NAMESPACE/ or HOST/NAMESPACE/ before it", name)
	}
	return parts, tag, nil
}

type manifest struct {
	Layers []layer `json:"layers"`
}

type layer struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

func read(path string) (manifest, error) {
	var m manifest
	file, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = fmt.Errorf("more than %d bytes", maxManifest)
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		err = fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, err
}

var digest = regexp.MustCompile(`^sha256[:-][0-9a-f]{64}$`)

// model finds the file of the one layer that is a model.
func (m manifest) model(folder string) (Model, error) {
	var found Model
	for _, l := range m.Layers {
		switch kind := strings.TrimPrefix(l.MediaType, layerType); {
		case kind == "adapter":
			return found, errors.New("the model has an adapter beside its weights; merge it, or name the files themselves")
		case kind != "model":
			found.Others = append(found.Others, kind)
		case found.Path != "":
			return found, errors.New("the model has several layers of weights; want one")
		case !digest.MatchString(l.Digest):
			return found, fmt.Errorf("layer digest %.80q: want sha256: and 64 hex digits", l.Digest)
		default:
			found.Path = filepath.Join(folder, "blobs", strings.Replace(l.Digest, ":", "-", 1))
			info, err := os.Stat(found.Path)
			if err != nil {
				return found, fmt.Errorf("layer of weights: %v", err) // not ErrNotExist: the model is known, its file is lost
			}
			if info.Size() != l.Size {
				return found, fmt.Errorf("layer of weights %s has %d bytes, want %d", found.Path, info.Size(), l.Size)
			}
		}
	}
	if found.Path == "" {
		return found, fmt.Errorf("no layer of type %smodel", layerType)
	}
	return found, nil
}
