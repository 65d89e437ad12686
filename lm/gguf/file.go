package gguf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
)

// File is an open GGUF file. Its methods are safe for concurrent use, except Close.
type File struct {
	data      []byte // the whole file, mapped where the system can
	unmap     func() error
	version   uint32
	alignment uint64
	kv        []Pair
	keys      map[string]int // position in kv
	tensors   []TensorInfo
	names     map[string]int // position in tensors
	more      []*File        // the parts after this one, of a model in several files

	once   sync.Once
	digest string
}

// Pair is one key with its value. The value is a uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32,
// float64, bool or string, or a slice of one of these for an array.
type Pair struct {
	Key   string
	Value any
}

// TensorInfo says what a tensor is and where its bytes lie.
type TensorInfo struct {
	Name   string
	Type   Type
	Dims   []uint64 // number of values along each axis, the fastest first: a matrix of rows × columns is {columns, rows}
	Offset uint64   // from the start of the file it lies in
	Size   uint64   // in bytes

	part int // which file it lies in, of a model in several
}

// Len returns the number of values, the product of Dims.
func (t TensorInfo) Len() int {
	n := 1
	for _, d := range t.Dims {
		n *= int(d)
	}
	return n
}

// Open opens the file at path. Where the system can map files, tensors are read from disk as they are touched and the
// memory is the system's cache, shared between processes. The file must not be changed in place while it is open: a
// mapped file that is cut short kills the process. Replacing it by a rename is safe.
//
// A model in several files, NAME-00001-of-0000N.gguf and so on, is opened by its first; the others are looked for beside
// it. It then appears as one file with the tensors of all, without the keys that number the parts.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	if err := f.openParts(path); err != nil {
		f.Close()
		return nil, fmt.Errorf("open model file %s: %w", path, err)
	}
	return f, nil
}

func openOne(path string) (*File, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("open model file: %w", err)
	}
	f, err := Parse(data)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("open model file %s: %w", path, err)
	}
	f.unmap = unmap
	return f, nil
}

// Parse reads a file that is already in memory, such as an embedded one. The File keeps data, which must not change. Of a
// model in several files it reads one part as it is: see Join.
func Parse(data []byte) (*File, error) {
	f := &File{data: data}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// Close releases the file. What Bytes returned must not be used afterwards; keys and their values may.
func (f *File) Close() error {
	var problems []error
	for _, part := range f.parts() {
		if part.unmap != nil {
			problems = append(problems, part.unmap())
			part.unmap, part.data = nil, nil
		}
	}
	return errors.Join(problems...)
}

// parts returns the files that the model lies in, this one first.
func (f *File) parts() []*File { return append([]*File{f}, f.more...) }

// Digest returns "sha256:" and the hex digest of the whole file, which names it in a registry of blobs; of a model in
// several files, that of their bytes one after the other. The first call reads everything.
func (f *File) Digest() string {
	f.once.Do(func() {
		hash := sha256.New()
		for _, part := range f.parts() {
			hash.Write(part.data)
		}
		f.digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	})
	return f.digest
}

// Version returns the version of the format: 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Alignment returns the bytes to whose multiples tensors are aligned.
func (f *File) Alignment() int { return int(f.alignment) }

// Len returns the length of the file, or of all parts, in bytes.
func (f *File) Len() int {
	n := 0
	for _, part := range f.parts() {
		n += len(part.data)
	}
	return n
}

// KV returns all pairs in the order of the file. The caller must not change them.
func (f *File) KV() []Pair { return f.kv }

// Tensors returns all tensors in the order of the file. The caller must not change them.
func (f *File) Tensors() []TensorInfo { return f.tensors }

// Tensor finds a tensor by its name.
func (f *File) Tensor(name string) (TensorInfo, bool) {
	i, ok := f.names[name]
	if !ok {
		return TensorInfo{}, false
	}
	return f.tensors[i], true
}

// Bytes returns the stored bytes of a tensor of this file, without copying: they must not be changed. It panics if the
// tensor does not lie within the file.
func (f *File) Bytes(t TensorInfo) []byte {
	data := f.data
	if t.part > 0 {
		data = f.more[t.part-1].data
	}
	return data[t.Offset : t.Offset+t.Size : t.Offset+t.Size]
}

// TensorFloats decodes a tensor of this file into new memory.
func (f *File) TensorFloats(name string) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("read tensor %s: no such tensor in the file", name)
	}
	if !t.Type.decodable() {
		return nil, fmt.Errorf("read tensor %s: %v cannot be decoded", name, t.Type)
	}
	dst := make([]float32, t.Len())
	if err := Dequantize(dst, t.Type, f.Bytes(t)); err != nil {
		return nil, fmt.Errorf("read tensor %s: %w", name, err)
	}
	return dst, nil
}

// Reader returns the whole file, or all parts one after the other, as a stream of bytes.
func (f *File) Reader() io.Reader {
	var all []io.Reader
	for _, part := range f.parts() {
		all = append(all, bytes.NewReader(part.data))
	}
	return io.MultiReader(all...)
}
