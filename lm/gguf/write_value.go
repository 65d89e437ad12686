package gguf

import (
	"encoding/binary"
	"fmt"
)

// kindOf returns the format's kind for a value, or for the elements of a slice.
func kindOf(value any) (k kind, array, ok bool) {
	switch value.(type) {
	case uint8, []uint8:
		k = kindUint8
	case int8, []int8:
		k = kindInt8
	case uint16, []uint16:
		k = kindUint16
	case int16, []int16:
		k = kindInt16
	case uint32, []uint32:
		k = kindUint32
	case int32, []int32:
		k = kindInt32
	case float32, []float32:
		k = kindFloat32
	case bool, []bool:
		k = kindBool
	case string, []string:
		k = kindString
	case uint64, []uint64:
		k = kindUint64
	case int64, []int64:
		k = kindInt64
	case float64, []float64:
		k = kindFloat64
	default:
		return 0, false, false
	}
	switch value.(type) {
	case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, uint64, int64, float64:
		return k, false, true
	}
	return k, true, true
}

func writable(value any) bool {
	_, _, ok := kindOf(value)
	return ok
}

// value writes the kind of a value and the value; Write has checked that it has one.
func (e *encoder) value(value any) {
	k, array, _ := kindOf(value)
	if !array {
		e.uint32(uint32(k))
		e.scalar(value)
		return
	}
	e.uint32(uint32(kindArray))
	e.uint32(uint32(k))
	if texts, ok := value.([]string); ok {
		e.uint64(uint64(len(texts)))
		for _, s := range texts {
			e.string(s)
		}
		return
	}
	b, err := binary.Append(nil, binary.LittleEndian, value)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("encode a %T: %w", value, err)
	}
	e.uint64(uint64(len(b)) / kindBytes[k])
	e.bytes(b)
}

func (e *encoder) scalar(value any) {
	if s, ok := value.(string); ok {
		e.string(s)
		return
	}
	b, err := binary.Append(e.buf[:0], binary.LittleEndian, value)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("encode a %T: %w", value, err)
	}
	e.bytes(b)
}
