package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// entry is a tensor as the header says it.
type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// metadataKey is the one name in a header that is no tensor's.
const metadataKey = "__metadata__"

// parse reads the header of a file of size bytes, whose tensors begin at data.
func (f *File) parse(header []byte, data, size int64) error {
	d := json.NewDecoder(bytes.NewReader(header))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the header is no JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("read header: %w", err)
		}
		name, _ := key.(string) // keys are strings
		if err := f.add(d, name, data, size); err != nil {
			return fmt.Errorf("read header of %.80q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the header goes on behind its object")
	}
	return f.order(data, size)
}

// add decodes the value of one name.
func (f *File) add(d *json.Decoder, name string, data, size int64) error {
	if name == metadataKey {
		if f.Metadata != nil {
			return errors.New("it comes twice")
		}
		f.Metadata = map[string]string{}
		return d.Decode(&f.Metadata)
	}
	if _, twice := f.index[name]; twice {
		return errors.New("it comes twice")
	}
	var e entry
	if err := d.Decode(&e); err != nil {
		return err
	}
	t, err := e.tensor(name, data, size)
	if err != nil {
		return err
	}
	f.index[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, t)
	return nil
}

// tensor checks that the bytes are as many as type and shape say.
func (e entry) tensor(name string, data, size int64) (Tensor, error) {
	width, known := sizes[e.DType]
	switch {
	case !known:
		return Tensor{}, fmt.Errorf("unknown type %.20q", e.DType)
	case len(e.Offsets) != 2 || len(e.Shape) > maxAxes:
		return Tensor{}, fmt.Errorf("%d offsets and %d axes; want 2 and at most %d", len(e.Offsets), len(e.Shape), maxAxes)
	case e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] || e.Offsets[1] > size-data:
		return Tensor{}, fmt.Errorf("bytes %d to %d of %d", e.Offsets[0], e.Offsets[1], size-data)
	}
	n, t := width, Tensor{Name: name, DType: e.DType, at: data + e.Offsets[0], size: e.Offsets[1] - e.Offsets[0]}
	for _, axis := range e.Shape {
		if axis < 0 || axis > 0 && n > size/axis {
			return Tensor{}, fmt.Errorf("shape %v in a file of %d bytes", e.Shape, size)
		}
		n *= axis
		t.Shape = append(t.Shape, int(axis))
	}
	if n != t.size {
		return Tensor{}, fmt.Errorf("%s %v in %d bytes; want %d", e.DType, e.Shape, t.size, n)
	}
	return t, nil
}

// order sorts the tensors by where they lie, and checks that they fill the file without gap or overlap.
func (f *File) order(data, size int64) error {
	slices.SortStableFunc(f.Tensors, func(a, b Tensor) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.size, b.size)) })
	end := data
	for i, t := range f.Tensors {
		if t.at != end {
			return fmt.Errorf("tensor %.80q begins at byte %d; the one before ends at %d", t.Name, t.at, end)
		}
		end += t.size
		f.index[t.Name] = i
	}
	if end != size {
		return fmt.Errorf("the tensors end at byte %d of %d", end, size)
	}
	return nil
}
