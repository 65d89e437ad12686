package balance

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/optimize"

	"plumb/chat"
	"plumb/offline/rows"
)

// Settings of the classifier of prompts.
const (
	columns     = 1 << 12 // hashed words and pairs of words
	prior       = 1.      // standard deviation of a weight
	leastWeight = .5      // of a disliked reply, as in TRL
	mostWeight  = 10.
)

// Density returns a weight for each reply: 1 for a liked one, and for a disliked one p/(1 − p) within [.5, 10], p being the probability,
// by a logistic classifier, that its prompt belongs to a liked reply, both sides counted alike. Liked and disliked replies come from
// different topics: people press thumbs down where the model is bad, thumbs up where it is good. The weights make the disliked ones look
// as if they had come from the topics of the liked ones, so that the loss tells good from bad replies and not one topic from another.
// Without replies of both sides all weights are 1. Cost: linear in the words of the prompts, times some dozens of iterations.
//
// Jung et al. 2024, §4.2, "underlying distribution matching", https://arxiv.org/abs/2404.04656; bounds as in TRL. The classifier sees
// hashed words and pairs of words in place of embeddings.
func Density(replies []rows.Unpaired) []float64 {
	weights := make([]float64, len(replies))
	for i := range weights {
		weights[i] = 1
	}
	c := newClassifier(replies)
	if c == nil {
		return weights
	}
	w := c.fit()
	for i, r := range replies {
		if !r.Label {
			weights[i] = math.Max(leastWeight, math.Min(mostWeight, math.Exp(c.score(w, c.of[i]))))
		}
	}
	return weights
}

// column is a feature of a prompt.
type column struct {
	at    int
	value float64
}

// classifier is a logistic regression that tells prompts of liked from prompts of disliked replies. Its last weight is the constant.
type classifier struct {
	prompts  [][]column
	up, down []float64 // by prompt: weight of its liked and of its disliked replies, each side scaled to a sum of half the rows
	of       []int     // by reply: its prompt
}

// newClassifier returns nil where one side is missing.
func newClassifier(replies []rows.Unpaired) *classifier {
	c := &classifier{of: make([]int, len(replies))}
	seen := map[string]int{}
	up, down := 0., 0.
	for i, r := range replies {
		text := asked(r.Prompt)
		k, ok := seen[text]
		if !ok {
			k = len(c.prompts)
			seen[text] = k
			c.prompts = append(c.prompts, features(text))
			c.up, c.down = append(c.up, 0), append(c.down, 0)
		}
		c.of[i] = k
		if r.Label {
			c.up[k] += weight(r)
			up += weight(r)
		} else {
			c.down[k] += weight(r)
			down += weight(r)
		}
	}
	if up <= 0 || down <= 0 {
		return nil
	}
	half := float64(len(replies)) / 2
	for k := range c.prompts {
		c.up[k] *= half / up
		c.down[k] *= half / down
	}
	return c
}

// asked is the text of a prompt without what an operator says to every conversation.
func asked(prompt rows.Text) string {
	if prompt.Messages == nil {
		return prompt.Plain
	}
	var parts []string
	for _, m := range prompt.Messages {
		if m.Role != chat.System {
			parts = append(parts, m.Content)
		}
	}
	return strings.Join(parts, "\n")
}

// features are the damped counts 1 + log n of words and pairs of words, hashed and scaled to length 1, in the order of their columns.
func features(text string) []column {
	counts := map[int]float64{}
	last := ""
	for _, word := range strings.Fields(strings.ToLower(text)) {
		word = strings.Trim(word, ".,;:!?\"'()")
		counts[hash(word)]++
		if last != "" {
			counts[hash(last+" "+word)]++
		}
		last = word
	}
	var row []column
	sum := 0.
	for at, n := range counts {
		row = append(row, column{at, 1 + math.Log(n)})
	}
	slices.SortFunc(row, func(a, b column) int { return a.at - b.at })
	for _, x := range row {
		sum += x.value * x.value
	}
	for i := range row {
		row[i].value /= math.Sqrt(sum)
	}
	return row
}

func hash(text string) int {
	h := fnv.New64a()
	h.Write([]byte(text))
	x := h.Sum64()
	return int((x ^ x>>32) % columns)
}

// score is the log-odds that a prompt belongs to a liked reply.
func (c *classifier) score(w []float64, prompt int) float64 {
	sum := w[columns]
	for _, x := range c.prompts[prompt] {
		sum += w[x.at] * x.value
	}
	return sum
}

// loss is the negative log-likelihood with a normal prior on all weights but the constant; it fills grad.
func (c *classifier) loss(w, grad []float64) (loss float64) {
	clear(grad)
	for k, row := range c.prompts {
		s := c.score(w, k)
		loss += c.up[k]*softplus(-s) + c.down[k]*softplus(s)
		p := 1 / (1 + math.Exp(-s))
		d := c.down[k]*p - c.up[k]*(1-p)
		for _, x := range row {
			grad[x.at] += d * x.value
		}
		grad[columns] += d
	}
	for i, x := range w[:columns] {
		loss += x * x / (2 * prior * prior)
		grad[i] += x / (prior * prior)
	}
	return loss
}

// fit minimises the loss, which is strictly convex.
func (c *classifier) fit() []float64 {
	scratch := make([]float64, columns+1)
	problem := optimize.Problem{
		Func: func(w []float64) float64 { return c.loss(w, scratch) },
		Grad: func(grad, w []float64) { c.loss(w, grad) },
	}
	settings := optimize.Settings{GradientThreshold: 1e-6 * float64(len(c.of)), MajorIterations: 200}
	// A line search that can gain no more ends with an error, and with the best point found: the last bits do not matter here.
	result, _ := optimize.Minimize(problem, make([]float64, columns+1), &settings, &optimize.LBFGS{})
	if result == nil {
		return make([]float64, columns+1)
	}
	return result.X
}

// softplus returns log(1 + e^x) without overflow.
func softplus(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
