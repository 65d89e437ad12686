package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Source is a tensor to be written, in float32.
type Source struct {
	Name   string
	Shape  []int
	Values []float32 // as many as Shape says
}

// Write writes a file, its tensors in the order of their names: the same tensors give the same bytes. Values that are not as
// many as their shape says, and names that come twice, are errors.
func Write(w io.Writer, metadata map[string]string, tensors []Source) error {
	tensors = slices.SortedFunc(slices.Values(tensors), func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	header, err := headerOf(metadata, tensors)
	if err != nil {
		return fmt.Errorf("write safetensors: %w", err)
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)); err != nil {
		return fmt.Errorf("write safetensors: %w", err)
	}
	for _, t := range tensors {
		b := make([]byte, 0, 4*len(t.Values))
		for _, v := range t.Values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("write safetensors: tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

// headerOf returns the header, filled up with spaces to whole words, so that the values after it are aligned.
func headerOf(metadata map[string]string, tensors []Source) ([]byte, error) {
	var b bytes.Buffer
	field := func(name string, value any) error {
		text, err := json.Marshal(map[string]any{name: value})
		if err != nil {
			return err
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.Write(text[1 : len(text)-1])
		return nil
	}
	if len(metadata) > 0 {
		if err := field(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	at := int64(0)
	for i, t := range tensors {
		n := 1
		for _, axis := range t.Shape {
			n *= axis
		}
		if n != len(t.Values) || t.Name == metadataKey || i > 0 && t.Name == tensors[i-1].Name {
			return nil, fmt.Errorf("tensor %q of shape %v and %d values; want one of each name, and as many as the shape says", t.Name, t.Shape, len(t.Values))
		}
		end := at + 4*int64(n)
		if err := field(t.Name, entry{DType: "F32", Shape: wide(t.Shape), Offsets: []int64{at, end}}); err != nil {
			return nil, err
		}
		at = end
	}
	header := "{" + b.String() + "}"
	return []byte(header + strings.Repeat(" ", (8-len(header)%8)%8)), nil
}

func wide(shape []int) []int64 {
	w := make([]int64, len(shape))
	for i, axis := range shape {
		w[i] = int64(axis)
	}
	return w
}
