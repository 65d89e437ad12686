package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"plumb/chat"
)

// maxDepth bounds how deep a body may nest.
const maxDepth = 64

// reader walks a JSON text strictly, value by value as its user expects them, so that memory grows with what is wanted
// and not with what was sent. Every error names the path of the value ("messages[0].role"). It refuses what encoding/json
// lets pass: duplicate names, names that nobody asked for, and bytes that are not UTF-8. null means "absent" everywhere.
//
// encoding/json says first whether the text is well-formed; the walk then relies on it.
type reader struct {
	body  []byte
	at    int // of the next byte
	depth int

	// lenient turns unknown fields into warnings.
	lenient  bool
	warnings []string
}

func newReader(body []byte) *reader { return &reader{body: body} }

// whole reads the body as one object.
func (r *reader) whole(field func(name, path string) error) error {
	if err := wellFormed(r.body); err != nil {
		return err
	}
	if r.peek() != '{' {
		return &chat.Error{Kind: chat.Invalid, Msg: "read body: want an object, got " + r.found()}
	}
	return r.object("", field)
}

// wellFormed says whether body is one JSON text in UTF-8, and if not where it is not.
func wellFormed(body []byte) error {
	wrong := func(format string, args ...any) error {
		return &chat.Error{Kind: chat.Invalid, Msg: "read body: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case json.Valid(body) && utf8.Valid(body):
		return nil
	case len(bytes.TrimSpace(body)) == 0:
		return wrong("empty, want a JSON object")
	case !utf8.Valid(body):
		return wrong("not valid UTF-8")
	}
	var text json.RawMessage
	err := json.Unmarshal(body, &text)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return wrong("malformed JSON at byte %d: %v", syntax.Offset, err)
	}
	return wrong("malformed JSON: %v", err)
}

// object reads an object and calls field for every member, which must read its value. A null calls nothing.
func (r *reader) object(path string, field func(name, path string) error) error {
	if absent, err := r.expect(path, '{', "an object"); absent || err != nil {
		return err
	}
	if err := r.enter(path); err != nil {
		return err
	}
	seen := make(map[string]struct{}, 8)
	for r.peek() != '}' {
		name := r.text()
		at := join(path, name)
		if _, twice := seen[name]; twice {
			return invalid(at, "given twice")
		}
		seen[name] = struct{}{}
		if err := field(name, at); err != nil {
			return err
		}
	}
	r.leave()
	return nil
}

