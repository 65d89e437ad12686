package gguf

import (
	"path/filepath"
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
