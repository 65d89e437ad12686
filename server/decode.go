package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"plumb/chat"
)

// maxDepth bounds how deep a body may nest.
const maxDepth = 64

// reader reads a JSON text strictly, value by value as its user expects them, so that memory grows with what is wanted
// and not with what was sent. Every error names the path of the value ("messages[0].role"). It refuses what
// encoding/json lets pass: duplicate names, text after the end, names that nobody asked for, and bytes that are not UTF-8.
// null means "absent" everywhere.
type reader struct {
	body  []byte
	dec   *json.Decoder
	depth int

	// lenient turns unknown fields into warnings.
	lenient  bool
	warnings []string
}

func newReader(body []byte) *reader {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	return &reader{body: body, dec: dec}
}

// whole reads the body as one object and nothing else.
func (r *reader) whole(field func(name, path string) error) error {
	switch {
	case !utf8.Valid(r.body):
		return &chat.Error{Kind: chat.Invalid, Msg: "read body: not valid UTF-8"}
	case len(bytes.TrimSpace(r.body)) == 0:
		return &chat.Error{Kind: chat.Invalid, Msg: "read body: empty; want a JSON object"}
	case r.peek() != '{':
		return &chat.Error{Kind: chat.Invalid, Msg: "read body: want a JSON object, got " + r.found()}
	}
	if err := r.object("", field); err != nil {
		return err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("read body: more text after the object, at byte %d", r.dec.InputOffset())}
	}
	return nil
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
	for r.dec.More() {
		token, err := r.token(path)
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return invalid(path, "want a name, got %v", token)
		}
		at := join(path, name)
		if _, twice := seen[name]; twice {
			return invalid(at, "given twice")
		}
		seen[name] = struct{}{}
		if err := field(name, at); err != nil {
			return err
		}
	}
	return r.leave(path)
}

// array reads an array and calls element for every element, which must read it. A null calls nothing.
func (r *reader) array(path string, element func(i int, path string) error) error {
	if absent, err := r.expect(path, '[', "an array"); absent || err != nil {
		return err
	}
	if err := r.enter(path); err != nil {
		return err
	}
	for i := 0; r.dec.More(); i++ {
		if err := element(i, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return r.leave(path)
}

// string reads a string into dst; a null leaves it as it is, as with all that follow.
func (r *reader) string(path string, dst *string) error {
	if absent, err := r.expect(path, '"', "a string"); absent || err != nil {
		return err
	}
	token, err := r.token(path)
	if err == nil {
		*dst = token.(string)
	}
	return err
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
	token, err := r.token(path)
	if err == nil {
		value := token.(bool)
		*dst = &value
	}
	return err
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
	value, err := strconv.ParseFloat(string(number), 64)
	if err != nil || value < least || value > most || math.IsNaN(value) {
		return invalid(path, "got %s, want %s", cut(string(number)), between(least, most))
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
	value, ok := whole(string(number))
	if !ok || value < int64(least) || value > int64(most) {
		return invalid(path, "got %s, want a whole number, %s", cut(string(number)), between(float64(least), float64(most)))
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
	value, ok := whole(string(number))
	if !ok {
		return invalid(path, "got %s, want a whole number of at most 64 bits", cut(string(number)))
	}
	*dst = &value
	return nil
}

// raw reads any value and returns its text; null gives nil. The text shares memory with the body.
func (r *reader) raw(path string) (json.RawMessage, error) {
	if r.peek() == 'n' {
		_, err := r.token(path)
		return nil, err
	}
	start := r.next()
	if err := r.skip(path); err != nil {
		return nil, err
	}
	return json.RawMessage(r.body[start:r.dec.InputOffset()]), nil
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
	}
	_, err := r.token(path)
	return err
}

func (r *reader) number(path, want string) (json.Number, error) {
	if absent, err := r.expect(path, '0', want); absent || err != nil {
		return "", err
	}
	token, err := r.token(path)
	if err != nil {
		return "", err
	}
	return token.(json.Number), nil
}

// expect says whether the next value is null, which it reads, and fails if it is of another type than wanted. A type
// is named by its first byte: { [ " t (either truth value) 0 (any number).
func (r *reader) expect(path string, first byte, want string) (absent bool, err error) {
	switch got := r.peek(); got {
	case first:
		return false, nil
	case 'n':
		_, err := r.token(path)
		return true, err
	case 0:
		_, err := r.token(path) // malformed: the decoder says how
		if err == nil {
			err = invalid(path, "want %s", want)
		}
		return false, err
	}
	return false, invalid(path, "want %s, got %s", want, r.found())
}

// peek tells the type of the next value by its first byte, as expect takes them, n for null, 0 for none of them.
func (r *reader) peek() byte {
	at := r.next()
	if at >= int64(len(r.body)) {
		return 0
	}
	switch c := r.body[at]; {
	case c == '{', c == '[', c == '"', c == 'n', c == 't':
		return c
	case c == 'f':
		return 't'
	case c == '-', '0' <= c && c <= '9':
		return '0'
	}
	return 0
}

// next is the offset of the next value's first byte.
func (r *reader) next() int64 {
	at := r.dec.InputOffset()
	for at < int64(len(r.body)) && strings.IndexByte(" \t\r\n:,", r.body[at]) >= 0 {
		at++
	}
	return at
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
	return "no JSON value"
}

// enter reads the bracket that opens a value.
func (r *reader) enter(path string) error {
	r.depth++
	if r.depth > maxDepth {
		return invalid(cut(path), "nested deeper than %d", maxDepth)
	}
	_, err := r.token(path)
	return err
}

// leave reads the bracket that closes it.
func (r *reader) leave(path string) error {
	r.depth--
	_, err := r.token(path)
	return err
}

// token reads one token; its error tells where the text is malformed.
func (r *reader) token(path string) (json.Token, error) {
	token, err := r.dec.Token()
	if err == nil {
		return token, nil
	}
	where := path
	if where == "" {
		where = "read body"
	}
	e := &chat.Error{Kind: chat.Invalid, Param: path}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		e.Msg = fmt.Sprintf("%s: malformed JSON at byte %d: %v", where, syntax.Offset, err)
	default: // io.EOF, io.ErrUnexpectedEOF
		e.Msg = fmt.Sprintf("%s: the JSON text ends too early, at byte %d", where, len(r.body))
	}
	return nil, e
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
