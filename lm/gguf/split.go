package gguf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The keys by which llama.cpp's gguf-split numbers the parts of a model in several files. Each part is a GGUF file of its
// own; the first has all other keys too.
const (
	splitNo      = "split.no" // from 0
	splitCount   = "split.count"
	splitTensors = "split.tensors.count" // of all parts
)

const maxParts = 1 << 10 // far above any in use, and below what a process may have open

// partName returns the name of part i, from 0, of n.
func partName(prefix string, i, n int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, n)
}

// numbering returns the keys that say which part of how many a file is; 0 of 1 for a file without them.
func (f *File) numbering() (no, count int, err error) {
	if f.Value(splitCount) == nil && f.Value(splitNo) == nil {
		return 0, 1, nil
	}
	n, ok := f.Uint(splitCount)
	if !ok || n < 1 || n > maxParts {
		return 0, 0, fmt.Errorf("read key %q: %v; want 1 to %d", splitCount, f.Value(splitCount), maxParts)
	}
	i, ok := f.Uint(splitNo)
	if !ok || i >= n {
		return 0, 0, fmt.Errorf("read key %q: %v; want 0 to %d", splitNo, f.Value(splitNo), n-1)
	}
	return int(i), int(n), nil
}

// openParts opens the parts after f, which lies at path, and joins them to it.
func (f *File) openParts(path string) error {
	no, count, err := f.numbering()
	if err != nil || count == 1 {
		return err
	}
	prefix, ok := strings.CutSuffix(path, partName("", no, count))
	switch {
	case !ok:
		return fmt.Errorf("it is part %d of %d, so its name must end in %q for the others to be found", no+1, count, partName("", no, count))
	case no != 0:
		return fmt.Errorf("it is part %d of %d; open the first, %s", no+1, count, filepath.Base(partName(prefix, 0, count)))
	}
	parts := make([]*File, 0, count-1)
	for i := 1; i < count && err == nil; i++ {
		var part *File
		if part, err = openOne(partName(prefix, i, count)); err != nil {
			err = fmt.Errorf("part %d of %d: %w", i+1, count, err)
		} else {
			parts = append(parts, part)
		}
	}
	if err == nil {
		err = f.join(parts)
	}
	if err != nil {
		for _, part := range parts {
			part.Close()
		}
	}
	return err
}

// Join reads a model in several files that are already in memory, in their order, as Open does with those on disk.
func Join(parts ...[]byte) (*File, error) {
	files := make([]*File, len(parts))
	for i, data := range parts {
		var err error
		if files[i], err = Parse(data); err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i+1, len(parts), err)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("join parts: none given")
	}
	no, count, err := files[0].numbering()
	if err == nil && (no != 0 || count != len(files)) {
		err = fmt.Errorf("join %d parts: the first is part %d of %d", len(files), no+1, count)
	}
	if err == nil && count > 1 {
		err = files[0].join(files[1:])
	}
	return files[0], err
}

// join adds the tensors of the parts after f, once they have shown to belong to it. On an error f is as it was.
func (f *File) join(parts []*File) error {
	all := slices.Clone(f.tensors)
	in := make(map[string]int, len(all))
	for i, t := range all {
		in[t.Name] = i
	}
	for i, part := range parts {
		i++ // f is part 0
		no, count, err := part.numbering()
		switch {
		case err != nil:
			return fmt.Errorf("part %d of %d: %w", i+1, len(parts)+1, err)
		case no != i || count != len(parts)+1:
			return fmt.Errorf("part %d of %d: its keys say that it is part %d of %d", i+1, len(parts)+1, no+1, count)
		}
		for _, t := range part.tensors {
			if first, twice := in[t.Name]; twice {
				return fmt.Errorf("part %d of %d: tensor %q is in part %d too", i+1, len(parts)+1, t.Name, all[first].part+1)
			}
			t.part = i
			in[t.Name] = len(all)
			all = append(all, t)
		}
	}
	if want, ok := f.Uint(splitTensors); !ok || want != uint64(len(all)) {
		return fmt.Errorf("the %d parts have %d tensors; %q says %v", len(parts)+1, len(all), splitTensors, f.Value(splitTensors))
	}
	f.tensors, f.names, f.more = all, in, parts
	f.dropKeys(splitNo, splitCount, splitTensors)
	return nil
}

// dropKeys forgets keys, and keeps the order of the others.
func (f *File) dropKeys(names ...string) {
	f.kv = slices.DeleteFunc(f.kv, func(p Pair) bool { return slices.Contains(names, p.Key) })
	f.keys = make(map[string]int, len(f.kv))
	for i, p := range f.kv {
		f.keys[p.Key] = i
	}
}
