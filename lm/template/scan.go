package template

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Jinja's own reading of a template, up to the tokens of its tags. The library reads the same text with small
// differences (white space around blocks, escapes in strings), so the text is read here first and handed on in a form
// that both read alike; see lower.go. What white space a tag takes with it follows jinja2/lexer.py with trim_blocks and
// lstrip_blocks set, as transformers sets them.

// part is a piece of a template: text, or a tag with its tokens.
type part struct {
	open   string // "{{" or "{%"; "" for text
	text   string
	tokens []lexeme
	line   int // where the tag begins, from 1
}

// lexeme is a token of a tag.
type lexeme struct {
	kind  lexemeKind
	text  string // as written; of a string what it means
	space bool   // white space stands before it
}

type lexemeKind uint8

const (
	nameToken lexemeKind = iota
	integerToken
	floatToken
	stringToken
	operatorToken
)

func (l lexeme) is(operator string) bool { return l.kind == operatorToken && l.text == operator }
func (l lexeme) name(name string) bool   { return l.kind == nameToken && l.text == name }

// scanner reads a template from left to right.
type scanner struct {
	source    string
	at        int
	lineStart bool // the text read now begins a line
	lines     int  // line ends before counted
	counted   int
	parts     []part
}

func scan(source string) ([]part, error) {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	s := &scanner{source: strings.TrimSuffix(source, "\n"), lineStart: true}
	for s.at < len(s.source) {
		if err := s.next(); err != nil {
			return nil, fmt.Errorf("line %d: %w", s.line(), err)
		}
	}
	return s.parts, nil
}

// line returns the line of the place read now, from 1.
func (s *scanner) line() int {
	s.lines += strings.Count(s.source[s.counted:s.at], "\n")
	s.counted = s.at
	return 1 + s.lines
}

// next reads text up to a tag, and the tag.
func (s *scanner) next() error {
	rest := s.source[s.at:]
	begin := nextTag(rest)
	if begin < 0 {
		s.addText(rest)
		s.at = len(s.source)
		return nil
	}
	open := rest[begin : begin+2]
	control := byte(0)
	if after := rest[begin+2:]; after != "" && (after[0] == '-' || after[0] == '+' && open != "{{") {
		control = after[0]
	}
	s.addText(s.before(rest[:begin], open, control))
	s.at += begin
	line := s.line()
	s.at += 2
	if control != 0 {
		s.at++
	}
	switch {
	case open == "{#":
		return s.comment()
	case open == "{%":
		if done, err := s.raw(); done {
			return err
		}
	}
	tokens, err := s.tag(open)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, part{open: open, tokens: tokens, line: line})
	return nil
}

// nextTag returns where the next tag begins, −1 if there is none.
func nextTag(text string) int {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '{' && (text[i+1] == '{' || text[i+1] == '%' || text[i+1] == '#') {
			return i
		}
	}
	return -1
}

// before takes from the text before a tag the white space that belongs to the tag.
func (s *scanner) before(text, open string, control byte) string {
	switch {
	case control == '-':
		return strings.TrimRightFunc(text, unicode.IsSpace)
	case control == '+' || open == "{{":
		return text
	}
	lineStart := strings.LastIndexByte(text, '\n') + 1
	if (lineStart > 0 || s.lineStart) && strings.TrimSpace(text[lineStart:]) == "" {
		return text[:lineStart]
	}
	return text
}

// after passes over the white space that belongs to the tag that ends here. newline says that a line end is part of it.
func (s *scanner) after(control byte, newline bool) {
	rest := s.source[s.at:]
	s.lineStart = false
	switch {
	case control == '-':
		n := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
		s.lineStart = n > 0 && rest[n-1] == '\n'
		s.at += n
	case control == 0 && newline && strings.HasPrefix(rest, "\n"):
		s.lineStart = true
		s.at++
	}
}

func (s *scanner) addText(text string) {
	if text != "" {
		s.parts = append(s.parts, part{text: text})
	}
}

func (s *scanner) comment() error {
	n := strings.Index(s.source[s.at:], "#}")
	if n < 0 {
		return fmt.Errorf("a comment is not closed")
	}
	control := byte(0)
	if n > 0 {
		if c := s.source[s.at+n-1]; c == '-' || c == '+' {
			control = c
		}
	}
	s.at += n + 2
	s.after(control, true)
	return nil
}

