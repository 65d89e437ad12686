package token

import (
	"unicode"
	"unicode/utf8"
)

// letterCase is how tekken's expression sees a letter or mark. Letters without a case and marks count as both cases.
type letterCase uint8

const (
	upper letterCase = 1 << iota // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	lower                        // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
)

func caseOf(r rune) letterCase {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case r >= 'a' && r <= 'z':
			return lower
		case r >= 'A' && r <= 'Z':
			return upper
		}
		return 0
	case unicode.In(r, unicode.Lm, unicode.Lo, unicode.M):
		return upper | lower
	case unicode.Is(unicode.Ll, r):
		return lower
	case unicode.IsLetter(r):
		return upper
	}
	return 0
}

// runCase returns the length of the longest prefix of letters of a case, and where the last of them that is also of another
// case ends, 0 if none is.
func runCase(text string, c, also letterCase) (n, last int) {
	for i, r := range text {
		k := caseOf(r)
		if k&c == 0 {
			break
		}
		n = i + utf8.RuneLen(r)
		if k&also != 0 {
			last = n
		}
	}
	return n, last
}

// camel matches [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+: letters with the capitals before the others. 0 is no match.
func camel(text string) int {
	capitals, last := runCase(text, upper, lower)
	if small, _ := runCase(text[capitals:], lower, 0); small > 0 {
		return capitals + small
	}
	return last // the capitals give back what may also be small
}

// capital matches [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*. 0 is no match.
func capital(text string) int {
	n, _ := runCase(text, upper, 0)
	if n == 0 {
		return 0
	}
	small, _ := runCase(text[n:], lower, 0)
	return n + small
}

// tekkenWord matches [^\r\n\p{L}\p{N}]?CAMEL|[^\r\n\p{L}\p{N}]?CAPITAL|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
// with the two expressions above: the pre-tokenizer of Mistral Nemo and later.
func tekkenWord(text string) int {
	c, size := first(text)
	if c == number {
		return size
	}
	before := 0 // length of what may stand before letters
	if c != letter && text[0] != '\r' && text[0] != '\n' {
		before = size
	}
	for _, letters := range []func(string) int{camel, capital} {
		if n := letters(text[before:]); n > 0 {
			return before + n
		}
		if before > 0 {
			if n := letters(text); n > 0 { // a mark begins the word itself
				return n
			}
		}
	}
	at := 0
	if text[0] == ' ' {
		at = 1
	}
	if n := run(text[at:], other); n > 0 {
		n += at
		for n < len(text) && (text[n] == '\r' || text[n] == '\n' || text[n] == '/') {
			n++
		}
		return n
	}
	return blanks(text)
}
