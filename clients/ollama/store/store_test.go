package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var hash = strings.Repeat("ab", 32)

func write(t *testing.T, content string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func layerOf(kind, digest string, size int) string {
	return fmt.Sprintf(`{"mediaType":"application/vnd.ollama.image.%s","digest":%q,"size":%d}`, kind, digest, size)
}

func manifestOf(layers ...string) string {
	return `{"schemaVersion":2,"layers":[` + strings.Join(layers, ",") + `]}`
}

func TestFind(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	good := manifestOf(layerOf("model", "sha256:"+hash, 4), layerOf("template", "sha256:"+hash, 4), layerOf("params", "sha256:"+hash, 4))
	blob := filepath.Join(dir, "blobs", "sha256-"+hash)
	write(t, "GGUF", blob)
	write(t, good, dir, "manifests/registry.ollama.ai/library/smollm2/135m")
	write(t, good, dir, "manifests/registry.ollama.ai/library/smollm2/latest")
	write(t, good, dir, "manifests/registry.ollama.ai/ana/tuned/latest")
	write(t, good, dir, "manifests/hf.co/org/m.gguf/Q4_0")
	for name, want := range map[string]string{
		"smollm2:135m": "smollm2:135m", "smollm2": "smollm2:latest", "ana/tuned": "ana/tuned:latest", "hf.co/org/m.gguf:Q4_0": "hf.co/org/m.gguf:Q4_0",
		"registry.ollama.ai/library/smollm2": "library/smollm2:latest",
	} {
		m, err := Find(name, empty, dir)
		if err != nil || m.Path != blob || m.Name != want || !slices.Equal(m.Others, []string{"template", "params"}) {
			t.Errorf("%s: %+v, %v; want %s at %s", name, m, err, want, blob)
		}
	}
	_, err := Find("other:1b", empty, dir)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "other:1b") || !strings.Contains(err.Error(), empty) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v; want one that names the model and both folders", err)
	}
}

func TestFindRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, "GGUF", dir, "blobs", "sha256-"+hash)
	for name, c := range map[string]struct{ manifest, want string }{
		"no-weights":   {manifestOf(layerOf("template", "sha256:"+hash, 4)), "no layer of type"},
		"adapted":      {manifestOf(layerOf("model", "sha256:"+hash, 4), layerOf("adapter", "sha256:"+hash, 4)), "has an adapter"},
		"two":          {manifestOf(layerOf("model", "sha256:"+hash, 4), layerOf("model", "sha256:"+hash, 4)), "several layers of weights"},
		"escaping":     {manifestOf(layerOf("model", "sha256:../../../etc/passwd", 4)), "want sha256: and 64 hex digits"},
		"lost":         {manifestOf(layerOf("model", "sha256:"+strings.Repeat("cd", 32), 4)), "layer of weights: stat"},
		"cut":          {manifestOf(layerOf("model", "sha256:"+hash, 5)), "has 4 bytes, want 5"},
		"not-json":     {"{", "read manifest"},
		"huge":         {strings.Repeat(" ", maxManifest+1), "more than"},
		"wrong-layers": {`{"layers":7}`, "read manifest"},
	} {
		write(t, c.manifest, dir, "manifests/registry.ollama.ai/library", name, "latest")
		if _, err := Find(name, dir); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want one with %q", name, err, c.want)
		}
	}
	for _, name := range []string{"", ":", "a:", "../x", "a/../b", "a//b", "/a", "a/b/c/d", "..", "a:..", "a b", "a\x00"} {
		if _, err := Find(name, dir); err == nil || !strings.Contains(err.Error(), "want NAME") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}
