package gguf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// sources returns all tensors of a file, to be copied.
func sources(f *File) []TensorSource {
	var all []TensorSource
	for _, info := range f.Tensors() {
		all = append(all, f.Source(info))
	}
	return all
}

func TestRoundTripIsByteIdentical(t *testing.T) {
	for _, path := range tinyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Write(&got, f.KV(), sources(f)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("%d bytes written differ from the %d read", got.Len(), len(want))
			}
		})
	}
}

// everyKind has a pair of every kind the format knows, in an order that no sorting gives.
func everyKind() []Pair {
	return []Pair{
		{"z", "text with é and \x00"}, {"a", uint8(255)}, {"b", int8(-128)}, {"y", uint16(65535)}, {"c", int16(-32768)},
		{"d", uint32(1 << 31)}, {"e", int32(-1 << 31)}, {"f", float32(1.5)}, {"g", true}, {"h", uint64(1 << 63)}, {"i", int64(-1 << 63)},
		{"j", 2.5}, {"k", ""}, {"empty", []string{}}, {"tokens", []string{"a", "", "bc"}}, {"types", []int32{1, -2, 3}},
		{"scores", []float32{-1, 0.5}}, {"bools", []bool{true, false}}, {"bytes", []uint8{1, 2}}, {"i8", []int8{-1}},
		{"u16", []uint16{7}}, {"i16", []int16{-7}}, {"u32", []uint32{9}}, {"u64", []uint64{1 << 63}}, {"i64", []int64{-9}}, {"f64", []float64{.25}},
		{alignmentKey, uint32(64)},
	}
}

func TestWriteKeepsEveryKindAndTheirOrder(t *testing.T) {
	kv := everyKind()
	values := make([]float32, 96)
	for i := range values {
		values[i] = float32(i)
	}
	var out bytes.Buffer
	tensors := []TensorSource{Encoded("w", Q8_0, []uint64{32, 3}, values), Encoded("scalar", F32, nil, values[:1]), Encoded("v", F16, []uint64{5}, values[:5])}
	if err := Write(&out, kv, tensors); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.KV(), kv) {
		t.Errorf("pairs are\n%v; want\n%v", f.KV(), kv)
	}
	if f.Alignment() != 64 || out.Len()%64 != 0 {
		t.Errorf("alignment %d, length %d", f.Alignment(), out.Len())
	}
	for _, info := range f.Tensors() {
		got, err := f.TensorFloats(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Offset%64 != 0 || len(got) != info.Len() || got[len(got)-1] != float32(len(got)-1) && info.Type != Q8_0 {
			t.Errorf("tensor %+v has values %v", info, got)
		}
	}
	checkGetters(t, f)
}

func checkGetters(t *testing.T, f *File) {
	t.Helper()
	if v, ok := f.Uint("h"); !ok || v != 1<<63 {
		t.Errorf("Uint(h) = %d, %v", v, ok)
	}
	if _, ok := f.Int("h"); ok {
		t.Error("Int(h) takes a value above its range")
	}
	if _, ok := f.Uint("e"); ok {
		t.Error("Uint(e) takes a negative value")
	}
	if v, ok := f.Float("y"); !ok || v != 65535 {
		t.Errorf("Float(y) = %v, %v", v, ok)
	}
	if v, ok := f.Ints("types"); !ok || !reflect.DeepEqual(v, []int64{1, -2, 3}) {
		t.Errorf("Ints(types) = %v, %v", v, ok)
	}
	if _, ok := f.Ints("u64"); ok {
		t.Error("Ints(u64) takes a value above its range")
	}
	if v, ok := f.Floats("f64"); !ok || v[0] != .25 {
		t.Errorf("Floats(f64) = %v, %v", v, ok)
	}
	if _, ok := f.String("a"); ok {
		t.Error("String(a) takes a number")
	}
	if _, ok := f.Bool("missing"); ok {
		t.Error("Bool(missing) is there")
	}
}

func TestWriteRefuses(t *testing.T) {
	one := func(name string, typ Type, dims ...uint64) []TensorSource {
		return []TensorSource{Encoded(name, typ, dims, make([]float32, 32))}
	}
	for name, c := range map[string]struct {
		kv      []Pair
		tensors []TensorSource
		want    string
	}{
		"a key twice":       {[]Pair{{"a", "x"}, {"a", "y"}}, nil, `key "a" is there twice`},
		"an empty key":      {[]Pair{{"", "x"}}, nil, "0 bytes"},
		"an int":            {[]Pair{{"n", 3}}, nil, `key "n": the format has no type for a int`},
		"a nil":             {[]Pair{{"n", nil}}, nil, `key "n"`},
		"a bad alignment":   {[]Pair{{alignmentKey, uint32(24)}}, nil, "power of two"},
		"a name twice":      {nil, append(one("w", F32, 32), one("w", F32, 32)...), `"w" is there twice`},
		"five dimensions":   {nil, one("w", F32, 32, 1, 1, 1, 1), "5 dimensions"},
		"a partial block":   {nil, one("w", Q8_0, 16, 2), "not a multiple of the block size 32"},
		"a zero dimension":  {nil, one("w", F32, 0), "zero or too large"},
		"too few values":    {nil, one("w", F32, 33), "128 bytes came"},
		"too many values":   {nil, one("w", F32, 31), "128 bytes came"},
		"an undefined type": {nil, one("w", Type(99), 32), "unknown type 99"},
		"a failing source":  {nil, []TensorSource{{"w", F32, []uint64{1}, func(io.Writer) error { return errors.New("no weights") }}}, `write tensor "w": no weights`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.gguf")
			_, err := WriteFile(path, c.kv, c.tensors)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want one with %q", err, c.want)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
				t.Errorf("%d files are left behind", len(left))
			}
		})
	}
}

// fullDisk takes so many bytes and no more.
type fullDisk int

func (d *fullDisk) Write(b []byte) (int, error) {
	if *d -= fullDisk(len(b)); *d < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func TestWriteReportsAFullDisk(t *testing.T) {
	tensors := []TensorSource{Encoded("w", F32, []uint64{1 << 16}, make([]float32, 1<<16))}
	for _, room := range []fullDisk{0, 70_000, 200_000} {
		if err := Write(&room, everyKind(), tensors); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("error %v", err)
		}
	}
}

func TestWriteFileReplacesAndTellsTheDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, []byte("an older file"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := WriteFile(path, everyKind(), []TensorSource{Encoded("w", BF16, []uint64{3, 2}, []float32{1, 2, 3, 4, 5, 6})})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Digest() != digest || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("digest %s; the file's is %s", digest, f.Digest())
	}
	copied, err := io.ReadAll(f.Reader())
	if err != nil || len(copied) != f.Len() {
		t.Errorf("Reader gives %d of %d bytes: %v", len(copied), f.Len(), err)
	}
	if got, err := f.TensorFloats("w"); err != nil || !reflect.DeepEqual(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("w = %v, %v", got, err)
	}
}