// array reads an array and calls element for every element, which must read it. A null calls nothing.
func (r *reader) array(path string, element func(i int, path string) error) error {
	if absent, err := r.expect(path, '[', "an array"); absent || err != nil {
		return err
	}
	if err := r.enter(path); err != nil {
		return err
	}
	for i := 0; r.peek() != ']'; i++ {
		if err := element(i, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	r.leave()
	return nil
}

// string reads a string into dst; a null leaves it as it is, as with all that follow.
func (r *reader) string(path string, dst *string) error {
	if absent, err := r.expect(path, '"', "a string"); absent || err != nil {
		return err
	}
	*dst = r.text()
	return nil
}

// oneOf reads a string that must be one of those allowed.
func (r *reader) oneOf(path string, dst *string, allowed ...string) error {
	value := *dst
	if err := r.string(path, &value); err != nil {
		return err
	}
	for _, a := range allowed {
		if value == a {
			*dst = value
			return nil
		}
	}
	if value == *dst {
		return nil // null
	}
	return invalid(path, "got %s, want %s", quote(value), oneOf(allowed))
}

// bool reads true or false into *dst.
func (r *reader) bool(path string, dst **bool) error {
	if absent, err := r.expect(path, 't', "true or false"); absent || err != nil {
		return err
	}
	value := r.word() == "true"
	*dst = &value
	return nil
}

// flag reads true or false into dst.
func (r *reader) flag(path string, dst *bool) error {
	var value *bool
	if err := r.bool(path, &value); err != nil || value == nil {
		return err
	}
	*dst = *value
	return nil
}

// float reads a number between least and most.
func (r *reader) float(path string, dst **float64, least, most float64) error {
	number, err := r.number(path, "a number")
	if err != nil || number == "" {
		return err
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < least || value > most || math.IsNaN(value) {
		return invalid(path, "got %s, want %s", cut(number), between(least, most))
	}
	*dst = &value
	return nil
}

// int reads a whole number between least and most. 8.0 is one, for some languages write it so.
func (r *reader) int(path string, dst **int, least, most int) error {
	number, err := r.number(path, "a whole number")
	if err != nil || number == "" {
		return err
	}
	value, ok := whole(number)
	if !ok || value < int64(least) || value > int64(most) {
		return invalid(path, "got %s, want a whole number, %s", cut(number), between(float64(least), float64(most)))
	}
	small := int(value)
	*dst = &small
	return nil
}

// int64 reads any whole number of 64 bits.
func (r *reader) int64(path string, dst **int64) error {
	number, err := r.number(path, "a whole number")
	if err != nil || number == "" {
		return err
	}
	value, ok := whole(number)
	if !ok {
		return invalid(path, "got %s, want a whole number of at most 64 bits", cut(number))
	}
	*dst = &value
	return nil
}

// raw reads any value and returns its text; null gives nil. The text shares memory with the body.
func (r *reader) raw(path string) (json.RawMessage, error) {
	if r.peek() == 'n' {
		r.word()
		return nil, nil
	}
	start := r.at
	if err := r.skip(path); err != nil {
		return nil, err
	}
	return json.RawMessage(r.body[start:r.at]), nil
}

// unknown deals with a field that nobody knows: an error, or a warning where the reader is lenient.
func (r *reader) unknown(path string) error {
	return r.unsupported(path, "unknown field")
}

// unsupported deals with a field that cannot be honoured, for the reason given.
func (r *reader) unsupported(path, reason string) error {
	if !r.lenient {
		return invalid(path, "%s", reason)
	}
	if err := r.skip(path); err != nil {
		return err
	}
	const most = 16 // a header line has its limits
	if len(r.warnings) < most {
		r.warnings = append(r.warnings, strings.TrimPrefix(path, ".")+": "+reason+", ignored")
	}
	return nil
}

// skip reads past any value, as strictly as if it were wanted.
func (r *reader) skip(path string) error {
	switch r.peek() {
	case '{':
		return r.object(path, func(_, path string) error { return r.skip(path) })
	case '[':
		return r.array(path, func(_ int, path string) error { return r.skip(path) })
	case '"':
		r.text()
	default:
		r.word()
	}
	return nil
}

// number returns the text of a number, "" for null.
func (r *reader) number(path, want string) (string, error) {
	if absent, err := r.expect(path, '0', want); absent || err != nil {
		return "", err
	}
	return r.word(), nil
}

// expect says whether the next value is null, which it reads, and fails if it is of another type than wanted.
func (r *reader) expect(path string, first byte, want string) (absent bool, err error) {
	switch r.peek() {
	case first:
		return false, nil
	case 'n':
		r.word()
		return true, nil
	}
	return false, invalid(path, "want %s, got %s", want, r.found())
}

// peek goes to the next value or closing bracket and tells which it is: { } [ ] " n, t for either truth value, 0 for any
// number.
func (r *reader) peek() byte {
	for {
		switch c := r.body[r.at]; c {
		case ' ', '\t', '\r', '\n', ':', ',':
			r.at++
		case '{', '}', '[', ']', '"', 'n', 't':
			return c
		case 'f':
			return 't'
		default:
			return '0'
		}
	}
}

// text reads a string, or a name.
func (r *reader) text() string {
	r.peek()
	start, escaped := r.at, false
	for r.at++; r.body[r.at] != '"'; r.at++ {
		if r.body[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	if !escaped {
		return string(r.body[start+1 : r.at-1])
	}
	var text string
	if err := json.Unmarshal(r.body[start:r.at], &text); err != nil {
		panic(err) // it was well-formed
	}
	return text
}

// word reads a number, a truth value or null.
func (r *reader) word() string {
	start := r.at
	for r.at < len(r.body) && strings.IndexByte(" \t\r\n,]}", r.body[r.at]) < 0 {
		r.at++
	}
	return string(r.body[start:r.at])
}

// found names the type of the next value, for messages.
func (r *reader) found() string {
	switch r.peek() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't':
		return "a truth value"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "nothing"
}

// enter goes past the bracket that opens a value.
func (r *reader) enter(path string) error {
	r.at++
	r.depth++
	if r.depth > maxDepth {
		return invalid(cut(path), "nested deeper than %d", maxDepth)
	}
	return nil
}

// leave goes past the bracket that closes it.
func (r *reader) leave() {
	r.at++
	r.depth--
}

func join(path, name string) string {
	name = cut(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

// whole reads a number's text as a whole number.
func whole(text string) (int64, bool) {
	if value, err := strconv.ParseInt(text, 10, 64); err == nil {
		return value, true
	}
	const exact = 1 << 53
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value != math.Trunc(value) || math.Abs(value) > exact {
		return 0, false
	}
	return int64(value), true
}

// between words a range; an infinite end is left out.
func between(least, most float64) string {
	switch {
	case math.IsInf(most, 1) || most >= math.MaxInt32:
		return fmt.Sprintf("at least %v", least)
	case math.IsInf(least, -1):
		return fmt.Sprintf("at most %v", most)
	}
	return fmt.Sprintf("%v to %v", least, most)
}

// oneOf words a choice.
func oneOf(allowed []string) string {
	if len(allowed) == 1 {
		return allowed[0]
	}
	return strings.Join(allowed[:len(allowed)-1], ", ") + " or " + allowed[len(allowed)-1]
}

// cut shortens what a caller sent to what fits a message.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
