package pairs

import (
	"math"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Sizes of a signature. Two texts of similarity J meet in at least one band with probability 1 − (1 − J⁴)¹⁶: .99 at J = .7, .12 at .3;
// those that meet are compared by their whole signatures, whose error is √(J(1 − J)/64), at most .06.
const (
	signed   = 64 // hash functions
	bandRows = 4
	bands    = signed / bandRows
	shingled = 3 // words of a shingle
)

// signature estimates how alike two sets of shingles are: the share of equal entries is, in expectation, the size of their
// intersection over that of their union.
//
// Broder 1997, "On the resemblance and containment of documents", §4; banding as in Leskovec, Rajaraman & Ullman, "Mining of Massive
// Datasets", §3.4.
type signature [signed]uint32

// multipliers are the hash functions: h_k(x) is the upper half of a_k·x + b_k (Dietzfelbinger 1996), a_k odd.
var multipliers = func() (m [signed][2]uint64) {
	x := uint64(0x706c756d62)
	next := func() uint64 { // SplitMix64
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	for k := range m {
		m[k] = [2]uint64{next() | 1, next()}
	}
	return m
}()

// sign returns the signature of a set of shingles; of none it is all ones. Cost: 64 multiplications a shingle.
func sign(shingles []uint64) (s signature) {
	for k := range s {
		s[k] = math.MaxUint32
	}
	for _, x := range shingles {
		for k := range s {
			s[k] = min(s[k], uint32((x*multipliers[k][0]+multipliers[k][1])>>32))
		}
	}
	return s
}

// similarity estimates the shingles that two texts share over those that either has, in [0, 1].
func (s *signature) similarity(other *signature) float64 {
	equal := 0
	for k := range s {
		if s[k] == other[k] {
			equal++
		}
	}
	return float64(equal) / signed
}

// band returns a hash of the band-th part of a signature, mixed with what texts must share besides.
func (s *signature) band(band int, besides uint64) uint64 {
	h := besides ^ uint64(band)*0x9e3779b97f4a7c15
	for _, x := range s[band*bandRows : (band+1)*bandRows] {
		h = (h ^ uint64(x)) * 0x100000001b3
		h ^= h >> 29
	}
	return h
}

// plainWords returns the words of a text in small letters, without anything that is neither letter nor digit.
func plainWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// shingles appends a hash of each run of three words; fewer words are one shingle, none are none. Salt keeps texts of different
// roles apart.
func shingles(to []uint64, words []string, salt uint64) []uint64 {
	if len(words) == 0 {
		return to
	}
	width := min(shingled, len(words))
	for i := range len(words) - width + 1 {
		h := 0xcbf29ce484222325 ^ salt // FNV-1a, with a last mix for the bits that it leaves alike
		for _, w := range words[i : i+width] {
			for j := range len(w) {
				h = (h ^ uint64(w[j])) * 0x100000001b3
			}
			h = (h ^ 0x20) * 0x100000001b3
		}
		h ^= h >> 33
		to = append(to, h*0xff51afd7ed558ccd)
	}
	return to
}

// alike finds near-duplicates among signatures: it returns for each the index of the first one of its cluster, its own if it is like
// none before it. Clusters are single linkage over the pairs that meet in a band and are at least that similar; within a band each
// is compared with the first alone, so that the cost is linear whatever is thrown at it. Signatures of nothing are like none.
func alike(all []signature, least float64) []int {
	root := make([]int, len(all))
	for i := range root {
		root[i] = i
	}
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	nothing := sign(nil)
	first := make(map[uint64]int, len(all))
	for band := range bands {
		clear(first)
		for i := range all {
			if all[i] == nothing {
				continue
			}
			key := all[i].band(band, 0)
			k, met := first[key]
			if !met {
				first[key] = i
				continue
			}
			if a, b := find(k), find(i); a != b && all[k].similarity(&all[i]) >= least {
				root[max(a, b)] = min(a, b)
			}
		}
	}
	for i := range root {
		root[i] = find(i)
	}
	return root
}
