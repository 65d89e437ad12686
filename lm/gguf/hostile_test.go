package gguf

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
)

// raw builds files by hand, right or wrong.
type raw struct{ bytes.Buffer }

func (r *raw) put(values ...any) *raw {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.put(uint64(len(v)))
			r.WriteString(v)
		case []byte:
			r.Write(v)
		default:
			if err := binary.Write(r, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return r
}

// file starts a file with so many tensors and pairs.
func file(tensors, pairs uint64) *raw {
	return new(raw).put([]byte(magic), uint32(3), tensors, pairs)
}

// vector adds the entry of a vector of F32.
func (r *raw) vector(name string, n, offset uint64) *raw {
	return r.put(name, uint32(1), n, uint32(F32), offset)
}

// data pads to the default alignment and adds n bytes.
func (r *raw) data(n int) *raw {
	return r.put(make([]byte, int(alignUp(uint64(r.Len()), defaultAlignment))-r.Len()+n))
}

const (
	huge = uint64(1) << 62
	all  = ^uint64(0)
)

var hostile = map[string]struct {
	file *raw
	want string
}{
	"empty":                 {new(raw), `does not start with "GGUF"`},
	"another format":        {new(raw).put([]byte("PK\x03\x04 and more")), `does not start with "GGUF"`},
	"version 1":             {new(raw).put([]byte(magic), uint32(1), make([]byte, 64)), "version: 1; want 2 or 3"},
	"version 4":             {new(raw).put([]byte(magic), uint32(4), make([]byte, 64)), "version: 4; want 2 or 3"},
	"big endian":            {new(raw).put([]byte(magic), []byte{0, 0, 0, 3}, make([]byte, 64)), "big-endian"},
	"no counts":             {new(raw).put([]byte(magic), uint32(3)), "number of tensors: the file ends"},
	"huge tensor count":     {file(huge, 0), "number of tensors: 4611686018427387904 cannot fit"},
	"huge pair count":       {file(0, huge), "number of pairs: 4611686018427387904 cannot fit"},
	"key runs out":          {file(0, 1).put(all, make([]byte, 40)), "read key of pair 0 of 1: the file ends"},
	"value is missing":      {file(0, 1).put("a.key.of.some.length"), `value of key "a.key.of.some.length": the file ends`},
	"unknown kind":          {file(0, 1).put("k", uint32(13), uint64(0)), `key "k": unknown kind of value 13`},
	"bool of 2":             {file(0, 1).put("k", uint32(kindBool), uint8(2)), `key "k": bool is 2`},
	"key twice":             {file(0, 2).put("k", uint32(kindBool), uint8(1), "k", uint32(kindBool), uint8(1)), `key "k" is there twice`},
	"array of arrays":       {file(0, 1).put("k", uint32(kindArray), uint32(kindArray), uint64(1), uint32(kindUint8), uint64(1), uint8(1)), `key "k": an array of arrays`},
	"array of unknown kind": {file(0, 1).put("k", uint32(kindArray), uint32(99), uint64(1)), `key "k": an array of unknown kind 99`},
	"huge array":            {file(0, 1).put("k", uint32(kindArray), uint32(kindUint8), huge), `key "k": length of the array: 4611686018427387904 cannot fit`},
	"array that overflows":  {file(0, 1).put("k", uint32(kindArray), uint32(kindFloat64), uint64(1)<<61), `key "k": length of the array`},
	"huge array of strings": {file(0, 1).put("k", uint32(kindArray), uint32(kindString), uint64(1)<<60), `key "k": length of the array`},
	"string in array":       {file(0, 1).put("k", uint32(kindArray), uint32(kindString), uint64(2), "ab", all), `key "k": element 1 of the array: the file ends`},
	"bool in array":         {file(0, 1).put("k", uint32(kindArray), uint32(kindBool), uint64(2), uint8(1), uint8(7)), `key "k": element 1 of the array: bool is 7`},
	"alignment 0":           {file(0, 1).put(alignmentKey, uint32(kindUint32), uint32(0)), `key "general.alignment": 0; want a power of two`},
	"alignment 24":          {file(0, 1).put(alignmentKey, uint32(kindUint32), uint32(24)), `key "general.alignment": 24; want a power of two`},
	"alignment 2^31":        {file(0, 1).put(alignmentKey, uint32(kindUint32), uint32(1<<31)), "want a power of two up to"},
	"alignment is text":     {file(0, 1).put(alignmentKey, uint32(kindString), "32"), `key "general.alignment": 32; want a power of two`},
	"five dimensions":       {file(1, 0).put("w", uint32(5), make([]byte, 60)), `tensor "w": 5 dimensions`},
	"2^32-1 dimensions":     {file(1, 0).put("w", ^uint32(0), make([]byte, 60)), `tensor "w": 4294967295 dimensions`},
	"zero dimension":        {file(1, 0).put("w", uint32(2), uint64(4), uint64(0), uint32(F32), uint64(0)), `tensor "w": dimensions [4 0] are zero or too large`},
	"product overflows":     {file(1, 0).put("w", uint32(2), uint64(1)<<33, uint64(1)<<33, uint32(F32), uint64(0)), `tensor "w": dimensions [8589934592 8589934592] are zero or too large`},
	"partial block":         {file(1, 0).put("w", uint32(1), uint64(48), uint32(Q8_0), uint64(0)).data(64), `tensor "w": rows of 48 values of Q8_0: not a multiple of the block size 32`},
	"rows of half blocks":   {file(1, 0).put("w", uint32(2), uint64(16), uint64(2), uint32(Q8_0), uint64(0)).data(64), `tensor "w": rows of 16 values`},
	"unknown type":          {file(1, 0).put("w", uint32(1), uint64(8), uint32(4), uint64(0)).data(64), `tensor "w": unknown type 4`},
	"tensor table ends":     {file(2, 0).vector("a", 8, 0).put(uint64(100), make([]byte, 20)), "read name of tensor 1 of 2: the file ends"},
	"count after the pairs": {file(2, 1).put("k", uint32(kindArray), uint32(kindUint8), uint64(60), make([]byte, 60)), "tensors: 2 cannot fit in the 0 bytes"},
	"name twice":            {file(2, 0).vector("w", 8, 0).vector("w", 8, 32).data(64), `tensor 1 of 2: name "w" is there twice`},
	"crooked offset":        {file(1, 0).vector("w", 8, 4).data(64), `tensor "w": offset 4 is not a multiple of the alignment 32`},
	"offset beyond the end": {file(1, 0).vector("w", 8, 1<<40).data(32), `tensor "w": 32 bytes at offset 1099511627776`},
	"offset overflows":      {file(1, 0).vector("w", 8, all-31).data(32), `tensor "w": 32 bytes at offset 18446744073709551584`},
	"size beyond the end":   {file(1, 0).vector("w", 1<<40, 0).data(32), `tensor "w": 4398046511104 bytes at offset 0`},
	"one byte short":        {file(1, 0).vector("w", 8, 0).data(31), `tensor "w": 32 bytes at offset 0 of the data do not fit`},
	"no data at all":        {file(1, 0).vector("w", 8, 0), `tensor "w": 32 bytes at offset 0 of the data do not fit`},
	"overlap":               {file(2, 0).vector("a", 16, 0).vector("b", 8, 32).data(64), `tensor "b": its bytes overlap those of tensor "a"`},
	"same place":            {file(2, 0).vector("a", 8, 32).vector("b", 8, 32).data(64), "overlap"},
}

func TestParseRefusesHostileFiles(t *testing.T) {
	for name, c := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := Parse(c.file.Bytes())
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("file %+v, error %v; want one with %q", f, err, c.want)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<16 {
				t.Errorf("%d bytes were allocated for a file of %d", grown, c.file.Len())
			}
		})
	}
}

