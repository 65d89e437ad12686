package rm

import (
	"context"
	"math"
	"math/bits"
	"sync"

	"plumb/chat"
)

// lexicalVersion names the meaning of the columns. Raise it with every change of scan, lexicon, surfaces or hashing.
const lexicalVersion = 1

// Lexical is the features that need no model: named surface features, and words and pairs of words hashed with a sign
// into 2^Bits columns (Weinberger et al. 2009, https://arxiv.org/abs/0902.2206). Make one with [NewLexical]. Cost: tens of
// microseconds a reply.
type Lexical struct {
	bits    int
	classes map[uint64]class
	names   []string
	pool    sync.Pool // of *lexicalScratch
}

// NewLexical returns lexical features over 2^bits hashed columns; bits is 10 to 22, and 0 means 17.
func NewLexical(bits int) *Lexical {
	if bits == 0 {
		bits = 17
	}
	if bits < 10 || bits > 22 {
		panic("rm: lexical features: bits out of 10 … 22")
	}
	l := &Lexical{bits: bits, classes: classes()}
	for _, s := range surfaces {
		l.names = append(l.names, s.name)
	}
	l.pool.New = func() any { return &lexicalScratch{dense: make([]float64, len(surfaces))} }
	return l
}

// Spec implements [Features].
func (l *Lexical) Spec() Spec {
	return Spec{Name: "lexical", Version: lexicalVersion, Dense: l.names, Sparse: 1 << l.bits}
}

// lexicalScratch is the memory of one extraction.
type lexicalScratch struct {
	prompt, reply                         scan
	promptWords, promptPairs, seen, pairs table
	counts                                [32]float64 // uses by class
	dense                                 []float64
	index                                 []uint32
	value                                 []float32
	columns                               table // column → place in index
}

// Extract implements [Features]. A value of the sparse part is the signed, damped count 1 + log(n) of the words and pairs in a
// column.
func (l *Lexical) Extract(ctx context.Context, prompt []chat.Message, replies []string, row func(int, Row)) error {
	s := l.pool.Get().(*lexicalScratch)
	defer l.pool.Put(s)
	s.prompt.read(lastUser(prompt))
	v := view{prompt: &s.prompt, reply: &s.reply, count: s.count}
	s.readPrompt(l.classes, &v)
	for i, reply := range replies {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.reply.read(reply)
		s.readReply(l.classes, &v)
		for j := range surfaces {
			s.dense[j] = surfaces[j].value(&v)
		}
		s.hash(l.bits)
		row(i, Row{Dense: s.dense, Index: s.index, Value: s.value})
	}
	return nil
}

func (s *lexicalScratch) count(c class) float64 { return s.counts[bits.TrailingZeros32(uint32(c))] }

func (s *lexicalScratch) readPrompt(classes map[uint64]class, v *view) {
	words := s.prompt.words
	s.promptWords.reset(len(words))
	s.promptPairs.reset(len(words))
	for i, w := range words {
		if _, fresh := s.promptWords.find(w); fresh && classes[w]&stop == 0 {
			v.promptContent++
		}
		if i > 0 {
			s.promptPairs.find(pairHash(words[i-1], w))
		}
	}
}

// readReply counts what the surface features need of the reply.
func (s *lexicalScratch) readReply(classes map[uint64]class, v *view) {
	words := s.reply.words
	s.counts = [32]float64{}
	v.start, v.distinct, v.repeated, v.common, v.content, v.covered, v.copied, v.top = 0, 0, 0, 0, 0, 0, 0, 0
	s.seen.reset(len(words))
	s.pairs.reset(len(words))
	for i, w := range words {
		c := classes[w]
		s.tally(c)
		times, fresh := s.seen.find(w)
		*times++
		if fresh && i < 100 {
			v.distinct++
		}
		if c&stop == 0 {
			v.content++
			v.top = max(v.top, int(*times))
			if s.promptWords.has(w) {
				v.common++
				if fresh {
					v.covered++
				}
			}
		}
		if i == 0 {
			v.start = c
			continue
		}
		h := pairHash(words[i-1], w)
		pc := classes[h]
		s.tally(pc)
		if i == 1 {
			v.start |= pc
		}
		n, fresh := s.pairs.find(h)
		*n++
		if !fresh {
			v.repeated++
		}
		if s.promptPairs.has(h) {
			v.copied++
		}
	}
}

func (s *lexicalScratch) tally(c class) {
	for ; c != 0; c &= c - 1 {
		s.counts[bits.TrailingZeros32(uint32(c))]++
	}
}

// hash fills index and value from the words and pairs counted by readReply, in the order of the text.
func (s *lexicalScratch) hash(width int) {
	s.index, s.value = s.index[:0], s.value[:0]
	s.columns.reset(2 * len(s.reply.words))
	add := func(h uint64, n int32) {
		column := uint32(h >> (64 - width))
		value := float32(1 + math.Log(float64(n)))
		if h&1 != 0 {
			value = -value
		}
		place, fresh := s.columns.find(uint64(column) + 1)
		if fresh {
			*place = int32(len(s.index))
			s.index = append(s.index, column)
			s.value = append(s.value, value)
		} else {
			s.value[*place] += value
		}
	}
	for i, w := range s.reply.words {
		if n := s.seen.take(w); n > 0 {
			add(w, n)
		}
		if i > 0 {
			h := pairHash(s.reply.words[i-1], w)
			if n := s.pairs.take(h); n > 0 {
				add(h, n)
			}
		}
	}
}

// table is a hash table from hashes to small counts that is emptied in constant time.
type table struct {
	slots []slot
	epoch uint32
}

type slot struct {
	key   uint64
	epoch uint32
	n     int32
}

// reset empties the table and makes room for n keys.
func (t *table) reset(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	t.epoch++
	if size > len(t.slots) || t.epoch == 0 {
		t.slots = make([]slot, max(size, len(t.slots)))
		t.epoch = 1
	}
}

func (t *table) slot(key uint64) *slot {
	mask := len(t.slots) - 1
	for i := int(mix(key)) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.epoch != t.epoch || s.key == key {
			return s
		}
	}
}

// find returns the count of key, which it adds with 0 if it is new.
func (t *table) find(key uint64) (n *int32, fresh bool) {
	s := t.slot(key)
	if s.epoch != t.epoch {
		*s = slot{key: key, epoch: t.epoch}
		return &s.n, true
	}
	return &s.n, false
}

func (t *table) has(key uint64) bool { return len(t.slots) > 0 && t.slot(key).epoch == t.epoch }

// take returns the count of key and sets it to 0.
func (t *table) take(key uint64) int32 {
	s := t.slot(key)
	if s.epoch != t.epoch {
		return 0
	}
	n := s.n
	s.n = 0
	return n
}
