package lm

import (
	"fmt"
	"slices"

	"plumb/lm/kernel"
)

// Pass is one forward pass over a batch of trees, with what is needed to go back.
type Pass struct {
	// Logprobs[tree][branch][i] is the log-prob, in nats, of token i of the branch given all before it.
	Logprobs [][][]float64

	m         *Model
	adapter   *Adapter
	b         *batch
	mem       *arena
	attention attention
	layers    []*activations // nil unless kept; with nothing but x where the rest is computed again
	last      []float32      // T×D, output of the last layer
	scales    []float32      // T, of the output norm
	hidden    []float32      // R×D, final normed hidden states of the targets' rows, R targets
	slopes    []float32      // R×D, d logprob/d hidden of each target; nil unless only an adapter is to be trained
}

// gradients are where a backward pass adds: one of the two is set.
type gradients struct{ adapter, weights *Params }

// Forward computes the log-probs of every branch token of the trees, packed into one batch without padding. A nil adapter
// is the model as it is. With keep set the pass can go back; it then holds about T·(6D+3F+H·T) floats a layer until
// Release, or T·D where that would be more than the model's ActivationBytes. It fails if a tree has no prompt or a token is outside the vocabulary.
//
// Cost: 2 operations a weight and row, plus 2·V·D a branch token, or twice that where the pass can go back for an adapter.
func (m *Model) Forward(ad *Adapter, trees []Tree, keep bool) (*Pass, error) {
	b, err := layOut(trees, m.config.Vocab)
	if err != nil {
		return nil, err
	}
	if ad != nil && ad.dim != m.config.Dim {
		return nil, fmt.Errorf("compute log-probs: the adapter is for a model of width %d, not %d", ad.dim, m.config.Dim)
	}
	c := &m.config
	p := &Pass{m: m, adapter: ad, b: b, mem: m.arenas.take(),
		attention: newAttention(c, b.segments)}
	p.mem.reset(0, 0)
	x := p.mem.floats(len(b.tokens) * c.Dim)
	for r, token := range b.tokens {
		m.embedding(x[r*c.Dim:(r+1)*c.Dim], token)
	}
	p.forwardLayers(x, keep)
	p.forwardHead(keep && ad != nil)
	return p, nil
}

func (p *Pass) forwardLayers(x []float32, keep bool) {
	whole := keep && p.activationFloats() <= p.m.activationLimit()/4
	state := [2][]float32{p.mem.floats(len(x)), x}
	for i := range p.m.layers {
		var next []float32
		switch {
		case whole:
		case keep:
			next = p.mem.floats(len(x))
		default:
			next = state[i%2]
		}
		chunk, at := p.mem.mark()
		out, a := p.forwardLayer(&p.m.layers[i], p.adapter.layer(i), x)
		switch {
		case whole:
			p.layers = append(p.layers, a)
			next = out
		case keep:
			p.layers = append(p.layers, &activations{x: x})
		}
		if !whole { // nothing but the output outlives the layer
			copy(next, out)
			p.mem.reset(chunk, at)
		}
		x = next
	}
	p.last = x
}

// forwardHead computes hidden states and log-probs of the targets, a slice of rows at a time so that logits stay small; and
// with slopes set, while the logits are there, what the way back would otherwise compute them for again.
func (p *Pass) forwardHead(slopes bool) {
	c, t := &p.m.config, len(p.b.tokens)
	normed := p.mem.floats(t * c.Dim)
	p.scales = p.mem.floats(t)
	norm(normed, p.scales, p.last, p.m.outNorm.w, c.Eps)
	p.hidden = p.mem.floats(len(p.b.targets) * c.Dim)
	for i, target := range p.b.targets {
		copy(p.hidden[i*c.Dim:(i+1)*c.Dim], normed[target.row*c.Dim:])
	}
	p.Logprobs = make([][][]float64, len(p.b.first))
	for tree := range p.Logprobs {
		p.Logprobs[tree] = make([][]float64, len(p.b.first[tree]))
	}
	for _, target := range p.b.targets {
		branch := &p.Logprobs[target.tree][target.branch]
		*branch = append(*branch, 0)
	}
	logprob, whole := p.m.logprob, func(int, int, []float32) {}
	if slopes {
		p.slopes = p.mem.floats(len(p.hidden))
		logprob = p.m.logprobGradient
		whole = func(from, n int, dlogits []float32) {
			p.m.output.backwardAlone(p.slopes[from*c.Dim:(from+n)*c.Dim], dlogits, n)
		}
	}
	p.eachLogits(func(i int, logits []float32) {
		target := p.b.targets[i]
		p.Logprobs[target.tree][target.branch][target.at] = logprob(logits, target.token)
	}, whole)
}

// logprob returns the log-prob of a token.
func (m *Model) logprob(logits []float32, token int32) float64 {
	return float64(logits[token]) - kernel.LogSumExp(logits)
}

// logprobGradient returns the same, and turns the logits into its gradient by them as they were before the model capped them:
// onehot − softmax.
func (m *Model) logprobGradient(logits []float32, token int32) float64 {
	var capped []float32
	if m.config.LogitCap > 0 {
		capped = slices.Clone(logits)
	}
	at := float64(logits[token])
	total := kernel.Softmax(logits)
	kernel.Scale(-1, logits)
	logits[token]++
	if capped != nil {
		kernel.SoftCapBackward(float32(m.config.LogitCap), logits, capped)
	}
	return at - total
}

