package rows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"plumb/chat"
)

// MaxLine is the longest line that is read, in bytes: no file can make a reader hold more than one such line.
const MaxLine = 16 << 20

// Row is one of the row shapes of this package.
type Row interface {
	Preference | Unpaired | Demonstration | Candidates
}

// Read decodes one row a line from r, skipping blank lines. The first bad line ends the sequence with an error of kind
// Invalid that says name:line. Memory: one line.
func Read[T Row](name string, r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
		n := 0
		for lines.Scan() {
			n++
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			row, err := decode[T](line)
			if err != nil {
				yield(row, invalid(name, n, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			var none T
			if errors.Is(err, bufio.ErrTooLong) {
				err = fmt.Errorf("a line is longer than %d MiB", MaxLine>>20)
			}
			yield(none, invalid(name, n+1, err))
		}
	}
}

func decode[T Row](line []byte) (row T, err error) {
	if line[0] != '{' {
		return row, fmt.Errorf("got %.20q, want a JSON object", line)
	}
	return row, json.Unmarshal(line, &row)
}

func invalid(name string, line int, err error) error {
	return &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("read %s:%d", name, line), Cause: err}
}

// ReadFiles reads all rows of all files, in order. Files may be gzip'd (told by their first bytes, not their name). A file
// without a row is an error.
func ReadFiles[T Row](paths ...string) ([]T, error) {
	var all []T
	for _, path := range paths {
		before := len(all)
		file, err := Open(path)
		if err != nil {
			return nil, err
		}
		for row, err := range Read[T](path, file) {
			if err != nil {
				file.Close()
				return nil, err
			}
			all = append(all, row)
		}
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if len(all) == before {
			return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("read %s: the file has no rows", path)}
		}
	}
	return all, nil
}

// Open opens a file of rows for [Read]; what is gzip'd comes out plain.
func Open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "open rows", Cause: err}
	}
	buffered := bufio.NewReaderSize(file, 64<<10)
	magic, _ := buffered.Peek(2)
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return opened{buffered, file}, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		file.Close()
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "open rows " + path, Cause: err}
	}
	return opened{unzipped, file}, nil
}

type opened struct {
	io.Reader
	io.Closer
}

// Write writes rows to w, one JSON object a line.
func Write[T Row](w io.Writer, all iter.Seq[T]) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	e := json.NewEncoder(buffered)
	e.SetEscapeHTML(false)
	for row := range all {
		if err := e.Encode(row); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}
