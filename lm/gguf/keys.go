package gguf

import "math"

// Value returns the value of a key, and nil if the file has no such key.
func (f *File) Value(key string) any {
	i, ok := f.keys[key]
	if !ok {
		return nil
	}
	return f.kv[i].Value
}

// String returns the value of key if it is a string.
func (f *File) String(key string) (string, bool) {
	v, ok := f.Value(key).(string)
	return v, ok
}

// Bool returns the value of key if it is a bool.
func (f *File) Bool(key string) (value, ok bool) {
	value, ok = f.Value(key).(bool)
	return value, ok
}

// Int returns the value of key if it is an integer of any width that fits.
func (f *File) Int(key string) (int64, bool) { return integer(f.Value(key)) }

// Uint returns the value of key if it is an integer of any width and not negative.
func (f *File) Uint(key string) (uint64, bool) {
	if v, ok := f.Value(key).(uint64); ok {
		return v, true
	}
	v, ok := f.Int(key)
	return uint64(v), ok && v >= 0
}

// Float returns the value of key if it is a number.
func (f *File) Float(key string) (float64, bool) {
	switch v := f.Value(key).(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	}
	v, ok := f.Int(key)
	return float64(v), ok
}

// Strings returns the value of key if it is an array of strings. The caller must not change it.
func (f *File) Strings(key string) ([]string, bool) {
	v, ok := f.Value(key).([]string)
	return v, ok
}

// Floats returns the value of key if it is an array of floats. The caller must not change it.
func (f *File) Floats(key string) ([]float32, bool) {
	switch v := f.Value(key).(type) {
	case []float32:
		return v, true
	case []float64:
		return convert(v, func(x float64) float32 { return float32(x) }), true
	}
	return nil, false
}

// Ints returns the value of key if it is an array of integers of any width that fit. The caller must not change it.
func (f *File) Ints(key string) ([]int64, bool) {
	switch v := f.Value(key).(type) {
	case []int64:
		return v, true
	case []int32:
		return widen(v), true
	case []uint32:
		return widen(v), true
	case []int16:
		return widen(v), true
	case []uint16:
		return widen(v), true
	case []int8:
		return widen(v), true
	case []uint8:
		return widen(v), true
	case []uint64:
		for _, x := range v {
			if x > math.MaxInt64 {
				return nil, false
			}
		}
		return convert(v, func(x uint64) int64 { return int64(x) }), true
	}
	return nil, false
}

func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint8:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	}
	return 0, false
}

func widen[T int8 | uint8 | int16 | uint16 | int32 | uint32](values []T) []int64 {
	return convert(values, func(v T) int64 { return int64(v) })
}

func convert[S, T any](values []S, f func(S) T) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = f(v)
	}
	return out
}
