package lm

import (
	"math"
	"math/rand/v2"

	"plumb/chat"
	"plumb/lm/kernel"
)

// chooser draws the tokens of one reply. Filters apply in the order of llama.cpp: penalties, top-k, top-p, min-p, and last
// the temperature; top-p and min-p see the distribution at temperature 1, top-p that of the k tokens that top-k kept.
type chooser struct {
	Settings
	random *rand.Rand
	counts map[int32]int // of tokens drawn, where penalties need them
	work   []float32
	ranked ranking
	kept   []float64
}

// greedyBelow is a temperature below which x/T overflows float32; the most likely token has all the probability there.
const greedyBelow = 1e-30

func newChooser(s Settings, seed int64, vocab int) *chooser {
	c := &chooser{Settings: s, random: rand.New(rand.NewPCG(uint64(seed), 0x6472_6177)), work: make([]float32, vocab)}
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

// drawPlain draws from softmax(x/temperature), in the order of the vocabulary. It overwrites x.
func (c *chooser) drawPlain(x []float32) int32 {
	shift, inverse := x[argmax(x)], float32(1/c.Temperature)
	for i := range x {
		x[i] = (x[i] - shift) * inverse
	}
	kernel.Softmax(x)
	total := 0.
	for _, p := range x {
		total += float64(p)
	}
	left, last := c.random.Float64()*total, 0
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

// drawFiltered takes tokens from the most likely down as long as every filter keeps them, and draws one of those.
func (c *chooser) drawFiltered(x []float32) int32 {
	order := &c.ranked
	order.rank(x)
	first := x[order.at(0)]
	limit, total := len(x), 0. // total is Σ exp(x − first) over what top-p sees
	if c.TopK > 0 && c.TopK < limit {
		limit = c.TopK
		for i := range limit {
			total += math.Exp(float64(x[order.at(i)] - first))
		}
	} else {
		total = math.Exp(kernel.LogSumExp(x) - float64(first))
	}
	kept, mass, sum := c.kept[:0], 0., 0.
	for i := range limit {
		below := float64(x[order.at(i)] - first)
		p := math.Exp(below)
		if i > 0 && (p == 0 || c.TopP > 0 && c.TopP < 1 && mass >= c.TopP*total || p < c.MinP) {
			break
		}
		mass += p
		w := math.Exp(below / c.Temperature)
		sum += w
		kept = append(kept, w)
	}
	c.kept = kept
	left, pick := c.random.Float64()*sum, len(kept)-1
	for i, w := range kept {
		if left -= w; left < 0 {
			pick = i
			break
		}
	}
	return order.at(pick)
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
