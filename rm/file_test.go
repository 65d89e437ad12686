package rm

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plumb/chat"
)

// small is a model of few hashed columns, quick to fit and to fuzz.
func small(t testing.TB) *Model {
	t.Helper()
	taste := func(s string) float64 { return float64(len(s)) }
	m, err := Trainer{Features: NewLexical(10), Heads: 2, DensePrior: .2, SparsePrior: 1, Run: "run-1", Created: "2026-01-02T03:04:05Z"}.Fit(
		context.Background(), Data{Pairs: tasted(3, 30, 0, taste)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFileRoundTrip(t *testing.T) {
	m := small(t)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Version() != m.Version() || len(m.Version()) != 64 {
		t.Errorf("version %s, want %s", again.Version(), m.Version())
	}
	if meta := again.Meta(); meta.Run != "run-1" || meta.Pairs != 30 || meta.Created == "" || len(meta.DataRoot) != 64 {
		t.Errorf("meta %+v", meta)
	}
	replies := []string{"One.", "The river is near the stone.", ""}
	a, _ := m.Score(context.Background(), ask("x"), replies)
	b, _ := again.Score(context.Background(), ask("x"), replies)
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("reply %d: %v before, %v after", i, a[i], b[i])
		}
	}
	re, err := again.encode()
	if err != nil || !bytes.Equal(re, m.Bytes()) {
		t.Errorf("encoding what was decoded gives other bytes (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaveIntoNowhere(t *testing.T) {
	if err := small(t).Save(filepath.Join(t.TempDir(), "none", "m")); err == nil || !strings.Contains(err.Error(), "save reward model") {
		t.Errorf("got %v", err)
	}
}

func TestOtherFeaturesAreRefused(t *testing.T) {
	m := small(t)
	for name, f := range map[string]Features{"more columns": NewLexical(11), "an embedding": Embedding{Model: "e", Size: 3}} {
		_, err := Decode(m.Bytes(), f)
		if err == nil || !strings.Contains(err.Error(), "fit it again") || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A file from a program whose features have moved on.
	other := bytes.Replace(m.Bytes(), []byte(`\"version\":1`), []byte(`\"version\":9`), 1)
	if _, err := Decode(other, nil); err == nil || !strings.Contains(err.Error(), "fit it again") {
		t.Errorf("other version: got %v", err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	good := small(t).Bytes()
	headerLength := binary.LittleEndian.Uint64(good)
	data := int(8 + headerLength)
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "no safetensors", nil},
		{"cut in the header", "header of", good[:100]},
		{"cut in the data", "elements at bytes", good[:len(good)-1]},
		{"header length of its own choosing", "header of", edit(func(b []byte) []byte { binary.LittleEndian.PutUint64(b, math.MaxUint64); return b })},
		{"no metadata", "this is no reward model", edit(func(b []byte) []byte { return bytes.Replace(b, []byte("plumb.rm"), []byte("plumb.xx"), 1) })},
		{"not JSON", "read header", edit(func(b []byte) []byte { b[8] = 'x'; return b })},
		{"NaN", "dense.mean[0] is NaN", edit(func(b []byte) []byte { binary.LittleEndian.PutUint64(b[data:], math.Float64bits(math.NaN())); return b })},
		{"infinite", "is +Inf", edit(func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b[data:], math.Float64bits(math.Inf(1)))
			return b
		})},
		{"vocabulary out of order", "vocabulary[", edit(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[len(b)-4:], 0); return b })},
		{"vocabulary out of range", "vocabulary[", edit(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[len(b)-4:], math.MaxUint32); return b })},
		{"other shape", "want F64", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`"shape":[2,`), []byte(`"shape":[3,`), 1) })},
		{"other type", "want F", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`"F32"`), []byte(`"F16"`), 1) })},
		{"a thousand heads", "heads: got", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`\"heads\":2`), []byte(`\"heads\":0`), 1) })},
		{"other format", "format 9", edit(func(b []byte) []byte { return bytes.Replace(b, []byte(`\"format\":1`), []byte(`\"format\":9`), 1) })},
	} {
		if _, err := Decode(c.file, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "m")
	os.WriteFile(path, good[:50], 0o600)
	if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func FuzzDecode(f *testing.F) {
	good := small(f).Bytes()
	f.Add(good)
	f.Add(good[:200])
	f.Add([]byte("\x10\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b, nil)
		if err != nil {
			return
		}
		r, err := m.Score(context.Background(), ask("hi"), []string{"a b c", ""})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r {
			if math.IsNaN(x.Reward) || math.IsNaN(x.SD) || math.IsNaN(x.OOD) {
				t.Fatalf("a decoded model scores %+v", x)
			}
		}
	})
}
