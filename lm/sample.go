package lm

import (
	"container/heap"
	"errors"
	"math"
	"math/rand/v2"

	"plumb/lm/kernel"
)

// Settings say how tokens are drawn. The zero value draws greedily without a bound; see [Default].
type Settings struct {
	Temperature float64 // 0 is greedy
	TopK        int     // keep the k most likely tokens; 0 keeps all
	TopP        float64 // keep the fewest most likely tokens whose probabilities add up to this; 0 or 1 keeps all
	MinP        float64 // keep tokens at least MinP times as likely as the most likely one
	Presence    float64 // taken off the logit of each token drawn before
	Frequency   float64 // the same, times how often
	MaxTokens   int     // new tokens; 0 means up to the end of the context
	Top         int     // alternatives reported with each token
}

// errNaN is what a broken model ends in.
var errNaN = errors.New("draw token: the model's logits are not numbers")

// chooser draws the tokens of one reply. Filters apply in the order of llama.cpp: penalties, top-k, top-p, min-p,
// temperature; top-p and min-p see the distribution at temperature 1.
type chooser struct {
	Settings
	random *rand.Rand
	counts map[int32]int // of tokens drawn, where penalties need them
	work   []float32
	order  byLogit
	kept   []float64
}

func newChooser(s Settings, seed int64, vocab int) *chooser {
	c := &chooser{Settings: s, random: rand.New(rand.NewPCG(uint64(seed), 0x6472_6177)), work: make([]float32, vocab)}
	if s.Presence != 0 || s.Frequency != 0 {
		c.counts = map[int32]int{}
	}
	return c
}

// draw returns the next token and its log-prob under the unchanged distribution.
func (c *chooser) draw(logits []float32) (int32, float64, error) {
	lse := kernel.LogSumExp(logits)
	if math.IsNaN(lse) || math.IsInf(lse, 0) {
		return 0, 0, errNaN
	}
	work := c.work
	copy(work, logits)
	for id, n := range c.counts {
		work[id] -= float32(c.Presence + c.Frequency*float64(n))
	}
	var token int32
	switch {
	case c.Temperature == 0:
		token = argmax(work)
	case c.TopK > 0 && c.TopK < len(work) || c.TopP > 0 && c.TopP < 1 || c.MinP > 0:
		token = c.drawFiltered(work)
	default:
		token = c.drawPlain(work)
	}
	if c.counts != nil {
		c.counts[token]++
	}
	return token, float64(logits[token]) - lse, nil
}

// argmax returns the first of the largest.
func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// drawPlain draws from softmax(x/temperature), in the order of the vocabulary. It overwrites x.
func (c *chooser) drawPlain(x []float32) int32 {
	shift, inverse := x[argmax(x)], float32(1/c.Temperature)
	for i := range x {
		x[i] = (x[i] - shift) * inverse
	}
	kernel.Softmax(x)
	left := c.random.Float64() * total(x)
	last := 0
	for i, p := range x {
		if p > 0 {
			last = i
			if left -= float64(p); left < 0 {
				break
			}
		}
	}
	return int32(last)
}

func total(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

// drawFiltered takes tokens from the most likely down as long as every filter keeps them, and draws one of those.
func (c *chooser) drawFiltered(x []float32) int32 {
	lse := kernel.LogSumExp(x)
	c.order.logits, c.order.ids = x, c.order.ids[:0]
	for i := range x {
		c.order.ids = append(c.order.ids, int32(i))
	}
	heap.Init(&c.order)
	first := x[c.order.ids[0]]
	kept := c.kept[:0]
	n, mass, sum := c.order.Len(), 0., 0.
	for c.order.Len() > 0 {
		logit := x[c.order.ids[0]]
		if math.IsInf(float64(logit), -1) || c.TopK > 0 && len(kept) >= c.TopK ||
			c.TopP > 0 && c.TopP < 1 && len(kept) > 0 && mass >= c.TopP ||
			c.MinP > 0 && math.Exp(float64(logit-first)) < c.MinP {
			break
		}
		w := math.Exp(float64(logit-first) / c.Temperature)
		kept = append(kept, w)
		sum += w
		mass += math.Exp(float64(logit) - lse)
		heap.Pop(&c.order)
	}
	c.kept = kept
	left, pick := c.random.Float64()*sum, len(kept)-1
	for i, w := range kept {
		if left -= w; left < 0 {
			pick = i
			break
		}
	}
	// Popped ids lie behind the heap, the first at the very end.
	return c.order.ids[:n][n-1-pick]
}

// byLogit is a heap of token ids, the largest logit on top, of equal ones the smallest id.
type byLogit struct {
	logits []float32
	ids    []int32
}

func (h *byLogit) Len() int { return len(h.ids) }
func (h *byLogit) Less(i, j int) bool {
	a, b := h.logits[h.ids[i]], h.logits[h.ids[j]]
	return a > b || a == b && h.ids[i] < h.ids[j]
}
func (h *byLogit) Swap(i, j int) { h.ids[i], h.ids[j] = h.ids[j], h.ids[i] }
func (h *byLogit) Push(any)      { panic("lm: push to the heap of logits") }
func (h *byLogit) Pop() any      { h.ids = h.ids[:len(h.ids)-1]; return nil }

// Alternative is a token that could have been drawn.
type Alternative struct {
	ID      int32
	Logprob float64
}

// top returns the n most likely tokens.
func top(logits []float32, n int) []Alternative {
	lse := kernel.LogSumExp(logits)
	h := byLogit{logits: logits, ids: make([]int32, len(logits))}
	for i := range h.ids {
		h.ids[i] = int32(i)
	}
	heap.Init(&h)
	list := make([]Alternative, 0, n)
	for len(list) < n && h.Len() > 0 {
		list = append(list, Alternative{h.ids[0], float64(logits[h.ids[0]]) - lse})
		heap.Pop(&h)
	}
	return list
}
