package lm

import "fmt"

// Tree is several completions (branches) of one prompt. The prompt is computed once for all of them, and each branch sees
// the prompt and itself.
type Tree struct {
	Prompt   []int32 // at least one token
	Branches [][]int32
}

// segment is a run of rows with consecutive positions: a prompt, or a branch after it.
type segment struct {
	row, n       int // first row and number of rows
	prefix, past int // first row and number of the prompt's rows that come before it; past is 0 for a prompt
}

// target is a token whose log-prob is wanted: that of tokens[at] of a branch given all before it.
type target struct {
	row              int // whose hidden state predicts it
	token            int32
	tree, branch, at int
}

// batch lays trees out as rows without padding. The last token of a branch predicts nothing and has no row.
type batch struct {
	tokens    []int32
	positions []int
	segments  []segment
	targets   []target
	first     [][]int // index into targets of each branch's first token
	longest   int     // positions in use
}

func layOut(trees []Tree, vocab int) (*batch, error) {
	b := &batch{}
	for t, tree := range trees {
		if len(tree.Prompt) == 0 {
			return nil, fmt.Errorf("compute log-probs: tree %d has no prompt token", t)
		}
		prompt := b.add(tree.Prompt, 0, segment{})
		b.first = append(b.first, make([]int, len(tree.Branches)))
		for br, tokens := range tree.Branches {
			b.first[t][br] = len(b.targets)
			if len(tokens) == 0 {
				continue
			}
			own := b.add(tokens[:len(tokens)-1], prompt.n, segment{prefix: prompt.row, past: prompt.n})
			for i, token := range tokens {
				row := prompt.row + prompt.n - 1
				if i > 0 {
					row = own.row + i - 1
				}
				b.targets = append(b.targets, target{row, token, t, br, i})
			}
		}
	}
	for _, token := range b.tokens {
		if token < 0 || int(token) >= vocab {
			return nil, fmt.Errorf("compute log-probs: token %d; the vocabulary has %d", token, vocab)
		}
	}
	for _, t := range b.targets {
		if t.token < 0 || int(t.token) >= vocab {
			return nil, fmt.Errorf("compute log-probs: token %d; the vocabulary has %d", t.token, vocab)
		}
	}
	return b, nil
}

// add appends the rows of one segment.
func (b *batch) add(tokens []int32, position int, s segment) segment {
	s.row, s.n = len(b.tokens), len(tokens)
	if s.n == 0 {
		return s
	}
	for i := range tokens {
		b.positions = append(b.positions, position+i)
	}
	b.tokens = append(b.tokens, tokens...)
	b.segments = append(b.segments, s)
	b.longest = max(b.longest, position+s.n)
	return s
}
