package lm

import (
	"math"
	"math/rand/v2"
	"slices"

	"plumb/chat"
	"plumb/lm/kernel"
)

// chooser draws the tokens of one reply. Filters apply in the order of llama.cpp: penalties, top-k, top-p, min-p, and last
// the temperature; top-p and min-p see the distribution at temperature 1, top-p that of the k tokens that top-k kept.
type chooser struct {
	Settings
	random *rand.Rand
	counts map[int32]int // of tokens drawn, where penalties need them

	// memory kept from one draw to the next
	work, probs, kept []float32
	ids               []int32
	cut               selection
	ranked            ranking
}

// greedyBelow is a temperature below which x/T overflows float32; the most likely token has all the probability there.
const greedyBelow = 1e-30

func newChooser(s Settings, seed int64) *chooser {
	c := &chooser{Settings: s, random: rand.New(rand.NewPCG(uint64(seed), 0x6472_6177))}
	if s.Presence != 0 || s.Frequency != 0 {
		c.counts = map[int32]int{}
	}
	return c
}

// draw returns the next token and its log-prob under the unchanged distribution. It fails if the logits are not numbers,
// which is what a broken model ends in.
func (c *chooser) draw(logits []float32) (int32, float64, error) {
	lse := kernel.LogSumExp(logits)
	if math.IsNaN(lse) || math.IsInf(lse, 0) {
		return 0, 0, &chat.Error{Kind: chat.Internal, Msg: "draw token: the model's logits are not numbers"}
	}
	c.work = grown(c.work, len(logits)) // not before: who waits for a turn holds no memory
	work := c.work
	copy(work, logits)
	for id, n := range c.counts {
		work[id] -= float32(c.Presence + c.Frequency*float64(n))
	}
	var token int32
	switch {
	case c.Temperature < greedyBelow:
		token = argmax(work)
	case c.filtered(len(work)):
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

// drawPlain draws from softmax(x/temperature). It overwrites x.
func (c *chooser) drawPlain(x []float32) int32 {
	if c.Temperature != 1 {
		shift, inverse := x[argmax(x)], float32(1/c.Temperature)
		for i := range x {
			x[i] = (x[i] - shift) * inverse
		}
	}
	kernel.Softmax(x)
	return int32(c.index(x))
}

// index draws an index with the given probabilities, which add up to about 1. One of probability 0 is never drawn.
func (c *chooser) index(p []float32) int {
	total := 0.
	for _, v := range p {
		total += float64(v)
	}
	left, last := c.random.Float64()*total, 0
	for i, v := range p {
		if v > 0 {
			last = i
			if left -= float64(v); left < 0 {
				break
			}
		}
	}
	return last
}

// drawFiltered draws from the tokens that every filter keeps.
func (c *chooser) drawFiltered(x []float32) int32 {
	c.probs = append(c.probs[:0], x...)
	p := c.probs // at temperature 1
	kernel.Softmax(p)
	first := argmax(x)
	// Tokens less likely than this are outside the nucleus: all of them together lack the mass to reach into it.
	rare := c.MinP * float64(p[first])
	if c.TopP > 0 && c.TopP < 1 && c.TopK == 0 {
		rare = max(rare, (1-c.TopP)/(2*float64(len(x))))
	}
	ids := c.ids[:0]
	for id, v := range p {
		if float64(v) >= rare || c.TopK > 0 { // top-k comes before min-p
			ids = append(ids, int32(id))
		}
	}
	c.ids = ids
	c.cut.logits = x
	if c.TopK > 0 && c.TopK < len(ids) {
		ids = c.cut.most(ids, func(int32) float64 { return 1 }, float64(c.TopK))
	}
	if c.TopP > 0 && c.TopP < 1 {
		total := 1.
		if c.TopK > 0 {
			total = sumOf(p, ids)
		}
		ids = c.cut.most(ids, func(id int32) float64 { return float64(p[id]) }, c.TopP*total)
	}
	ids = slices.DeleteFunc(ids, func(id int32) bool { return float64(p[id]) < c.MinP*float64(p[first]) })
	return c.drawOf(ids, x, x[first])
}

// drawOf draws one of ids from softmax(x/temperature); first is the largest of x.
func (c *chooser) drawOf(ids []int32, x []float32, first float32) int32 {
	w, inverse := c.kept[:0], float32(1/c.Temperature)
	for _, id := range ids {
		w = append(w, (x[id]-first)*inverse)
	}
	c.kept = w
	kernel.Softmax(w)
	return ids[c.index(w)]
}

func sumOf(p []float32, ids []int32) (sum float64) {
	for _, id := range ids {
		sum += float64(p[id])
	}
	return sum
}

// Alternative is a token that could have been drawn.
type Alternative struct {
	ID      int32
	Logprob float64
}

// top returns the most likely tokens, Settings.Top of them.
func (c *chooser) top(logits []float32) []Alternative {
	lse := kernel.LogSumExp(logits)
	c.ranked.rank(logits)
	list := make([]Alternative, min(c.Top, len(logits)))
	for i := range list {
		id := c.ranked.at(i)
		list[i] = Alternative{id, float64(logits[id]) - lse}
	}
	return list
}