// logits stores the logits of n hidden states in dst, n×V.
func (m *Model) logits(dst, hidden []float32, n int) {
	m.output.forwardAlone(dst, hidden, n)
	m.capLogits(dst[:n*m.config.Vocab])
}

func (m *Model) capLogits(logits []float32) {
	if m.config.LogitCap > 0 {
		kernel.SoftCap(float32(m.config.LogitCap), logits)
	}
}

// headRows is how many rows of logits are held at once: as many as a product takes for one reading of the output's weights.
const headRows = 240

// eachLogits calls one, concurrently, with the logits of each target's row, and then whole with each slice of them.
func (p *Pass) eachLogits(one func(i int, logits []float32), whole func(from, n int, logits []float32)) {
	c := &p.m.config
	chunk, at := p.mem.mark()
	defer p.mem.reset(chunk, at)
	logits := p.mem.floats(min(headRows, len(p.b.targets)) * c.Vocab)
	for from := 0; from < len(p.b.targets); from += headRows {
		n := min(headRows, len(p.b.targets)-from)
		p.m.logits(logits, p.hidden[from*c.Dim:], n)
		kernel.Parallel(n, func(r int) { one(from+r, logits[r*c.Vocab:(r+1)*c.Vocab]) })
		whole(from, n, logits)
	}
}

// Logits returns the logits over the vocabulary that predict each token of a branch: len(branch)×V, computed anew.
func (p *Pass) Logits(tree, branch int) []float32 {
	n, v := len(p.Logprobs[tree][branch]), p.m.config.Vocab
	logits := make([]float32, n*v)
	p.m.logits(logits, p.Hidden(tree, branch), n)
	return logits
}

// Hidden returns the final, normed hidden states that predict each token of a branch: len(branch)×D. They are valid until
// Release.
func (p *Pass) Hidden(tree, branch int) []float32 {
	first, n, d := p.b.first[tree][branch], len(p.Logprobs[tree][branch]), p.m.config.Dim
	return p.hidden[first*d : (first+n)*d]
}

// Backward adds to grad the gradient of Σ dlogp·logprob, where dlogp has the shape of Logprobs. grad must be like the
// adapter's Params, or, for a pass without an adapter, like the model's Weights. The pass must have been kept, and can go
// back once. It panics if either does not hold.
//
// Cost: that of the forward pass with an adapter, twice that without; and once more where activations are computed again.
func (p *Pass) Backward(dlogp [][][]float64, grad *Params) {
	if p.layers == nil {
		panic("lm: Backward of a pass that was not kept, or a second time")
	}
	g := gradients{weights: grad}
	if p.adapter != nil {
		g = gradients{adapter: grad}
	}
	if want := p.trained(); len(grad.Data) != want.size() {
		panic(fmt.Sprintf("lm: Backward into %d values where %d are trained", len(grad.Data), want.size()))
	}
	d := p.backwardHead(dlogp, g)
	for i := len(p.m.layers) - 1; i >= 0; i-- {
		l, pairs, a := &p.m.layers[i], p.adapter.layer(i), p.layers[i]
		chunk, mark := p.mem.mark()
		if a.n1 == nil {
			_, a = p.forwardLayer(l, pairs, a.x)
		}
		p.backwardLayer(l, pairs, a, d, g)
		p.mem.reset(chunk, mark)
	}
	if g.weights != nil {
		at := p.m.embed.at
		for r, token := range p.b.tokens {
			row := g.weights.Data[at+int(token)*p.m.config.Dim:][:p.m.config.Dim]
			kernel.Axpy(p.m.config.EmbedScale, d[r*p.m.config.Dim:(r+1)*p.m.config.Dim], row)
		}
	}
	p.layers = nil
}

func (p *Pass) trained() *Params {
	if p.adapter != nil {
		return p.adapter.Params
	}
	return p.m.params
}

// backwardHead returns the gradient of the last layer's output, T×D.
func (p *Pass) backwardHead(dlogp [][][]float64, g gradients) []float32 {
	c := &p.m.config
	dhidden := p.slopes
	weight := func(i int) float32 {
		target := p.b.targets[i]
		return float32(dlogp[target.tree][target.branch][target.at])
	}
	if p.slopes != nil {
		for i := range p.b.targets {
			kernel.Scale(weight(i), dhidden[i*c.Dim:(i+1)*c.Dim])
		}
	} else { // the output's weights have a gradient too
		dhidden = p.mem.floats(len(p.hidden))
		p.eachLogits(func(i int, logits []float32) {
			p.m.logprobGradient(logits, p.b.targets[i].token)
			kernel.Scale(weight(i), logits)
		}, func(from, n int, dlogits []float32) {
			p.m.output.backwardAlone(dhidden[from*c.Dim:(from+n)*c.Dim], dlogits, n)
			if g.weights != nil {
				p.m.output.gradient(dlogits, p.hidden[from*c.Dim:], n, g.weights)
			}
		})
	}
	dnormed := p.mem.zeros(len(p.b.tokens) * c.Dim)
	for i, target := range p.b.targets {
		add(dnormed[target.row*c.Dim:(target.row+1)*c.Dim], dhidden[i*c.Dim:(i+1)*c.Dim])
	}
	d := p.mem.zeros(len(p.b.tokens) * c.Dim)
	normBackward(d, g.weights, p.m.outNorm, dnormed, p.last, p.scales)
	return d
}

// Release gives the pass's memory back. Logprobs stay valid.
func (p *Pass) Release() {
	if p.mem != nil {
		p.m.arenas.put(p.mem)
		p.mem, p.layers, p.hidden, p.slopes = nil, nil, nil, nil
	}
}
