package gguf

import (
	"path/filepath"
	"strings"
	"testing"
)

func tinyFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.gguf")
	if err != nil || len(paths) < 4 {
		t.Fatalf("testdata has %d model files, want 4 or more: %v", len(paths), err)
	}
	return paths
}

func TestOpenReadsKeysAndTensors(t *testing.T) {
	for _, path := range tinyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			arch, ok := f.String("general.architecture")
			if !ok || arch != "llama" && arch != "qwen2" {
				t.Errorf("general.architecture = %q, %v", arch, ok)
			}
			for _, info := range f.Tensors() {
				values, err := f.TensorFloats(info.Name)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range values {
					if v != v || v > 1e3 || v < -1e3 {
						t.Fatalf("%s[%d] = %v", info.Name, i, v)
					}
				}
			}
		})
	}
}

// Version 2 differs from version 3 in its number alone.
func TestParseReadsVersion2(t *testing.T) {
	r := file(1, 1).put("k", uint32(kindString), "v").vector("w", 2, 0).data(0).put(float32(1.5), float32(-2))
	content := r.Bytes()
	content[4] = 2
	f, err := Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := f.String("k"); f.Version() != 2 || !ok || v != "v" {
		t.Errorf("version %d, k = %q, %v", f.Version(), v, ok)
	}
	if w, err := f.TensorFloats("w"); err != nil || len(w) != 2 || w[0] != 1.5 || w[1] != -2 {
		t.Errorf("w = %v, %v", w, err)
	}
	if _, err := f.TensorFloats("missing"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing tensor: error %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestTypeNames(t *testing.T) {
	for typ, l := range layouts {
		if got, err := ParseType(strings.ToLower(l.name)); err != nil || got != typ {
			t.Errorf("ParseType(%q) = %v, %v", l.name, got, err)
		}
	}
	if _, err := ParseType("Q9_9"); err == nil || !strings.Contains(err.Error(), "want one of F32, F16") {
		t.Errorf("error %v", err)
	}
	if got := Type(99).String(); got != "type 99" {
		t.Errorf("an unknown type is called %q", got)
	}
}
