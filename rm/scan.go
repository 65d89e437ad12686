package rm

import (
	"unicode"
	"unicode/utf8"
)

// scan is one text read once: its words as hashes, and counts of what stands between them. A scan is reused from text
// to text, so that reading allocates nothing once its slices have grown.
type scan struct {
	words []uint64 // lower-cased, hashed; in order
	caps  int      // words of two letters and more, all upper case

	bytes, letters, upper, digits, wide int // wide: runes beyond ASCII that are no letters (emoji, bullets)
	longWords, wordLetters              int // words of 8 letters and more; letters and digits in words

	sentences, questions, exclamations   int
	lines, blankLines                    int // lines with text, runs of empty lines between them
	bullets, numbered, headings, bolds   int
	fences, symbols                      int // symbols: {}[]<>=;_\|$`
	commas, colons, parentheses, quotes  int
	urls                                 int
	lastMark                             byte // the last byte that is no space, 0 if there is none
	firstLine                            int  // words on the first line with text
	opensWithBullet, firstLineEndsInMark bool
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// mix spreads a hash over all 64 bits (the finaliser of splitmix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// wordHash returns the hash that a scan gives a word, which must be lower case already.
func wordHash(word string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(word) {
		h = (h ^ uint64(word[i])) * fnvPrime
	}
	return mix(h)
}

// pairHash returns the hash of two words in a row.
func pairHash(a, b uint64) uint64 { return mix(a*fnvPrime + b ^ 0x9e3779b97f4a7c15) }

func (s *scan) read(text string) {
	*s = scan{words: s.words[:0], bytes: len(text)}
	lineStart, firstLineSeen := true, false
	for i := 0; i < len(text); {
		if lineStart {
			lineStart = false
			s.line(text[i:])
		}
		c := text[i]
		if n := s.word(text[i:]); n > 0 {
			i += n
			continue
		}
		if c < utf8.RuneSelf {
			if c == '\n' {
				if !firstLineSeen && len(s.words) > 0 {
					firstLineSeen = true
					s.firstLine = len(s.words)
					s.firstLineEndsInMark = s.lastMark == ':' || s.lastMark == '.' || s.lastMark == '!' || s.lastMark == '?'
				}
				lineStart = true
			} else {
				s.mark(text, i)
			}
			i++
			continue
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		s.wide++
		s.lastMark = c
		i += n
	}
	if !firstLineSeen {
		s.firstLine = len(s.words)
	}
	if s.sentences == 0 && len(s.words) > 0 {
		s.sentences = 1
	}
}

// word reads the word at the start of text, if there is one, and returns its length in bytes. A word is a run of letters,
// digits and inner apostrophes; an ideograph is a word of its own.
func (s *scan) word(text string) int {
	h, i, letters, upper, digits, size := uint64(fnvOffset), 0, 0, 0, 0, 0
	for i < len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z':
			letters++
		case 'A' <= c && c <= 'Z':
			letters++
			upper++
			c |= 0x20
		case '0' <= c && c <= '9':
			digits++
		case c == '\'' && i > 0 && i+1 < len(text) && isASCIILetter(text[i+1]):
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == '’' && i > 0 && i+n < len(text) && isASCIILetter(text[i+n]) {
				h = (h ^ '\'') * fnvPrime // the same word as with the plain apostrophe
				size++
				i += n
				continue
			}
			if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
				return s.endWord(h, i, size, letters, upper, digits)
			}
			ideograph := unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
			if ideograph && i > 0 {
				return s.endWord(h, i, size, letters, upper, digits)
			}
			letters++
			if unicode.IsUpper(r) {
				upper++
				r = unicode.ToLower(r)
			}
			h = (h ^ uint64(r)) * fnvPrime
			size++
			i += n
			if ideograph {
				return s.endWord(h, i, size, letters, upper, digits)
			}
			continue
		default:
			return s.endWord(h, i, size, letters, upper, digits)
		}
		h = (h ^ uint64(c)) * fnvPrime
		size++
		i++
	}
	return s.endWord(h, i, size, letters, upper, digits)
}

func (s *scan) endWord(h uint64, n, size, letters, upper, digits int) int {
	if n == 0 {
		return 0
	}
	s.words = append(s.words, mix(h))
	s.letters += letters
	s.upper += upper
	s.digits += digits
	s.wordLetters += size
	if size >= 8 {
		s.longWords++
	}
	if upper == letters && letters >= 2 {
		s.caps++
	}
	s.lastMark = 'a'
	return n
}

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// mark counts the ASCII byte at text[i], which is part of no word.
func (s *scan) mark(text string, i int) {
	c := text[i]
	switch c {
	case ' ', '\t', '\r', '\v', '\f':
		return
	case '.', '!', '?':
		if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\n' || text[i+1] == '"' {
			s.sentences++
		}
		switch c {
		case '!':
			s.exclamations++
		case '?':
			s.questions++
		}
	case ',':
		s.commas++
	case ':':
		s.colons++
		if i+2 < len(text) && text[i+1] == '/' && text[i+2] == '/' {
			s.urls++
		}
	case '(':
		s.parentheses++
	case '"':
		s.quotes++
	case '*':
		if i > 0 && text[i-1] == '*' {
			s.bolds++
		}
	case '`':
		s.symbols++
		if i > 1 && text[i-1] == '`' && text[i-2] == '`' {
			s.fences++
		}
	case '{', '}', '[', ']', '<', '>', '=', ';', '_', '\\', '|', '$':
		s.symbols++
	}
	s.lastMark = c
}

// line looks at the start of a line and counts what kind of line it is.
func (s *scan) line(text string) {
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	if i == len(text) || text[i] == '\n' || text[i] == '\r' {
		s.blankLines++
		return
	}
	s.lines++
	rest := text[i:]
	digits := 0
	for digits < min(len(rest), 3) && '0' <= rest[digits] && rest[digits] <= '9' {
		digits++
	}
	bullet := false
	switch {
	case digits > 0 && digits < len(rest) && (rest[digits] == '.' || rest[digits] == ')') && (digits+1 == len(rest) || rest[digits+1] == ' '):
		s.numbered++
		bullet = true
	case len(rest) > 1 && (rest[0] == '-' || rest[0] == '*' || rest[0] == '+') && rest[1] == ' ', len(rest) > 2 && rest[:3] == "•":
		s.bullets++
		bullet = true
	case rest[0] == '#':
		s.headings++
	}
	if bullet && s.lines == 1 {
		s.opensWithBullet = true
	}
}
