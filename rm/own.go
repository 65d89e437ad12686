package rm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A reward fitted on demonstrations against the model's own candidates may learn who wrote a reply in place of how good it
// is: both tell the two apart. On replies of the model alone it cannot (Sun & van der Schaar 2024, "Inverse-RLignment",
// https://arxiv.org/abs/2405.15624). Data.Own holds comparisons of such replies. They are foreseen on held-out prompts always,
// and fitted where Trainer.OwnText gives them weight.

// addOwn adds comparisons that nobody made, after everything else, so that rows stand as they would without. Their weights
// count among themselves until weighOwn.
func (c *corpus) addOwn(own []Pair) error {
	for i, p := range own {
		w, err := weightOf("own", i, p.Weight)
		if err != nil {
			return err
		}
		if p.Tie || p.Margin != 0 {
			return fmt.Errorf("own[%d]: got a tie or a margin, want neither", i)
		}
		g := c.group(p.Prompt)
		c.comparisons = append(c.comparisons, comparison{a: c.reply(g, p.Chosen), b: c.reply(g, p.Rejected), group: g, target: 1, weight: w, own: true})
	}
	return nil
}

// weighOwn gives all own comparisons together a share of the weight of everything else.
func (c *corpus) weighOwn(share float64) {
	total, own := 0.0, 0.0
	c.each(func(_ int, _ int32, w *float64) { total += *w })
	for _, p := range c.comparisons {
		if p.own {
			own += p.weight
		}
	}
	for i := range c.comparisons {
		if c.comparisons[i].own {
			c.comparisons[i].weight *= share * total / own
		}
	}
}

// When the author is said to have been learned: authors are told apart well, but better from worse with less than one-sided 95 %
// confidence, or with a lead over chance that is a small part of the authors'. That part was .1 to .3 where demonstrations had
// a signature and nothing else, .7 and more where they had a taste.
const (
	authorHigh = .75
	chanceZ    = 1.645
	smallPart  = 1. / 3
)

// knowsAuthors tells whether the reward seems to know who wrote a reply more than what is good.
func (m Metrics) knowsAuthors() bool {
	if m.AuthorAccuracy == nil || m.OwnAccuracy == nil || m.OwnZ == nil || *m.AuthorAccuracy < authorHigh {
		return false
	}
	return *m.OwnZ <= chanceZ || *m.OwnAccuracy-.5 < smallPart*(*m.AuthorAccuracy-.5)
}

// overChance returns Σd/√Σd², d being by how much the accuracy of a prompt is over ½: the standard score of all prompts' sum
// if the sign of each were a coin's, however alike the comparisons of one prompt are. nil where there are none.
func (o outcome) overChance() *float64 {
	byGroup := map[int32][2]float64{} // right less wrong, and all
	var order []int32
	for i, s := range o.scores {
		g := o.group[i]
		if _, ok := byGroup[g]; !ok {
			order = append(order, g)
		}
		d := byGroup[g]
		switch {
		case s > 0:
			d[0]++
		case s < 0:
			d[0]--
		}
		d[1]++
		byGroup[g] = d
	}
	if len(order) == 0 {
		return nil
	}
	sum, squares := 0.0, 0.0
	for _, g := range order {
		d := byGroup[g][0] / byGroup[g][1]
		sum, squares = sum+d, squares+d*d
	}
	if squares == 0 {
		return number(0)
	}
	return number(sum / math.Sqrt(squares))
}

// Warnings returns what a person who uses a reward made of demonstrations should know, a sentence each.
func (m Metrics) Warnings() []string {
	var all []string
	if m.ESSLow > 0 {
		all = append(all, fmt.Sprintf("the candidates of %d demonstrations are worth less than half their number as draws from the reference, "+
			"at least %.1f, on average %.1f: draw more, or nearer to it", m.ESSLow, *m.ESSLeast, *m.ESSMean))
	}
	if m.knowsAuthors() {
		all = append(all, fmt.Sprintf("demonstrations are told from the model's own replies at %.2f, but better from worse among the latter at %.2f of %d, "+
			"little better than chance: the reward may have learned who wrote a reply, not what is good", *m.AuthorAccuracy, *m.OwnAccuracy, m.OwnPairs))
	}
	return all
}

