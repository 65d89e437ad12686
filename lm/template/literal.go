package template

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stringLiteral reads a string as Python does: \n, \x41, \u00e9, a backslash before a line end for nothing, and before any
// other character for itself.
func stringLiteral(text string) (lexeme, int, error) {
	quote := text[0]
	var out strings.Builder
	for i := 1; i < len(text); {
		switch {
		case text[i] == quote:
			return lexeme{kind: stringToken, text: out.String()}, i + 1, nil
		case text[i] != '\\':
			out.WriteByte(text[i])
			i++
		default:
			n, err := escape(&out, text[i:])
			if err != nil {
				return lexeme{}, 0, err
			}
			i += n
		}
	}
	return lexeme{}, 0, fmt.Errorf("a string is not closed")
}

var simpleEscapes = map[byte]string{
	'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// escape writes what the escape that text begins with means, and returns its length.
func escape(out *strings.Builder, text string) (int, error) {
	if len(text) < 2 {
		return 0, fmt.Errorf("a string is not closed")
	}
	c := text[1]
	if s, ok := simpleEscapes[c]; ok {
		out.WriteString(s)
		return 2, nil
	}
	length := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if length > 0 {
		if len(text) < 2+length {
			return 0, fmt.Errorf("a string is not closed")
		}
		n, err := strconv.ParseUint(text[2:2+length], 16, 32)
		if err != nil || n > utf8.MaxRune {
			return 0, fmt.Errorf("%q is no character", text[:2+length])
		}
		out.WriteRune(rune(n))
		return 2 + length, nil
	}
	if c >= '0' && c <= '7' {
		n := 2
		for n < len(text) && n < 4 && text[n] >= '0' && text[n] <= '7' {
			n++
		}
		code, _ := strconv.ParseUint(text[1:n], 8, 32)
		out.WriteRune(rune(code))
		return n, nil
	}
	out.WriteByte('\\')
	return 1, nil
}

// quoted writes a string so that the library reads it back: it knows Go's escapes, but not those of quotes and backslashes.
func quoted(s string) string {
	var out strings.Builder
	out.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r < ' ' || r == 0x7f:
			fmt.Fprintf(&out, `\u%04x`, r)
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('\'')
	return out.String()
}
