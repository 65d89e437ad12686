package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	alignmentKey     = "general.alignment"
	maxDims          = 4       // of ggml
	maxAlignment     = 1 << 20 // far above any in use; keeps padding harmless
	expected         = 1 << 8  // pairs or tensors for which room is made before they are seen; more come as they are read
	minPairBytes     = 8 + 4 + 1
	minTensorBytes   = 8 + 4 + 4 + 8
)

func (f *File) parse() error {
	r := &reader{data: f.data}
	tensors, pairs, err := f.header(r)
	if err != nil {
		return err
	}
	if err := f.readPairs(r, pairs); err != nil {
		return err
	}
	if err := f.readAlignment(); err != nil {
		return err
	}
	if err := f.readTensors(r, tensors); err != nil {
		return err
	}
	return f.place(uint64(r.off))
}

// header reads magic, version and the two counts, which cannot exceed what the remaining bytes could hold.
func (f *File) header(r *reader) (tensors, pairs uint64, err error) {
	m, err := r.bytes(4)
	if err != nil || string(m) != magic {
		return 0, 0, fmt.Errorf("read magic: the file does not start with %q", magic)
	}
	if f.version, err = r.uint32(); err != nil {
		return 0, 0, fmt.Errorf("read version: %w", err)
	}
	switch {
	case f.version == 2 || f.version == 3:
	case bits.ReverseBytes32(f.version) <= 3:
		return 0, 0, fmt.Errorf("read version: a big-endian file; only little-endian ones are read")
	default:
		return 0, 0, fmt.Errorf("read version: %d; want 2 or 3", f.version)
	}
	if tensors, err = r.count(0, minTensorBytes); err != nil {
		return 0, 0, fmt.Errorf("read number of tensors: %w", err)
	}
	if pairs, err = r.count(0, minPairBytes); err != nil {
		return 0, 0, fmt.Errorf("read number of pairs: %w", err)
	}
	return tensors, pairs, nil
}

func (f *File) readPairs(r *reader, n uint64) error {
	f.kv = make([]Pair, 0, min(n, expected))
	f.keys = make(map[string]int, min(n, expected))
	for i := range n {
		key, err := r.string()
		if err != nil {
			return fmt.Errorf("read key of pair %d of %d: %w", i, n, err)
		}
		if _, twice := f.keys[key]; twice {
			return fmt.Errorf("read pair %d of %d: key %q is there twice", i, n, key)
		}
		value, err := r.value()
		if err != nil {
			return fmt.Errorf("read value of key %q: %w", key, err)
		}
		f.keys[key] = len(f.kv)
		f.kv = append(f.kv, Pair{key, value})
	}
	return nil
}

func (f *File) readAlignment() error {
	f.alignment = defaultAlignment
	i, ok := f.keys[alignmentKey]
	if !ok {
		return nil
	}
	a, ok := f.kv[i].Value.(uint32)
	if !ok || !validAlignment(a) {
		return fmt.Errorf("read key %q: %v; want a power of two up to %d as uint32", alignmentKey, f.kv[i].Value, maxAlignment)
	}
	f.alignment = uint64(a)
	return nil
}

func validAlignment(a uint32) bool { return a > 0 && a&(a-1) == 0 && a <= maxAlignment }

