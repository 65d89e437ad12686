package token

import "unicode/utf8"

// Byte-level vocabularies write each byte as a visible character: the printable ones of Latin-1 as themselves, the
// other 68 as U+0100 and following. Radford et al. 2019, GPT-2, encoder.py bytes_to_unicode.

// byteRunes returns the character that stands for each byte.
func byteRunes() (runes [256]rune) {
	next := rune(0x100)
	for b := range runes {
		switch {
		case b >= '!' && b <= '~', b >= 0xA1 && b <= 0xAC, b >= 0xAE:
			runes[b] = rune(b)
		default:
			runes[b] = next
			next++
		}
	}
	return runes
}

// maxByteRune is beyond the last character that stands for a byte.
const maxByteRune = 0x100 + 68

// runeBytes is the inverse of byteRunes: the byte of each character, or −1.
func runeBytes() (bytes [maxByteRune]int16) {
	for r := range bytes {
		bytes[r] = -1
	}
	for b, r := range byteRunes() {
		bytes[r] = int16(b)
	}
	return bytes
}

// appendUnmapped appends to dst the bytes that a mapped token stands for. A token with a foreign character stands for
// itself.
func appendUnmapped(dst []byte, token string, inverse *[maxByteRune]int16) []byte {
	n := len(dst)
	for _, r := range token {
		if r >= maxByteRune || r == utf8.RuneError || inverse[r] < 0 {
			return append(dst[:n], token...)
		}
		dst = append(dst, byte(inverse[r]))
	}
	return dst
}
