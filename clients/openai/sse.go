package openai

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"plumb/clients/upstream"
)

// events reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as far as
// chat completions use them: the data of each, comments and other fields skipped. Lines and events are bounded by
// [upstream.MaxLine]. Unlike in the specification an event that the end of the input cuts short is delivered, because
// servers leave out the last empty line.
type events struct {
	lines *bufio.Scanner
	data  []byte
}

func newEvents(r io.Reader) *events { return &events{lines: upstream.Lines(r)} }

// next is the data of the next event, valid until the next call; io.EOF after the last.
func (e *events) next() ([]byte, error) {
	e.data = e.data[:0]
	begun := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if begun {
				return e.data, nil
			}
			continue
		}
		value, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			if bytes.HasPrefix(line, []byte(":")) || isField(line) {
				continue
			}
			return nil, fmt.Errorf("read stream: %.80q is not a server-sent event", line)
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		if begun {
			e.data = append(e.data, '\n')
		}
		begun = true
		if len(e.data)+len(value) > upstream.MaxLine {
			return nil, fmt.Errorf("read stream: an event is longer than %d bytes", upstream.MaxLine)
		}
		e.data = append(e.data, value...)
	}
	if err := e.lines.Err(); err != nil {
		return nil, err
	}
	if begun {
		return e.data, nil
	}
	return nil, io.EOF
}

// isField says whether a line is one of the fields that carry no data. The specification has readers skip any other
// line too; here that would hide a page of HTML.
func isField(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "event", "id", "retry", "data":
		return true
	}
	return false
}
