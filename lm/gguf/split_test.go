package gguf

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// split returns the file in n parts, tensors dealt out in turn, keys as gguf-split writes them.
func split(t testing.TB, f *File, n int) [][]byte {
	t.Helper()
	all, parts := sources(f), make([][]byte, n)
	for i := range parts {
		kv := numbered(i, n, len(all))
		if i == 0 {
			kv = append(append([]Pair{}, f.KV()...), kv...)
		}
		from, to := i*len(all)/n, (i+1)*len(all)/n
		var out bytes.Buffer
		if err := Write(&out, kv, all[from:to]); err != nil {
			t.Fatal(err)
		}
		parts[i] = out.Bytes()
	}
	return parts
}

func numbered(i, n, tensors int) []Pair {
	return []Pair{{splitNo, uint16(i)}, {splitCount, uint16(n)}, {splitTensors, int32(tensors)}}
}

func writeParts(t *testing.T, dir string, parts [][]byte) string {
	t.Helper()
	for i, part := range parts {
		if err := os.WriteFile(filepath.Join(dir, partName("m", i, len(parts))), part, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, partName("m", 0, len(parts)))
}

func openTiny(t testing.TB) *File {
	t.Helper()
	f, err := Open("testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A model in parts is the model: written again it is the one file, byte for byte.
func TestOpenJoinsParts(t *testing.T) {
	whole := openTiny(t)
	for _, n := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			parts := split(t, whole, n)
			f, err := Open(writeParts(t, t.TempDir(), parts))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if stream, err := io.ReadAll(f.Reader()); err != nil || !bytes.Equal(stream, bytes.Join(parts, nil)) || f.Len() != len(stream) {
				t.Errorf("read %d bytes, %v; Len is %d", len(stream), err, f.Len())
			}
			if n == 1 {
				return // keeps its keys: it is read as it is
			}
			var again, want bytes.Buffer
			if err := Write(&again, f.KV(), sources(f)); err != nil {
				t.Fatal(err)
			}
			if err := Write(&want, whole.KV(), sources(whole)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Bytes(), want.Bytes()) {
				t.Error("the file written from the parts differs from the whole one")
			}
			if joined, err := Join(parts...); err != nil || joined.Digest() != f.Digest() {
				t.Errorf("Join gave another file than Open: %v", err)
			}
		})
	}
}

func TestOpenRefusesParts(t *testing.T) {
	parts := split(t, openTiny(t), 3)
	part := func(i, n int, tensors ...TensorSource) []byte {
		var out bytes.Buffer
		if err := Write(&out, numbered(i, n, 99), tensors); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	twice := Encoded("token_embd.weight", F32, []uint64{1}, []float32{0})
	for name, c := range map[string]struct {
		parts [][]byte
		open  int
		want  string
	}{
		"second opened":      {parts, 1, "it is part 2 of 3; open the first, m-00001-of-00003.gguf"},
		"one missing":        {[][]byte{parts[0], parts[1], nil}, 0, "part 3 of 3: open model file"},
		"in the wrong place": {[][]byte{parts[0], parts[2], parts[1]}, 0, "part 2 of 3: its keys say that it is part 3 of 3"},
		"of another split":   {[][]byte{parts[0], part(1, 4), parts[2]}, 0, "part 2 of 3: its keys say that it is part 2 of 4"},
		"not a part":         {[][]byte{parts[0], file(0, 0).Bytes(), parts[2]}, 0, "part 2 of 3: its keys say that it is part 1 of 1"},
		"tensor twice":       {[][]byte{parts[0], part(1, 3, twice), parts[2]}, 0, `part 2 of 3: tensor "token_embd.weight" is in part 1 too`},
		"tensors missing":    {[][]byte{parts[0], part(1, 3), parts[2]}, 0, `"split.tensors.count" says`},
		"not GGUF":           {[][]byte{parts[0], []byte("PK"), parts[2]}, 0, "does not start with"},
		"no numbers":         {[][]byte{file(0, 1).put(splitCount, uint32(kindUint16), uint16(3)).Bytes(), parts[1], parts[2]}, 0, `key "split.no": <nil>; want 0 to 2`},
		"number too high":    {[][]byte{part(3, 3), parts[1], parts[2]}, 0, `key "split.no": 3; want 0 to 2`},
		"no parts":           {[][]byte{part(0, 0), parts[1], parts[2]}, 0, `key "split.count": 0; want 1 to 1024`},
		"65535 parts":        {[][]byte{part(0, 65535), parts[1], parts[2]}, 0, `key "split.count": 65535; want 1 to 1024`},
		"other name":         {[][]byte{part(0, 4), parts[1], parts[2]}, 0, `its name must end in "-00001-of-00004.gguf"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeParts(t, dir, c.parts)
			for i, p := range c.parts {
				if p == nil {
					os.Remove(filepath.Join(dir, partName("m", i, len(c.parts))))
				}
			}
			path := filepath.Join(dir, partName("m", c.open, len(c.parts)))
			if f, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("file %v, error %v; want one with %q and the path", f != nil, err, c.want)
			}
		})
	}
}

// FuzzJoin reads two files as the parts of one model: no panic, and what is accepted can be read to the end.
func FuzzJoin(f *testing.F) {
	parts := split(f, openTiny(f), 2)
	small := func(i int, name string) []byte {
		var out bytes.Buffer
		if err := Write(&out, numbered(i, 2, 2), []TensorSource{Encoded(name, Q4_0, []uint64{32}, make([]float32, 32))}); err != nil {
			f.Fatal(err)
		}
		return out.Bytes()
	}
	f.Add(small(0, "a"), small(1, "b"))
	f.Add(small(0, "a"), small(1, "a"))
	f.Add(small(1, "a"), small(0, "b"))
	f.Add(parts[0][:1<<12], parts[1][:1<<12])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		joined, err := Join(a, b)
		if err != nil {
			return
		}
		for _, info := range joined.Tensors() {
			if info.Len() > 8*(len(a)+len(b)) {
				t.Fatalf("tensor %+v in %d bytes", info, len(a)+len(b))
			}
			if _, err := joined.TensorFloats(info.Name); err != nil && info.Type.decodable() {
				t.Fatal(err)
			}
		}
	})
}
