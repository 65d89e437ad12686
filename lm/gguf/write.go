package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// TensorSource is a tensor to be written. Write is called once, in turn, and writes exactly the bytes that type and
// dimensions ask for, so that only one tensor need be in memory at a time.
type TensorSource struct {
	Name  string
	Type  Type
	Dims  []uint64 // the fastest first
	Write func(w io.Writer) error
}

// Source returns a tensor of the file as it is, to be copied into another.
func (f *File) Source(t TensorInfo) TensorSource {
	return TensorSource{t.Name, t.Type, t.Dims, func(w io.Writer) error {
		_, err := w.Write(f.Bytes(t))
		return err
	}}
}

// Encoded returns a tensor whose values are encoded while it is written, piece by piece.
func Encoded(name string, typ Type, dims []uint64, values []float32) TensorSource {
	return TensorSource{name, typ, dims, func(w io.Writer) error { return encodeTo(w, typ, values) }}
}

func encodeTo(w io.Writer, typ Type, values []float32) error {
	const piece = 1 << 14 // values; a multiple of every block size
	if _, err := typ.Size(len(values)); err != nil {
		return err
	}
	n, err := typ.Size(min(piece, len(values)))
	if err != nil {
		return err
	}
	buffer := make([]byte, n)
	for at := 0; at < len(values); at += piece {
		part := values[at:min(at+piece, len(values))]
		size, err := typ.Size(len(part))
		if err != nil {
			return err
		}
		if err := Quantize(buffer[:size], typ, part); err != nil {
			return fmt.Errorf("from value %d on: %w", at, err)
		}
		if _, err := w.Write(buffer[:size]); err != nil {
			return err
		}
	}
	return nil
}

// Write writes a file of version 3 with the pairs and tensors in the order given, and each tensor at a multiple of
// the alignment: that of the key general.alignment, or 32. Padding is zero. It checks everything it can before the
// first byte: keys and names that are there twice, values of a type the format lacks, impossible shapes.
func Write(w io.Writer, kv []Pair, tensors []TensorSource) error {
	alignment, err := check(kv, tensors)
	if err != nil {
		return err
	}
	e := &encoder{w: bufio.NewWriterSize(w, 1<<16)}
	e.bytes([]byte(magic))
	e.uint32(3)
	e.uint64(uint64(len(tensors)))
	e.uint64(uint64(len(kv)))
	for _, p := range kv {
		e.string(p.Key)
		e.value(p.Value)
	}
	var offset uint64
	for _, t := range tensors {
		size, _ := tensorSize(t.Type, t.Dims) // checked above
		e.tensor(t, offset)
		offset = alignUp(offset+size, alignment)
	}
	e.pad(alignment)
	for _, t := range tensors {
		if err := e.data(t); err != nil {
			return err
		}
		e.pad(alignment)
	}
	if e.err == nil {
		e.err = e.w.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("write model file: %w", e.err)
	}
	return nil
}

func check(kv []Pair, tensors []TensorSource) (alignment uint64, err error) {
	alignment = defaultAlignment
	keys := make(map[string]bool, len(kv))
	for _, p := range kv {
		switch {
		case p.Key == "" || len(p.Key) > maxKey:
			return 0, fmt.Errorf("write model file: key %.40q has %d bytes; want 1 to %d", p.Key, len(p.Key), maxKey)
		case keys[p.Key]:
			return 0, fmt.Errorf("write model file: key %q is there twice", p.Key)
		case !writable(p.Value):
			return 0, fmt.Errorf("write model file: key %q: the format has no type for a %T", p.Key, p.Value)
		}
		keys[p.Key] = true
		if p.Key == alignmentKey {
			a, ok := p.Value.(uint32)
			if !ok || !validAlignment(a) {
				return 0, fmt.Errorf("write model file: key %q: %v; want a power of two up to %d as uint32", p.Key, p.Value, maxAlignment)
			}
			alignment = uint64(a)
		}
	}
	names := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		switch {
		case t.Name == "" || len(t.Name) > maxKey:
			return 0, fmt.Errorf("write model file: tensor name %.40q has %d bytes; want 1 to %d", t.Name, len(t.Name), maxKey)
		case names[t.Name]:
			return 0, fmt.Errorf("write model file: tensor %q is there twice", t.Name)
		case len(t.Dims) > maxDims:
			return 0, fmt.Errorf("write tensor %q: %d dimensions; at most %d are allowed", t.Name, len(t.Dims), maxDims)
		}
		names[t.Name] = true
		if _, err := tensorSize(t.Type, t.Dims); err != nil {
			return 0, fmt.Errorf("write tensor %q: %w", t.Name, err)
		}
	}
	return alignment, nil
}

// maxKey is the longest key the format allows.
const maxKey = 1<<16 - 1

// encoder writes the format's primitives, counts the bytes, and keeps the first error.
type encoder struct {
	w   *bufio.Writer
	n   uint64
	err error
	buf [8]byte
}

func (e *encoder) bytes(b []byte) {
	if e.err != nil {
		return
	}
	n, err := e.w.Write(b)
	e.n, e.err = e.n+uint64(n), err
}

func (e *encoder) uint32(v uint32) {
	binary.LittleEndian.PutUint32(e.buf[:], v)
	e.bytes(e.buf[:4])
}

func (e *encoder) uint64(v uint64) {
	binary.LittleEndian.PutUint64(e.buf[:], v)
	e.bytes(e.buf[:8])
}

func (e *encoder) string(s string) {
	e.uint64(uint64(len(s)))
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
		e.n += uint64(len(s))
	}
}

func (e *encoder) pad(alignment uint64) {
	e.bytes(make([]byte, alignUp(e.n, alignment)-e.n))
}

func (e *encoder) tensor(t TensorSource, offset uint64) {
	e.string(t.Name)
	e.uint32(uint32(len(t.Dims)))
	for _, d := range t.Dims {
		e.uint64(d)
	}
	e.uint32(uint32(t.Type))
	e.uint64(offset)
}

// data lets t write its bytes and checks their number.
func (e *encoder) data(t TensorSource) error {
	if e.err != nil {
		return nil
	}
	size, _ := tensorSize(t.Type, t.Dims)
	before := e.n
	if err := t.Write(writerFunc(func(b []byte) (int, error) {
		e.bytes(b)
		return len(b), e.err
	})); err != nil {
		return fmt.Errorf("write tensor %q: %w", t.Name, err)
	}
	if e.n-before != size {
		return fmt.Errorf("write tensor %q: %d bytes came; its shape %v of %v takes %d", t.Name, e.n-before, t.Dims, t.Type, size)
	}
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
