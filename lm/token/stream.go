package token

import "unicode/utf8"

// Stream decodes tokens one at a time into text that can be sent on at once: a character that is spread over several
// tokens comes out whole, when its last byte is there. Bytes that cannot be part of UTF-8 come out as U+FFFD.
// A Stream is for one goroutine.
type Stream struct {
	tokenizer *Tokenizer
	pending   []byte // the beginning of a character
}

// Stream returns a decoder for the tokens of one text.
func (t *Tokenizer) Stream() *Stream { return &Stream{tokenizer: t} }

// Push adds a token and returns the text that is now complete, often all of the token, sometimes "".
func (s *Stream) Push(id int32) string {
	s.pending = append(s.pending, s.tokenizer.Piece(id)...)
	var text []byte
	for len(s.pending) > 0 && utf8.FullRune(s.pending) {
		r, n := utf8.DecodeRune(s.pending)
		text = utf8.AppendRune(text, r)
		s.pending = s.pending[n:]
	}
	return string(text)
}

// Flush returns what is left at the end: "" or, for a character cut short, U+FFFD for each of its bytes.
func (s *Stream) Flush() string {
	n := len(s.pending)
	s.pending = nil
	text := make([]byte, 0, 3*n)
	for range n {
		text = utf8.AppendRune(text, utf8.RuneError)
	}
	return string(text)
}
