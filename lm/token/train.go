package token

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Trained is a byte-level BPE vocabulary, in the form of a file's keys: tokens as the file writes them, their types and
// the merges in order of priority.
type Trained struct {
	Tokens []string
	Types  []Type
	Merges []string
}

// Train builds a byte-level BPE vocabulary of at most size tokens from texts: the special tokens, then the 256 bytes, then
// what the most frequent pair of neighbours makes, again and again, inside the words that the pre-tokenizer named pre
// cuts. Ties go to the pair that sorts first, so the same texts give the same vocabulary. It stops early when no
// pair occurs twice.
//
// Sennrich et al. 2016, Algorithm 1, https://arxiv.org/abs/1508.07909. Cost: merges × different words.
func Train(texts iter.Seq[string], pre string, size int, special []string) (*Trained, error) {
	cut, ok := pretokenizers[pre]
	if !ok {
		return nil, fmt.Errorf("train tokenizer: pre-tokenizer %q; known are %s", pre, pretokenizerNames())
	}
	if least := len(special) + 256; size < least {
		return nil, fmt.Errorf("train tokenizer: size %d; at least %d are needed", size, least)
	}
	t := &Trained{}
	for _, s := range special {
		t.add(s, Control)
	}
	runes := byteRunes()
	for _, r := range runes {
		t.add(string(r), Normal)
	}
	words := countWords(texts, cut, runes)
	for len(t.Tokens) < size {
		best, count := mostFrequent(words)
		if count < 2 {
			break
		}
		t.add(best[0]+best[1], Normal)
		t.Merges = append(t.Merges, best[0]+" "+best[1])
		for i := range words {
			words[i].merge(best)
		}
	}
	return t, nil
}

func (t *Trained) add(token string, typ Type) {
	t.Tokens = append(t.Tokens, token)
	t.Types = append(t.Types, typ)
}

// counted is a word as the tokens it is made of by now, and how often it occurs.
type counted struct {
	tokens []string
	count  int
}

// countWords returns the different words of texts, sorted, each as its bytes.
func countWords(texts iter.Seq[string], cut pretokenizer, runes [256]rune) []counted {
	counts := map[string]int{}
	for text := range texts {
		for w := range cut.words(text) {
			counts[strings.Clone(w)]++
		}
	}
	words := make([]counted, 0, len(counts))
	for w, n := range counts {
		tokens := make([]string, len(w))
		for i := range len(w) {
			tokens[i] = string(runes[w[i]])
		}
		words = append(words, counted{tokens, n})
	}
	slices.SortFunc(words, func(a, b counted) int { return slices.Compare(a.tokens, b.tokens) })
	return words
}

// mostFrequent returns the pair of neighbours that occurs most.
func mostFrequent(words []counted) (best [2]string, count int) {
	counts := map[[2]string]int{}
	for _, w := range words {
		for i := 1; i < len(w.tokens); i++ {
			counts[[2]string{w.tokens[i-1], w.tokens[i]}] += w.count
		}
	}
	for pair, n := range counts {
		if n > count || n == count && slices.Compare(pair[:], best[:]) < 0 {
			best, count = pair, n
		}
	}
	return best, count
}

// merge joins every occurrence of the pair, from the left.
func (w *counted) merge(p [2]string) {
	out := w.tokens[:0]
	for i := 0; i < len(w.tokens); i++ {
		if i+1 < len(w.tokens) && w.tokens[i] == p[0] && w.tokens[i+1] == p[1] {
			out = append(out, p[0]+p[1])
			i++
			continue
		}
		out = append(out, w.tokens[i])
	}
	w.tokens = out
}
