package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumb/lm/tiny"
)

// ollamaStore makes a store with the built-in model under a name.
func ollamaStore(t *testing.T, name, tag string) (dir, blob string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "models")
	hash := fmt.Sprintf("%x", sha256.Sum256(tiny.File()))
	blob = filepath.Join(dir, "blobs", "sha256-"+hash)
	manifest := fmt.Sprintf(`{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:%s","size":%d},{"mediaType":"application/vnd.ollama.image.params","digest":"sha256:%s","size":2}]}`, hash, len(tiny.File()), hash)
	for path, content := range map[string][]byte{blob: tiny.File(), filepath.Join(dir, "manifests/registry.ollama.ai/library", name, tag): []byte(manifest)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, blob
}

func TestModelsAreFoundInOllamasStore(t *testing.T) {
	dir, blob := ollamaStore(t, "small", "1b")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("small", tiny.File(), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("small")
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(t.TempDir(), "home")
	if err := os.MkdirAll(filepath.Join(home, ".ollama"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(home, ".ollama", "models")); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(home, ".ollama", "models")
	blob = filepath.Join(dir, "blobs", filepath.Base(blob))
	for _, environment := range []map[string]string{{"OLLAMA_MODELS": dir}, {"HOME": home}} {
		var said bytes.Buffer
		m := modelFiles{func(k string) string { return environment[k] }, &said, map[string]bool{}}
		for text, want := range map[string]ModelFile{
			"ollama:small:1b": {"ollama:small:1b", blob, "small:1b"},
			"small:1b":        {"ollama:small:1b", blob, "small:1b"},
			"small":           {here, here, "small"}, // the file is nearer
			"":                {},
		} {
			if got, err := m.find(text); err != nil || got != want {
				t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
			}
		}
		if want := "not used: params\n"; strings.Count(said.String(), want) != 1 {
			t.Errorf("said %q; want once %q", said.String(), want)
		}
		for text, want := range map[string]string{
			"ollama:other":  filepath.Join(dir, "manifests/registry.ollama.ai/library/other/latest"),
			"other:7b":      "no file other:7b; find model other:7b in Ollama's store: no " + dir,
			"other.gguf":    "stat",
			"./small:1b":    "no such file",
			home:            "is a folder",
			"ollama:../../": "want NAME",
		} {
			if _, err := m.find(text); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %v; want one with %q", text, err, want)
			}
		}
	}
}

// Every command that takes a model takes one by its name.
func TestCommandsOpenModelsOfOllamasStore(t *testing.T) {
	dir, _ := ollamaStore(t, "small", "latest")
	getenv := func(k string) string { return map[string]string{"OLLAMA_MODELS": dir}[k] }
	var out, said bytes.Buffer
	in := strings.NewReader(`{"text":"Hello"}`)
	if code := run(t.Context(), []string{"lm", "tokenize", "--model", "ollama:small"}, in, &out, &said, getenv); code != 0 || !strings.Contains(out.String(), "tokens") {
		t.Errorf("status %d, %s%s", code, out.String(), said.String())
	}
	said.Reset()
	if code := run(t.Context(), []string{"serve", "--base", "ollama:large"}, in, &out, &said, getenv); code != 2 || !strings.Contains(said.String(), "--base: find model large:latest") {
		t.Errorf("status %d, %s", code, said.String())
	}
}
