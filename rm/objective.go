package rm

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// comparison is a pair over rows of a matrix.
type comparison struct {
	a, b   int32 // a is the chosen one
	group  int32 // the prompt
	target float64
	tie    bool
	margin float64
	weight float64
	canary bool // an honest reply over a hack made from it: no vote
	own    bool // of two replies of the model, concluded from demonstrations: no vote
}

// judgement is a thumb over a row of a matrix.
type judgement struct {
	row    int32
	group  int32
	target float64
	weight float64
}

// choice is a list over rows of a matrix, the chosen one first.
type choice struct {
	rows          []int32
	shares        []float64 // log of what each row counts for; nil for all alike
	group         int32
	tau           float64
	weight        float64
	demonstration bool // over candidates of the model; else of a ranking
}

// loss is [Listwise], or [WeightedListwise] where rows count for unequal shares.
func (c *choice) loss(rewards, grad []float64) float64 {
	if c.shares == nil {
		return Listwise(rewards, c.tau, grad)
	}
	return WeightedListwise(rewards, c.shares, c.tau, grad)
}

// share returns what the k-th row counts for.
func (c *choice) share(k int) float64 {
	if c.shares == nil {
		return 1 / float64(len(c.rows))
	}
	return math.Exp(c.shares[k])
}

// objective is the loss of all kinds of feedback in one vector of parameters: the weights of the dense columns, those of
// the sparse ones, then the outside option, then eta of the ties. Values are sums, not means, so that the penalty
// is a prior: a normal of standard deviation 1/√penalty.
type objective struct {
	m           *matrix
	comparisons []comparison
	judgements  []judgement
	choices     []choice
	scale       []float64 // multiplies the weight of everything said about a prompt, by group; nil means 1
	anchor      []float64 // where the prior of the dense weights is centred; nil means 0
	denseL2     float64
	sparseL2    float64
	centre      float64 // coefficient of (r_a + r_b)² over pairs
	ties        bool    // eta is fitted

	rewards, partials, list, listGrad []float64
}

func (o *objective) dims() int { return o.m.nd + o.m.ns + 2 }

func (o *objective) outside() int { return o.m.nd + o.m.ns }
func (o *objective) eta() int     { return o.m.nd + o.m.ns + 1 }

// auxiliaryL2 keeps the outside option and eta finite when all thumbs, or all pairs, say the same.
const auxiliaryL2 = 1e-3

// value returns the loss at w and stores its gradient in grad. It is not safe for concurrent use.
func (o *objective) value(w, grad []float64) float64 {
	o.rewards = resize(o.rewards, o.m.rows())
	o.partials = resize(o.partials, o.m.rows())
	o.m.mul(o.rewards, w)
	clear(o.partials)
	clear(grad)
	loss := o.compare(w, grad) + o.judge(w, grad) + o.choose()
	o.m.addMulT(grad, o.partials)
	loss += penalty(w[:o.m.nd], grad[:o.m.nd], o.denseL2)
	if o.anchor != nil { // |w − anchor|² is |w|² − 2·w·anchor, less what does not depend on w
		loss -= o.denseL2 * floats.Dot(w[:o.m.nd], o.anchor)
		floats.AddScaled(grad[:o.m.nd], -o.denseL2, o.anchor)
	}
	loss += penalty(w[o.m.nd:o.outside()], grad[o.m.nd:o.outside()], o.sparseL2)
	return loss + penalty(w[o.outside():], grad[o.outside():], auxiliaryL2)
}

func penalty(w, grad []float64, l2 float64) float64 {
	floats.AddScaled(grad, l2, w)
	return l2 / 2 * floats.Dot(w, w)
}

func (o *objective) of(group int32) float64 {
	if o.scale == nil {
		return 1
	}
	return o.scale[group]
}

func (o *objective) compare(w, grad []float64) (loss float64) {
	eta := math.Inf(-1)
	if o.ties {
		eta = w[o.eta()]
	}
	for _, c := range o.comparisons {
		weight := c.weight * o.of(c.group)
		if weight == 0 {
			continue
		}
		l, dz, deta := c.loss(o.rewards[c.a]-o.rewards[c.b], eta)
		loss += weight * l
		if o.ties {
			grad[o.eta()] += weight * deta
		}
		o.partials[c.a] += weight * dz
		o.partials[c.b] -= weight * dz
		if o.centre > 0 {
			sum := o.rewards[c.a] + o.rewards[c.b]
			loss += weight * o.centre * sum * sum
			o.partials[c.a] += weight * 2 * o.centre * sum
			o.partials[c.b] += weight * 2 * o.centre * sum
		}
	}
	return loss
}

