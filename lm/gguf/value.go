package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// kind is the format's number for the type of a value.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// kindBytes is the fewest bytes a value of a kind takes: all of them, but for a string its length alone.
var kindBytes = [...]uint64{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8}

func (r *reader) value() (any, error) {
	k, err := r.uint32()
	if err != nil {
		return nil, err
	}
	if kind(k) == kindArray {
		return r.array()
	}
	switch kind(k) {
	case kindUint8:
		return one(r, uint8Of)
	case kindInt8:
		return one(r, int8Of)
	case kindUint16:
		return one(r, binary.LittleEndian.Uint16)
	case kindInt16:
		return one(r, int16Of)
	case kindUint32:
		return one(r, binary.LittleEndian.Uint32)
	case kindInt32:
		return one(r, int32Of)
	case kindFloat32:
		return one(r, float32Of)
	case kindBool:
		return r.bool()
	case kindString:
		return r.string()
	case kindUint64:
		return one(r, binary.LittleEndian.Uint64)
	case kindInt64:
		return one(r, int64Of)
	case kindFloat64:
		return one(r, float64Of)
	}
	return nil, fmt.Errorf("unknown kind of value %d", k)
}

func (r *reader) array() (any, error) {
	k, err := r.uint32()
	if err != nil {
		return nil, err
	}
	if kind(k) == kindArray {
		return nil, fmt.Errorf("an array of arrays, which is not supported")
	}
	if k >= uint32(len(kindBytes)) {
		return nil, fmt.Errorf("an array of unknown kind %d", k)
	}
	n, err := r.count(0, kindBytes[k])
	if err != nil {
		return nil, fmt.Errorf("length of the array: %w", err)
	}
	switch kind(k) {
	case kindUint8:
		return many(r, n, uint8Of)
	case kindInt8:
		return many(r, n, int8Of)
	case kindUint16:
		return many(r, n, binary.LittleEndian.Uint16)
	case kindInt16:
		return many(r, n, int16Of)
	case kindUint32:
		return many(r, n, binary.LittleEndian.Uint32)
	case kindInt32:
		return many(r, n, int32Of)
	case kindFloat32:
		return many(r, n, float32Of)
	case kindBool:
		return r.bools(n)
	case kindString:
		return r.strings(n)
	case kindUint64:
		return many(r, n, binary.LittleEndian.Uint64)
	case kindInt64:
		return many(r, n, int64Of)
	default:
		return many(r, n, float64Of)
	}
}

func uint8Of(b []byte) uint8     { return b[0] }
func int8Of(b []byte) int8       { return int8(b[0]) }
func int16Of(b []byte) int16     { return int16(binary.LittleEndian.Uint16(b)) }
func int32Of(b []byte) int32     { return int32(binary.LittleEndian.Uint32(b)) }
func int64Of(b []byte) int64     { return int64(binary.LittleEndian.Uint64(b)) }
func float32Of(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
func float64Of(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// one reads a number whose bytes of decodes.
func one[T any](r *reader, of func([]byte) T) (any, error) {
	b, err := r.bytes(uint64(binary.Size(*new(T))))
	if err != nil {
		return nil, err
	}
	return of(b), nil
}

// many reads n numbers; the caller has checked that n is possible.
func many[T any](r *reader, n uint64, of func([]byte) T) (any, error) {
	size := uint64(binary.Size(*new(T)))
	b, err := r.bytes(n * size)
	if err != nil {
		return nil, err
	}
	values := make([]T, n)
	for i := range values {
		values[i] = of(b[uint64(i)*size:])
	}
	return values, nil
}

func (r *reader) bool() (bool, error) {
	b, err := r.bytes(1)
	if err != nil {
		return false, err
	}
	if b[0] > 1 {
		return false, fmt.Errorf("bool is %d; want 0 or 1", b[0])
	}
	return b[0] == 1, nil
}

func (r *reader) bools(n uint64) ([]bool, error) {
	values := make([]bool, n)
	for i := range values {
		var err error
		if values[i], err = r.bool(); err != nil {
			return nil, fmt.Errorf("element %d of the array: %w", i, err)
		}
	}
	return values, nil
}

// strings reads n strings as parts of one copy of all their bytes: a vocabulary is one allocation, not fifty thousand.
func (r *reader) strings(n uint64) ([]string, error) {
	start := r.off
	for i := range n {
		length, err := r.uint64()
		if err == nil {
			_, err = r.bytes(length)
		}
		if err != nil {
			return nil, fmt.Errorf("element %d of the array: %w", i, err)
		}
	}
	all, at := string(r.data[start:r.off]), 0
	values := make([]string, n)
	for i := range values {
		length := int(binary.LittleEndian.Uint64(r.data[start+at:]))
		values[i] = all[at+8 : at+8+length]
		at += 8 + length
	}
	return values, nil
}