// OwnPairs makes comparisons of the model's own replies for Data.Own: of each demonstration's candidates the third nearest to it
// in content and style over the third farthest, the k-th nearest over the k-th farthest, all of a demonstration with the
// weight of one. One with fewer than two different candidates has none. Near is meant in the space of the features (nil:
// [NewLexical](0)) as a fit would see it: squared distance of the standardised dense features, each counting for as much as the
// demonstrations agree on it, and cosine distance of the words, each over its mean. Cost: two extractions of all replies.
func OwnPairs(ctx context.Context, f Features, demonstrations []Demonstration) ([]Pair, error) {
	if f == nil {
		f = NewLexical(0)
	}
	c, err := newCorpus(Data{Demonstrations: demonstrations}, 0, 1, -1)
	if err != nil {
		return nil, fmt.Errorf("compare own replies: %w", err)
	}
	if c.terms() == 0 {
		return nil, nil
	}
	x, err := extract(ctx, f, c)
	if err != nil {
		return nil, fmt.Errorf("compare own replies: %w", err)
	}
	var own []Pair
	for i, distances := range c.distances(x.m) {
		own = append(own, demonstrations[i].own(distances)...)
	}
	return own, nil
}

// own compares the candidates of a demonstration that are at the given distances from it.
func (d Demonstration) own(distances []float64) []Pair {
	order := make([]int, 0, len(distances)) // of different texts, nearest first
	seen := map[string]bool{}
	for k, text := range d.Candidates {
		if !seen[text] {
			seen[text] = true
			order = append(order, k)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(distances[a], distances[b]) })
	n := len(order)
	pairs := n / 3
	if n == 2 {
		pairs = 1
	}
	weight := d.Weight
	if weight == 0 {
		weight = 1
	}
	var own []Pair
	for k := range pairs {
		near, far := order[k], order[n-1-k]
		own = append(own, Pair{Prompt: d.Prompt, Chosen: d.Candidates[near], Rejected: d.Candidates[far], Weight: weight / float64(pairs), User: d.User})
	}
	return own
}

// distances returns how far each candidate of each list is from the list's first reply.
func (c *corpus) distances(m *matrix) [][]float64 {
	all, parts, agreed := make([][]float64, len(c.choices)), make([][][2]float64, len(c.choices)), c.agreed(m)
	var mean [2]float64
	n := 0.0
	for i, list := range c.choices {
		for _, row := range list.rows[1:] {
			d := m.distance(int(list.rows[0]), int(row), agreed)
			parts[i] = append(parts[i], d)
			mean[0], mean[1] = mean[0]+d[0], mean[1]+d[1]
			n++
		}
	}
	for i := range parts {
		for _, d := range parts[i] {
			sum := 0.0
			for k := range d {
				if mean[k] > 0 {
					sum += d[k] * n / mean[k]
				}
			}
			all[i] = append(all[i], sum)
		}
	}
	return all
}

// leastSpread bounds how much a feature counts on which all demonstrations agree: as much as ten on which they differ like the
// candidates do.
const leastSpread = .1

// agreed returns what each dense feature counts for: the variance of the candidates over that of the demonstrations. What people
// agree on where the model varies is what they want; what they agree on where it does not vary may be who they are, and
// makes no difference among candidates.
func (c *corpus) agreed(m *matrix) []float64 {
	var demonstrated, drawn []int32
	for _, list := range c.choices {
		demonstrated, drawn = append(demonstrated, list.rows[0]), append(drawn, list.rows[1:]...)
	}
	weights, theirs, own := make([]float64, m.nd), m.variances(demonstrated), m.variances(drawn)
	for j := range weights {
		if own[j] > 0 {
			weights[j] = own[j] / (theirs[j] + leastSpread*own[j])
		}
	}
	return weights
}

// variances returns that of each dense column over some rows.
func (m *matrix) variances(rows []int32) []float64 {
	sum, squares := make([]float64, m.nd), make([]float64, m.nd)
	for _, row := range rows {
		for j, x := range m.dense[int(row)*m.nd : int(row+1)*m.nd] {
			sum[j] += x
			squares[j] += x * x
		}
	}
	n := float64(len(rows))
	for j := range squares {
		squares[j] = max(0, squares[j]/n-sum[j]/n*sum[j]/n)
	}
	return squares
}

// distance returns the squared distance of the dense parts of two rows, by weight, and one less the cosine of their sparse parts.
func (m *matrix) distance(a, b int, weights []float64) [2]float64 {
	var d [2]float64
	for j, w := range weights {
		x := m.dense[a*m.nd+j] - m.dense[b*m.nd+j]
		d[0] += w * x * x
	}
	values := map[int32]float64{}
	for k := m.start[a]; k < m.start[a+1]; k++ {
		values[m.index[k]] = float64(m.value[k])
	}
	dot := 0.0
	for k := m.start[b]; k < m.start[b+1]; k++ {
		dot += values[m.index[k]] * float64(m.value[k])
	}
	d[1] = max(0, 1-dot)
	return d
}

var errOwnAlone = errors.New("fit reward model: comparisons of own replies alone teach nothing that a person said: want pairs, thumbs, rankings or demonstrations too")
