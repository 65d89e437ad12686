// Package safetensors reads and writes files of that name: the length of a header, the header as JSON, which says where each
// tensor lies, and the tensors' bytes, one after another. It is as strict as the format's own reader: every byte belongs to one
// tensor, no name comes twice, and nothing is allocated that the file does not hold.
//
// https://github.com/huggingface/safetensors#format
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// File is an open file. Its methods are safe for concurrent use, except Close.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor // in the order of their bytes

	index  map[string]int
	r      io.ReaderAt
	closer io.Closer
}

// Tensor says what a tensor is and where its bytes lie. The first axis is the slowest: a matrix is {rows, columns}.
type Tensor struct {
	Name  string
	DType string // F32, F16, BF16, …
	Shape []int

	at, size int64 // in the file
}

// sizes are the bytes of a value of each type.
var sizes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8,
}

// Bounds on what is taken for a header; a model of a thousand layers with all their adapters stays below.
const (
	maxHeader = 8 << 20
	maxAxes   = 8
)

// Open opens the file at path and reads its header; tensors are read when they are asked for.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open safetensors file: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		var f *File
		if f, err = Read(file, info.Size()); err == nil {
			f.closer = file
			return f, nil
		}
	}
	return nil, fmt.Errorf("open safetensors file %s: %w", path, errors.Join(err, file.Close()))
}

// Read reads the header of a file of size bytes.
func Read(r io.ReaderAt, size int64) (*File, error) {
	var length [8]byte
	if size < int64(len(length)) {
		return nil, fmt.Errorf("%d bytes are no safetensors file", size)
	}
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, fmt.Errorf("read length of header: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader || n > uint64(size)-8 {
		return nil, fmt.Errorf("a header of %d bytes in a file of %d; allowed are %d", n, size, min(maxHeader, uint64(size)-8))
	}
	header := make([]byte, n)
	if _, err := r.ReadAt(header, 8); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	f := &File{r: r, index: map[string]int{}}
	if err := f.parse(header, 8+int64(n), size); err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the file that Open opened.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Tensor returns the tensor of a name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Bytes reads the values of a tensor, little endian. The caller has looked at its shape: this is as much memory.
func (f *File) Bytes(t Tensor) ([]byte, error) {
	b := make([]byte, t.size)
	if _, err := f.r.ReadAt(b, t.at); err != nil {
		return nil, fmt.Errorf("read tensor %s: %w", t.Name, err)
	}
	return b, nil
}
