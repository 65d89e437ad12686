package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(b []byte) (*File, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// file makes a file of a header and bytes of data.
func file(header string, data int) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), append([]byte(header), make([]byte, data)...)...)
}

func TestRoundTrip(t *testing.T) {
	values := []float32{1, -2.5, float32(math.Inf(1)), math.SmallestNonzeroFloat32, 0, 7}
	var b bytes.Buffer
	err := Write(&b, map[string]string{"format": "pt"}, []Source{{"z", []int{2, 3}, values}, {"a<b", []int{1}, []float32{9}}, {"empty", []int{0, 4}, nil}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Metadata["format"] != "pt" || len(f.Tensors) != 3 || f.Tensors[0].Name != "a<b" || f.Tensors[2].Name != "z" {
		t.Errorf("%v %v", f.Metadata, f.Tensors)
	}
	z, ok := f.Tensor("z")
	data, err := f.Bytes(z)
	if !ok || err != nil || fmt.Sprint(z.Shape) != "[2 3]" || z.DType != "F32" || z.at%8 != 4 {
		t.Fatalf("%+v, %v, %v", z, ok, err)
	}
	for i, want := range values {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])); got != want {
			t.Errorf("value %d is %v, want %v", i, got, want)
		}
	}
	if _, ok := f.Tensor("y"); ok {
		t.Error("a tensor that is not there")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}

// Every rule of the format, broken one at a time.
func TestStrict(t *testing.T) {
	one := `{"x":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}`
	if _, err := read(file(one, 8)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":        {nil, "no safetensors"},
		"long header":  {binary.LittleEndian.AppendUint64(nil, 1<<60), "a header of"},
		"no object":    {file(`[]`, 0), "no JSON object"},
		"cut":          {file(`{"x":`, 0), "header"},
		"goes on":      {file(`{}{}`, 0), "goes on"},
		"twice":        {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "twice"},
		"type":         {file(`{"x":{"dtype":"F12","shape":[1],"data_offsets":[0,1]}}`, 1), "unknown type"},
		"beyond":       {file(one, 7), "bytes 0 to 8 of 7"},
		"left over":    {file(one, 9), "end at byte"},
		"gap":          {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "begins at byte"},
		"overlap":      {file(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "begins at byte"},
		"shape":        {file(`{"x":{"dtype":"F16","shape":[3],"data_offsets":[0,8]}}`, 8), "want 6"},
		"negative":     {file(`{"x":{"dtype":"F16","shape":[-2,-2],"data_offsets":[0,8]}}`, 8), "shape"},
		"overflow":     {file(`{"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "shape"},
		"zero and big": {file(`{"x":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, 0), "shape"},
		"fraction":     {file(`{"x":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1), "number"},
		"offsets":      {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), "3 offsets"},
		"backwards":    {file(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}}`, 1), "bytes 1 to 0"},
		"other field":  {file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":2}}`, 1), "unknown field"},
		"metadata":     {file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
	} {
		if _, err := read(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, tensors := range map[string][]Source{
		"too few":  {{"x", []int{2}, []float32{1}}},
		"twice":    {{"x", []int{1}, []float32{1}}, {"x", []int{1}, []float32{2}}},
		"metadata": {{"__metadata__", []int{1}, []float32{1}}},
	} {
		if err := Write(&bytes.Buffer{}, nil, tensors); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// Whatever the bytes, reading ends in an error or in tensors that lie within them.
func FuzzRead(f *testing.F) {
	f.Add(file(`{"x":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"__metadata__":{"format":"pt"},"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := read(b)
		if err != nil {
			return
		}
		total := 0
		for _, tensor := range file.Tensors {
			data, err := file.Bytes(tensor)
			if err != nil {
				t.Fatalf("%+v: %v", tensor, err)
			}
			total += len(data)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(b))
		}
	})
}