// loss is [BradleyTerry] while no ties are fitted, a tie being half a win each, and [Davidson] with them. A tie has no
// margin.
func (c *comparison) loss(d, eta float64) (loss, dd, deta float64) {
	switch {
	case math.IsInf(eta, -1) && c.tie:
		loss, dd, _ = BradleyTerry(d, .5)
	case math.IsInf(eta, -1):
		loss, dd, _ = BradleyTerry(d-c.margin, c.target)
	case c.tie:
		return Davidson(d, eta, Outcome{Tie: 1})
	default:
		return Davidson(d-c.margin, eta, Outcome{Win: c.target, Lose: 1 - c.target})
	}
	return loss, dd, 0
}

func (o *objective) judge(w, grad []float64) (loss float64) {
	outside := w[o.outside()]
	for _, j := range o.judgements {
		weight := j.weight * o.of(j.group)
		l, dr := Thumb(o.rewards[j.row], outside, j.target)
		loss += weight * l
		o.partials[j.row] += weight * dr
		grad[o.outside()] -= weight * dr
	}
	return loss
}

func (o *objective) choose() (loss float64) {
	for i := range o.choices {
		c := &o.choices[i]
		o.list = resize(o.list, len(c.rows))
		o.listGrad = resize(o.listGrad, len(c.rows))
		for k, row := range c.rows {
			o.list[k] = o.rewards[row]
		}
		weight := c.weight * o.of(c.group)
		loss += weight * c.loss(o.list, o.listGrad)
		for k, row := range c.rows {
			o.partials[row] += weight * o.listGrad[k]
		}
	}
	return loss
}

// minimise returns the optimum, by L-BFGS from w0 (nil: zero) over parameters scaled by their curvature. It stops when no
// scaled partial exceeds tolerance: the loss is then within half the sum of their squares, in nats over all feedback.
func (o *objective) minimise(w0 []float64, tolerance float64, iterations int) ([]float64, error) {
	n := o.dims()
	scale := o.scales()
	w, at, grad, loss := make([]float64, n), make([]float64, n), make([]float64, n), math.NaN()
	// The optimiser asks for value and gradient in separate calls; both come from one pass over the data.
	evaluate := func(u []float64) {
		if math.IsNaN(loss) || !floats.Equal(at, u) {
			copy(at, u)
			loss = o.value(floats.MulTo(w, u, scale), grad)
			floats.Mul(grad, scale)
		}
	}
	problem := optimize.Problem{
		Func: func(u []float64) float64 { evaluate(u); return loss },
		Grad: func(dst, u []float64) { evaluate(u); copy(dst, grad) },
	}
	u0 := make([]float64, n)
	if w0 != nil {
		floats.DivTo(u0, w0, scale)
	}
	settings := &optimize.Settings{GradientThreshold: tolerance, MajorIterations: iterations, Converger: optimize.NeverTerminate{}}
	result, err := optimize.Minimize(problem, u0, settings, &optimize.LBFGS{Store: 10})
	if result == nil {
		return nil, fmt.Errorf("fit weights: %w", err)
	}
	// A line search that can go no further stands at the optimum as far as floating point can tell it.
	if floats.HasNaN(result.X) || math.IsInf(result.F, 0) || math.IsNaN(result.F) {
		return nil, fmt.Errorf("fit weights: loss %v: %w", result.F, err)
	}
	return floats.MulTo(w, result.X, scale), nil
}

// scales returns one over the square root of the curvature of the loss in each parameter, as it is near zero rewards.
func (o *objective) scales() []float64 {
	curve := make([]float64, o.dims())
	for i := range curve {
		switch {
		case i < o.m.nd:
			curve[i] = o.denseL2
		case i < o.outside():
			curve[i] = o.sparseL2
		default:
			curve[i] = auxiliaryL2
		}
	}
	weights := make([]float64, o.m.rows())
	for _, c := range o.comparisons {
		w := c.weight * o.of(c.group) / 4
		weights[c.a] += w
		weights[c.b] += w
		if o.ties {
			curve[o.eta()] += w
		}
	}
	for _, j := range o.judgements {
		w := j.weight * o.of(j.group) / 4
		weights[j.row] += w
		curve[o.outside()] += w
	}
	for i := range o.choices {
		c := &o.choices[i]
		for k, row := range c.rows {
			s := c.share(k)
			weights[row] += c.weight * o.of(c.group) * s * (1 - s) / (c.tau * c.tau)
		}
	}
	o.m.addSquares(curve, weights)
	for i, c := range curve {
		curve[i] = 1 / math.Sqrt(c)
	}
	return curve
}

func resize(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}