// raw reads {% raw %}…{% endraw %}, whose text is taken as it stands. It reports whether that is what stands here, behind
// the {%.
func (s *scanner) raw() (bool, error) {
	n, control := word(s.source[s.at:], "raw")
	if n < 0 {
		return false, nil
	}
	s.at += n
	s.after(control, false)
	start := s.at
	for at := start; ; at += 2 {
		n := strings.Index(s.source[at:], "{%")
		if n < 0 {
			return true, fmt.Errorf("raw is not closed")
		}
		at += n
		rest := s.source[at+2:]
		before := byte(0)
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			before = rest[0]
			rest = rest[1:]
		}
		if n, control := word(rest, "endraw"); n >= 0 {
			s.addText(s.before(s.source[start:at], "{%", before))
			s.at = len(s.source) - len(rest) + n
			s.after(control, true)
			return true, nil
		}
	}
}

// word reads a tag of one word, behind its {%, and returns its length, −1 if it is another tag, and the sign before %}.
func word(text, name string) (int, byte) {
	trim := func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }
	rest, ok := strings.CutPrefix(trim(text), name)
	if !ok {
		return -1, 0
	}
	rest = trim(rest)
	control := byte(0)
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		control = rest[0]
		rest = rest[1:]
	}
	rest, ok = strings.CutPrefix(rest, "%}")
	if !ok {
		return -1, 0
	}
	return len(text) - len(rest), control
}

// tag reads the tokens of a tag and its end.
func (s *scanner) tag(open string) ([]lexeme, error) {
	end := "%}"
	if open == "{{" {
		end = "}}"
	}
	var tokens []lexeme
	depth, space := 0, false
	for {
		rest := s.source[s.at:]
		if rest == "" {
			return nil, fmt.Errorf("a tag is not closed: unexpected EOF")
		}
		if depth == 0 && s.ends(rest, end, open == "{%") {
			return tokens, nil
		}
		if r, n := utf8.DecodeRuneInString(rest); unicode.IsSpace(r) {
			s.at += n
			space = true
			continue
		}
		t, n, err := token(rest)
		if err != nil {
			return nil, err
		}
		if t.kind == operatorToken {
			depth += bracket(t.text)
		}
		if depth < 0 {
			return nil, fmt.Errorf("a bracket is closed that is not open")
		}
		t.space, space = space, false
		tokens = append(tokens, t)
		s.at += n
	}
}

// ends passes over the end of a tag, if it stands here.
func (s *scanner) ends(rest, end string, block bool) bool {
	control := byte(0)
	if rest[0] == '-' || rest[0] == '+' && block {
		control = rest[0]
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, end) {
		return false
	}
	s.at += len(end)
	if control != 0 {
		s.at++
	}
	s.after(control, block)
	return true
}

// bracket returns how an operator changes the depth of brackets.
func bracket(operator string) int {
	switch operator {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}

// token reads the token that text begins with, and returns its length.
func token(text string) (lexeme, int, error) {
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case r == '\'' || r == '"':
		return stringLiteral(text)
	case r == '_' || unicode.IsLetter(r):
		n := strings.IndexFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if n < 0 {
			n = len(text)
		}
		return lexeme{kind: nameToken, text: text[:n]}, n, nil
	case r >= '0' && r <= '9':
		return number(text)
	}
	for _, op := range [...]string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"} {
		if strings.HasPrefix(text, op) {
			return lexeme{kind: operatorToken, text: op}, len(op), nil
		}
	}
	return lexeme{}, 0, fmt.Errorf("unexpected %q", r)
}

func number(text string) (lexeme, int, error) {
	digits := func(at int) int {
		for at < len(text) && (text[at] >= '0' && text[at] <= '9' || text[at] == '_') {
			at++
		}
		return at
	}
	n := digits(0)
	if n+1 < len(text) && text[n] == '.' && text[n+1] >= '0' && text[n+1] <= '9' {
		n = digits(n + 1)
		return lexeme{kind: floatToken, text: strings.ReplaceAll(text[:n], "_", "")}, n, nil
	}
	return lexeme{kind: integerToken, text: strings.ReplaceAll(text[:n], "_", "")}, n, nil
}
