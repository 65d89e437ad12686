package token

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// spm is SentencePiece's BPE: spaces become "▁", and of all neighbours whose union is a token the one with the highest
// score is merged, over the whole text. Characters that are no token become their bytes. Kudo and Richardson 2018,
// https://arxiv.org/abs/1808.06226; the order of merging is llama.cpp's.
type spm struct {
	ids     map[string]int32 // tokens that text may become
	scores  []float32
	bytes   [256]int32 // token of each byte, −1 if there is none
	unknown int32      // −1 if there is none
	prefix  bool       // a space is put before a text
}

const mark = "▁" // U+2581, stands for a space

func newSPM(keys Keys, v *vocabulary) (*spm, error) {
	s := &spm{ids: make(map[string]int32, len(v.tokens)), prefix: true}
	var ok bool
	if s.scores, ok = keys.Floats(keyScores); !ok || len(s.scores) != len(v.tokens) {
		return nil, fmt.Errorf("key %s has %d numbers for %d tokens", keyScores, len(s.scores), len(v.tokens))
	}
	for b := range s.bytes {
		s.bytes[b] = -1
	}
	var blanks []int
	for i, text := range v.tokens {
		if s.scores[i] != s.scores[i] {
			return nil, fmt.Errorf("key %s: number %d is not a number", keyScores, i)
		}
		switch v.types[i] {
		case Byte:
			b, ok := parseByte(text)
			if !ok {
				return nil, fmt.Errorf("key %s: byte token %d is %.20q; want <0x00> to <0xFF>", keyTokens, i, text)
			}
			s.bytes[b] = int32(i)
		case Normal, UserDefined:
			if isBlanks(text) {
				blanks = append(blanks, i)
			}
			s.ids[strings.ReplaceAll(text, " ", mark)] = int32(i)
		}
	}
	if len(blanks) > 0 { // runs of spaces are merged before all else, the longest first
		s.scores = slices.Clone(s.scores)
		for _, i := range blanks {
			s.scores[i] = float32(1e6 + len(v.tokens[i]))
		}
	}
	if prefix, ok := keys.Bool(keySpacePrefix); ok {
		s.prefix = prefix
	}
	var err error
	s.unknown, err = v.id(keys, keyUnknown, 0)
	return s, err
}

// isBlanks tells a run of spaces that is a token, as Gemma has them.
func isBlanks(text string) bool { return len(text) > 1 && strings.Trim(text, " ") == "" }

// found returns the text in which a user-defined token is found before text is cut. Runs of spaces are not: they are merged, and
// found where they are written as "▁".
func (s *spm) found(token string) string {
	if isBlanks(token) {
		return strings.ReplaceAll(token, " ", mark)
	}
	return token
}

// parseByte reads <0x0A>.
func parseByte(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(text[3:5], 16, 8)
	return byte(b), err == nil
}

func (s *spm) prefixed() bool { return s.prefix }

func (s *spm) decode(dst []byte, token string, t Type) []byte {
	if t == Byte {
		b, _ := parseByte(token) // checked in newSPM
		return append(dst, b)
	}
	return append(dst, strings.ReplaceAll(token, mark, " ")...)
}

func (s *spm) encode(dst []int32, text string, first bool) []int32 {
	text = strings.ReplaceAll(text, " ", mark)
	if first && s.prefix {
		text = mark + text
	}
	symbols := s.characters(text)
	merge(symbols, func(left, right symbol) (int32, float64, bool) {
		id, ok := s.ids[text[left.start:right.end]]
		if !ok {
			return 0, 0, false
		}
		return id, -float64(s.scores[id]), true
	})
	for _, c := range symbols {
		switch {
		case c.start == c.end: // merged into the one before
		case c.id >= 0:
			dst = append(dst, c.id)
		default:
			dst = s.encodeBytes(dst, text[c.start:c.end])
		}
	}
	return dst
}

func (s *spm) characters(text string) []symbol {
	symbols := make([]symbol, 0, utf8.RuneCountInString(text))
	for at := 0; at < len(text); {
		_, n := utf8.DecodeRuneInString(text[at:])
		id, ok := s.ids[text[at:at+n]]
		if !ok {
			id = -1
		}
		i := int32(len(symbols))
		symbols = append(symbols, symbol{id: id, start: int32(at), end: int32(at + n), prev: i - 1, next: i + 1})
		at += n
	}
	if len(symbols) > 0 {
		symbols[len(symbols)-1].next = -1
	}
	return symbols
}

// encodeBytes writes a character that is no token as bytes, or as the unknown token where a byte is none.
func (s *spm) encodeBytes(dst []int32, character string) []int32 {
	begin := len(dst)
	for i := range len(character) {
		id := s.bytes[character[i]]
		if id < 0 {
			if s.unknown < 0 {
				return dst[:begin]
			}
			return append(dst[:begin], s.unknown)
		}
		dst = append(dst, id)
	}
	return dst
}