// Whatever a file is cut to, reading it gives an error or, once all tensors are whole, the file.
func TestParseOfEveryPrefix(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, everyKind(), []TensorSource{Encoded("a", F32, []uint64{3}, make([]float32, 3)), Encoded("b", F16, []uint64{2, 2}, make([]float32, 4))}); err != nil {
		t.Fatal(err)
	}
	whole := out.Bytes()
	last := len(whole) - 64 + 8 // the last tensor has 8 bytes, then padding
	for n := range whole {
		if _, err := Parse(whole[:n:n]); (err == nil) != (n >= last) {
			t.Fatalf("the first %d of %d bytes: error %v", n, len(whole), err)
		}
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"empty.gguf": nil, "text.gguf": []byte("not a model")} {
		path := dir + "/" + name
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v; want one that names %s", err, path)
		}
	}
	for _, path := range []string{dir, dir + "/missing.gguf"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v; want one that names %s", err, path)
		}
	}
}

// FuzzParse checks that no input makes the reader panic, that what it accepts can be written again, and that the
// second file says the same as the first.
func FuzzParse(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.file.Bytes())
	}
	f.Add(file(2, 1).put("k", uint32(kindString), "v").vector("a", 8, 0).vector("b", 8, 32).data(64).Bytes())
	for _, path := range tinyFiles(f) {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content[:min(len(content), 1<<14)])
	}
	var out bytes.Buffer
	if err := Write(&out, everyKind(), []TensorSource{Encoded("w", Q4_1, []uint64{32, 2}, make([]float32, 64))}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := Parse(data)
		if err != nil {
			return
		}
		for _, info := range first.Tensors() {
			if info.Len() > 1<<20 {
				t.Fatalf("tensor %+v in a file of %d bytes", info, len(data))
			}
			if _, err := first.TensorFloats(info.Name); err != nil && info.Type.decodable() {
				t.Fatal(err)
			}
		}
		var again bytes.Buffer
		if err := Write(&again, first.KV(), sources(first)); err != nil {
			return // a name the writer does not make, such as an empty one
		}
		second, err := Parse(again.Bytes())
		if err != nil {
			t.Fatalf("the file written from one that was read is refused: %v", err)
		}
		if len(second.KV()) != len(first.KV()) || len(second.Tensors()) != len(first.Tensors()) {
			t.Fatalf("%d pairs and %d tensors became %d and %d", len(first.KV()), len(first.Tensors()), len(second.KV()), len(second.Tensors()))
		}
		for i, info := range second.Tensors() {
			if !bytes.Equal(second.Bytes(info), first.Bytes(first.Tensors()[i])) {
				t.Fatalf("tensor %q has other bytes", info.Name)
			}
		}
	})
}
