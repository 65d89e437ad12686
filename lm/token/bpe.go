package token

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// bpe is byte-level byte-pair encoding: text is cut into words, and in each word the pair of neighbours with the
// lowest rank is merged again and again. Sennrich et al. 2016, https://arxiv.org/abs/1508.07909; Radford et al. 2019.
type bpe struct {
	pre     pretokenizer
	bytes   [256]int32 // token of each byte, −1 if the vocabulary lacks it
	merges  map[pair]merged
	words   map[string]int32 // token of a whole word in plain bytes; only where pre.wholeWords is set
	inverse [maxByteRune]int16
}

type pair struct{ left, right int32 }

type merged struct {
	rank int32 // place in the file's list
	id   int32 // token of both together
}

func newBPE(keys Keys, v *vocabulary) (*bpe, error) {
	name, _ := keys.String(keyPre)
	pre, ok := pretokenizers[name]
	if !ok {
		return nil, fmt.Errorf("key %s is %q; supported are %s", keyPre, name, pretokenizerNames())
	}
	b := &bpe{pre: pre, inverse: runeBytes()}
	for i, r := range byteRunes() {
		b.bytes[i] = -1
		if id, ok := v.ids[string(r)]; ok {
			b.bytes[i] = id
		}
	}
	if err := b.readMerges(keys, v); err != nil {
		return nil, err
	}
	if pre.wholeWords {
		b.words = make(map[string]int32, len(v.tokens))
		for i, text := range v.tokens {
			if v.types[i] == Normal {
				b.words[string(appendUnmapped(nil, text, &b.inverse))] = int32(i)
			}
		}
	}
	return b, nil
}

func (b *bpe) readMerges(keys Keys, v *vocabulary) error {
	merges, ok := keys.Strings(keyMerges)
	if !ok {
		return fmt.Errorf("key %s is missing or no array of strings", keyMerges)
	}
	b.merges = make(map[pair]merged, len(merges))
	for rank, line := range merges {
		left, right, ok := cutMerge(line)
		if !ok {
			return fmt.Errorf("key %s: entry %d is %.40q; want two tokens with a space between", keyMerges, rank, line)
		}
		var ids [3]int32
		for i, text := range [...]string{left, right, left + right} {
			id, ok := v.ids[text]
			if !ok {
				return fmt.Errorf("key %s: entry %d is %.40q, but %.40q is no token", keyMerges, rank, line, text)
			}
			ids[i] = id
		}
		p := pair{ids[0], ids[1]}
		if _, twice := b.merges[p]; !twice {
			b.merges[p] = merged{int32(rank), ids[2]}
		}
	}
	return nil
}

// cutMerge cuts "left right". The first character may itself be a space in odd files, as in llama.cpp.
func cutMerge(line string) (left, right string, ok bool) {
	if len(line) < 3 {
		return "", "", false
	}
	i := strings.IndexByte(line[1:], ' ')
	if i < 0 || i+2 == len(line) {
		return "", "", false
	}
	return line[:i+1], line[i+2:], true
}

func (b *bpe) prefixed() bool { return false }

func (b *bpe) found(token string) string { return token }

func (b *bpe) decode(dst []byte, token string, _ Type) []byte {
	return appendUnmapped(dst, token, &b.inverse)
}

func (b *bpe) encode(dst []int32, text string, _ bool) []int32 {
	if b.pre.compose {
		text = norm.NFC.String(text)
	}
	for word := range b.pre.words(text) {
		if id, ok := b.words[word]; ok {
			dst = append(dst, id)
			continue
		}
		dst = b.encodeWord(dst, word)
	}
	return dst
}

// maxScan is the length up to which looking at all pairs beats a heap.
const maxScan = 48

func (b *bpe) encodeWord(dst []int32, word string) []int32 {
	begin := len(dst)
	for i := range len(word) {
		if id := b.bytes[word[i]]; id >= 0 {
			dst = append(dst, id)
		}
	}
	ids := dst[begin:]
	if len(ids) > maxScan {
		return dst[:begin+b.mergeHeap(ids)]
	}
	return dst[:begin+b.mergeScan(ids)]
}

// mergeScan merges ids in place and returns how many are left. It looks at all pairs for every merge.
func (b *bpe) mergeScan(ids []int32) int {
	var next [maxScan]merged // of ids[i] and ids[i+1]; rank MaxInt32 if they do not merge
	for i := 0; i+1 < len(ids); i++ {
		next[i] = b.join(ids[i], ids[i+1])
	}
	n := len(ids)
	for n > 1 {
		at := 0
		for i := 1; i < n-1; i++ {
			if next[i].rank < next[at].rank {
				at = i
			}
		}
		if next[at].rank == math.MaxInt32 {
			break
		}
		ids[at] = next[at].id
		copy(ids[at+1:n-1], ids[at+2:n])
		copy(next[at+1:n-1], next[at+2:n])
		n--
		if at > 0 {
			next[at-1] = b.join(ids[at-1], ids[at])
		}
		if at+1 < n {
			next[at] = b.join(ids[at], ids[at+1])
		}
	}
	return n
}

func (b *bpe) join(left, right int32) merged {
	if m, ok := b.merges[pair{left, right}]; ok {
		return m
	}
	return merged{rank: math.MaxInt32}
}

// mergeHeap does what mergeScan does, for words of any length.
func (b *bpe) mergeHeap(ids []int32) int {
	symbols := make([]symbol, len(ids))
	for i, id := range ids {
		symbols[i] = symbol{id: id, start: int32(i), end: int32(i + 1), prev: int32(i - 1), next: int32(i + 1)}
	}
	symbols[len(symbols)-1].next = -1
	merge(symbols, func(left, right symbol) (int32, float64, bool) {
		m, ok := b.merges[pair{left.id, right.id}]
		return m.id, float64(m.rank), ok
	})
	n := 0
	for _, s := range symbols {
		if s.start < s.end {
			ids[n] = s.id
			n++
		}
	}
	return n
}
