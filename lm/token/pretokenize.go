package token

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pretokenizer cuts text into words, within which tokens are merged. Words joined give the text again.
type pretokenizer struct {
	next       func(text string) int // length of the word that text begins with; text is not empty
	split      func(text string) int // length of the segment to which next is confined; nil for the whole text
	compose    bool                  // text is put into normal form C before it is cut, which loses how it was written
	wholeWords bool                  // a word that is a token becomes that token without merging
	addBOS     bool                  // whether BOS is put before texts where the file does not say
}

// pretokenizers are keyed by the value of tokenizer.ggml.pre. The names and expressions are llama.cpp's
// (llama-vocab.cpp), the first of each group the best known.
var pretokenizers = func() map[string]pretokenizer {
	m := make(map[string]pretokenizer)
	for _, g := range []struct {
		names string
		pre   pretokenizer
	}{
		{"gpt-2 gpt2 phi-2 mpt olmo", pretokenizer{next: gpt2Word}},
		{"smollm starcoder refact command-r codeshell exaone", pretokenizer{next: gpt2Word, split: splitNumerals}},
		{"default", pretokenizer{next: defaultWord, split: splitPunctuation}},
		{"llama-bpe llama3 llama-v3 falcon3 pixtral", pretokenizer{next: llama3Word, wholeWords: true, addBOS: true}},
		{"dbrx smaug-bpe", pretokenizer{next: llama3Word}},
		{"qwen2 deepseek-r1-qwen", pretokenizer{next: qwen2Word, compose: true}},
		{"stablelm2", pretokenizer{next: qwen2Word}},
		{"tekken", pretokenizer{next: tekkenWord, wholeWords: true, addBOS: true}},
		{"deepseek-v3", pretokenizer{next: deepseekWord, split: splitDeepseek}},
	} {
		for name := range strings.FieldsSeq(g.names) {
			m[name] = g.pre
		}
	}
	m[""] = m["gpt-2"] // files older than the key
	return m
}()

func pretokenizerNames() string {
	names := slices.Sorted(maps.Keys(pretokenizers))
	return strings.Join(names[1:], ", ") // without ""
}

// words yields the words of text in order.
func (p pretokenizer) words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for text != "" {
			segment := text
			if p.split != nil {
				segment = text[:p.split(text)]
			}
			text = text[len(segment):]
			for segment != "" {
				n := p.next(segment)
				if !yield(segment[:n]) {
					return
				}
				segment = segment[n:]
			}
		}
	}
}

// class is all that the expressions ask of a character.
type class uint8

const (
	other  class = iota // [^\s\p{L}\p{N}]
	letter              // \p{L}
	number              // \p{N}
	space               // \s
)

func classOf(r rune) class {
	if r < utf8.RuneSelf {
		switch {
		case r|0x20 >= 'a' && r|0x20 <= 'z':
			return letter
		case r >= '0' && r <= '9':
			return number
		case r == ' ' || r >= '\t' && r <= '\r':
			return space
		}
		return other
	}
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// first returns the class and length of the first character; other and 0 at the end of the text.
func first(text string) (class, int) {
	if text == "" {
		return other, 0
	}
	r, n := utf8.DecodeRuneInString(text)
	return classOf(r), n
}

// run returns the length of the longest prefix whose characters all have the class.
func run(text string, c class) int {
	n := 0
	for {
		k, size := first(text[n:])
		if size == 0 || k != c {
			return n
		}
		n += size
	}
}

// gpt2Word matches 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func gpt2Word(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	at := 0
	if text[0] == ' ' {
		at = 1
	}
	if c, n := first(text[at:]); n > 0 && c != space {
		return at + run(text[at:], c)
	}
	return spaces(text)
}

// llama3Word matches (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func llama3Word(text string) int { return modernWord(text, 3) }

// qwen2Word is llama3Word with each numeral by itself.
func qwen2Word(text string) int { return modernWord(text, 1) }

func modernWord(text string, numerals int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	c, size := first(text)
	switch {
	case c == letter:
		return run(text, letter)
	case c == number:
		n := size
		for range numerals - 1 {
			next, size := first(text[n:])
			if next != number {
				break
			}
			n += size
		}
		return n
	}
	if text[0] != '\r' && text[0] != '\n' {
		if n := run(text[size:], letter); n > 0 {
			return size + n
		}
	}
	at := 0
	if text[0] == ' ' {
		at = 1
	}
	if n := run(text[at:], other); n > 0 {
		n += at
		return n + lineEnds(text[n:])
	}
	return blanks(text)
}

// blanks matches \s*[\r\n]+|\s+(?!\S)|\s+ where text begins with a space.
func blanks(text string) int {
	blank := run(text, space)
	if n := strings.LastIndexAny(text[:blank], "\r\n"); n >= 0 {
		return n + 1
	}
	return spaces(text)
}

// spaces matches \s+(?!\S)|\s+: a run of spaces, without the last one if something follows that it may belong to.
func spaces(text string) int {
	n := run(text, space)
	if n == len(text) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if last == n {
		return n
	}
	return n - last
}

func lineEnds(text string) int {
	n := 0
	for n < len(text) && (text[n] == '\r' || text[n] == '\n') {
		n++
	}
	return n
}

// contraction returns the length of the English ending that text begins with, 0 if there is none.
func contraction(text string, anyCase bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	for _, ending := range [...]string{"s", "t", "re", "ve", "m", "ll", "d"} {
		n := 1 + len(ending)
		if len(text) < n {
			continue
		}
		if text[1:n] == ending || anyCase && lowerASCII(text[1:n]) == ending {
			return n
		}
	}
	return 0
}

// lowerASCII lowers at most two bytes without allocating for the common case. Other letters stay: no ſ for s.
func lowerASCII(s string) string {
	lower := true
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			lower = false
		}
	}
	if lower {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// splitNumerals cuts each \p{N} off by itself, before spaces are joined to words.
func splitNumerals(text string) int {
	c, size := first(text)
	if c == number {
		return size
	}
	for i, r := range text {
		if classOf(r) == number {
			return i
		}
	}
	return len(text)
}

// splitPunctuation cuts off runs of [\p{P}$+<=>^~|].
func splitPunctuation(text string) int {
	marks := isMark(rune(text[0]))
	if text[0] >= utf8.RuneSelf {
		r, _ := utf8.DecodeRuneInString(text)
		marks = isMark(r)
	}
	for i, r := range text {
		if isMark(r) != marks {
			return i
		}
	}
	return len(text)
}

func isMark(r rune) bool { return unicode.IsPunct(r) || strings.ContainsRune("$+<=>^~|", r) }

// defaultWord is gpt2Word with numbers cut off from the space before them and [0-9] in groups of three.
func defaultWord(text string) int {
	if c, _ := first(text); c == number {
		return numeralGroup(text)
	}
	if text[0] == ' ' {
		if c, _ := first(text[1:]); c == number {
			return 1
		}
	}
	return gpt2Word(text)
}

// numeralGroup returns the length of the three digits that text begins with, or of the numerals up to three digits.
func numeralGroup(text string) int {
	digits := 0
	for i, r := range text {
		if classOf(r) != number {
			return i
		}
		if r > '9' {
			digits = 0
			continue
		}
		if digits++; digits < 3 {
			continue
		}
		if i == 2 {
			return 3
		}
		return i - 2
	}
	return len(text)
}