func (f *File) readTensors(r *reader, n uint64) error {
	if n > r.left()/minTensorBytes {
		return fmt.Errorf("read tensors: %d cannot fit in the %d bytes that are left", n, r.left())
	}
	f.tensors = make([]TensorInfo, 0, min(n, expected))
	f.names = make(map[string]int, min(n, expected))
	for i := range n {
		name, err := r.string()
		if err != nil {
			return fmt.Errorf("read name of tensor %d of %d: %w", i, n, err)
		}
		if _, twice := f.names[name]; twice {
			return fmt.Errorf("read tensor %d of %d: name %q is there twice", i, n, name)
		}
		t := TensorInfo{Name: name}
		if err := r.tensor(&t); err != nil {
			return fmt.Errorf("read tensor %q: %w", name, err)
		}
		f.names[name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	return nil
}

// place turns the offsets of the tensors, which the file counts from the end of the table that closes at end, into
// offsets in the file, and checks that each tensor lies within the file and apart from the others.
func (f *File) place(end uint64) error {
	start := alignUp(end, f.alignment)
	length := uint64(len(f.data))
	order := make([]*TensorInfo, len(f.tensors))
	for i := range f.tensors {
		t := &f.tensors[i]
		switch {
		case t.Offset%f.alignment != 0:
			return fmt.Errorf("place tensor %q: offset %d is not a multiple of the alignment %d", t.Name, t.Offset, f.alignment)
		case start > length || t.Offset > length-start || t.Size > length-start-t.Offset:
			return fmt.Errorf("place tensor %q: %d bytes at offset %d of the data do not fit in a file of %d bytes", t.Name, t.Size, t.Offset, length)
		}
		t.Offset += start
		order[i] = t
	}
	slices.SortFunc(order, func(a, b *TensorInfo) int {
		if a.Offset < b.Offset {
			return -1
		}
		return 1
	})
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.Offset+a.Size > b.Offset {
			return fmt.Errorf("place tensor %q: its bytes overlap those of tensor %q", b.Name, a.Name)
		}
	}
	return nil
}

// alignUp rounds n up to a multiple of a, a power of two.
func alignUp(n, a uint64) uint64 { return (n + a - 1) &^ (a - 1) }

// reader walks through the bytes of a file. Every step checks that the bytes are there.
type reader struct {
	data []byte
	off  int
}

func (r *reader) left() uint64 { return uint64(len(r.data) - r.off) }

func (r *reader) bytes(n uint64) ([]byte, error) {
	if n > r.left() {
		return nil, fmt.Errorf("the file ends after %d bytes where %d more are wanted", len(r.data), n)
	}
	b := r.data[r.off : r.off+int(n)]
	r.off += int(n)
	return b, nil
}

func (r *reader) uint32() (uint32, error) {
	b, err := r.bytes(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) uint64() (uint64, error) {
	b, err := r.bytes(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads the number of things that follow, each of which takes at least minBytes, after skip bytes.
func (r *reader) count(skip, minBytes uint64) (uint64, error) {
	n, err := r.uint64()
	if err != nil {
		return 0, err
	}
	if r.left() < skip || n > (r.left()-skip)/minBytes {
		return 0, fmt.Errorf("%d cannot fit in the %d bytes that are left", n, r.left())
	}
	return n, nil
}

func (r *reader) string() (string, error) {
	n, err := r.uint64()
	if err != nil {
		return "", err
	}
	b, err := r.bytes(n)
	return string(b), err
}

// tensor reads what follows the name. Offset stays as it is in the file.
func (r *reader) tensor(t *TensorInfo) error {
	dims, err := r.uint32()
	if err != nil {
		return err
	}
	if dims > maxDims {
		return fmt.Errorf("%d dimensions; at most %d are allowed", dims, maxDims)
	}
	t.Dims = make([]uint64, dims)
	for i := range t.Dims {
		if t.Dims[i], err = r.uint64(); err != nil {
			return err
		}
	}
	typ, err := r.uint32()
	if err != nil {
		return err
	}
	t.Type = Type(typ)
	if t.Size, err = tensorSize(t.Type, t.Dims); err != nil {
		return err
	}
	t.Offset, err = r.uint64()
	return err
}

// tensorSize returns the bytes of a tensor, or an error if the shape is impossible.
func tensorSize(t Type, dims []uint64) (uint64, error) {
	l, ok := layouts[t]
	if !ok {
		return 0, fmt.Errorf("unknown %v", t)
	}
	n := uint64(1)
	for _, d := range dims {
		hi, lo := bits.Mul64(n, d)
		if d == 0 || hi != 0 || lo > math.MaxInt64/8 {
			return 0, fmt.Errorf("dimensions %v are zero or too large", dims)
		}
		n = lo
	}
	row := uint64(1)
	if len(dims) > 0 {
		row = dims[0]
	}
	if row%uint64(l.values) != 0 {
		return 0, fmt.Errorf("rows of %d values of %v: not a multiple of the block size %d", row, t, l.values)
	}
	hi, size := bits.Mul64(n/uint64(l.values), uint64(l.bytes))
	if hi != 0 || size > math.MaxInt64 {
		return 0, fmt.Errorf("dimensions %v are too large", dims)
	}
	return size, nil
}
