package token

import (
	"unicode"
	"unicode/utf8"
)

// kind is all that the expression of DeepSeek 3 asks of a character.
type kind uint8

const (
	kindOther  kind = iota
	kindLetter      // [\p{L}\p{M}]
	kindMark        // [\p{P}\p{S}]
	kindSpace       // \s
	kindNumber      // \p{N}
)

func kindOf(r rune) kind {
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return kindLetter
	case unicode.IsSpace(r):
		return kindSpace
	case unicode.IsNumber(r):
		return kindNumber
	case unicode.In(r, unicode.L, unicode.M):
		return kindLetter
	case unicode.In(r, unicode.P, unicode.S):
		return kindMark
	}
	return kindOther
}

func runKind(text string, k kind) int {
	for i := range text {
		if kindOfFirst(text[i:]) != k {
			return i
		}
	}
	return len(text)
}

// kindOfFirst is the kind of the character that text begins with. Bytes that are no character are of no kind.
func kindOfFirst(text string) kind {
	r, n := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && n <= 1 {
		return kindOther
	}
	return kindOf(r)
}

// splitDeepseek cuts off \p{N}{1,3}, and runs of Chinese characters and kana.
func splitDeepseek(text string) int {
	if kindOfFirst(text) == kindNumber {
		n := 0
		for range 3 {
			if kindOfFirst(text[n:]) != kindNumber {
				break
			}
			_, size := utf8.DecodeRuneInString(text[n:])
			n += size
		}
		return n
	}
	r, _ := utf8.DecodeRuneInString(text)
	chinese := isChinese(r)
	for i, r := range text {
		if kindOf(r) == kindNumber || isChinese(r) != chinese {
			return i
		}
	}
	return len(text)
}

// isChinese is [一-龥\x{3040}-\x{309F}\x{30A0}-\x{30FF}].
func isChinese(r rune) bool { return r >= 0x4e00 && r <= 0x9fa5 || r >= 0x3040 && r <= 0x30ff }

// deepseekWord matches
//
//	[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// or what lies before the next match.
func deepseekWord(text string) int {
	if n := deepseekMatch(text); n > 0 {
		return n
	}
	for i := range text {
		if i > 0 && deepseekMatch(text[i:]) > 0 {
			return i
		}
	}
	return len(text)
}

func deepseekMatch(text string) int {
	k := kindOfFirst(text)
	if text[0] < utf8.RuneSelf && k == kindMark {
		n := 1
		for n < len(text) && (text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z') {
			n++
		}
		if n > 1 {
			return n
		}
	}
	_, size := utf8.DecodeRuneInString(text)
	if r := rune(text[0]); k != kindMark && r != '\r' && r != '\n' && !(k == kindLetter && isLetter(text)) {
		if n := runKind(text[size:], kindLetter); n > 0 {
			return size + n
		}
	}
	if n := runKind(text, kindLetter); n > 0 {
		return n
	}
	at := 0
	if text[0] == ' ' {
		at = 1
	}
	if n := runKind(text[at:], kindMark); n > 0 {
		n += at
		return n + lineEnds(text[n:])
	}
	if k == kindSpace {
		return blanks(text)
	}
	return 0
}

// isLetter tells a letter from a mark, which may stand before letters as a space may.
func isLetter(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r)
}
