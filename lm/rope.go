package lm

import (
	"math"
	"sync"

	"plumb/lm/kernel"
)

// rope holds the angles of the rotary embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864): cos and sin of
// position·base^(−2i/S) for each position and pair i, scaled as the model says, made on demand.
type rope struct {
	size   int       // of a head
	halves bool      // pairs are (i, i+pairs), not (2i, 2i+1)
	pairs  int       // rotated pairs of a head
	freq   []float64 // of each pair
	gain   float64   // of cos and sin
	mu     sync.RWMutex
	table  []float32 // position×pairs×(cos, sin)
}

func (m *Model) readRope() error {
	c := &m.config
	var factors []float32
	if _, ok := m.file.Tensor("rope_freqs.weight"); ok {
		var err error
		if factors, err = m.values("rope_freqs.weight"); err != nil {
			return err
		}
	}
	m.rope.init(c, c.RopeBase, c.scaling, factors)
	if c.LocalBase != 0 {
		m.localRope.init(c, c.LocalBase, ropeScaling{gain: 1}, nil)
	}
	return nil
}

// init computes the frequencies, which are divided by factors where there are any.
func (r *rope) init(c *Config, base float64, scaling ropeScaling, factors []float32) {
	r.size, r.halves, r.pairs, r.gain = c.HeadDim, c.parts.halves, c.RopeDim/2, scaling.gain
	r.freq = make([]float64, r.pairs)
	for i := range r.freq {
		r.freq[i] = scaling.scaled(math.Pow(base, -2*float64(i)/float64(c.RopeDim)), i, c.RopeDim, base)
		if factors != nil {
			r.freq[i] /= float64(factors[i])
		}
	}
}

// upTo returns the table for at least n positions.
func (r *rope) upTo(n int) []float32 {
	r.mu.RLock()
	table := r.table
	r.mu.RUnlock()
	if len(table) >= n*r.pairs*2 {
		return table
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := len(r.table) / (r.pairs * 2); p < n+64; p++ {
		for _, f := range r.freq {
			sin, cos := math.Sincos(float64(p) * f)
			r.table = append(r.table, float32(r.gain*cos), float32(r.gain*sin))
		}
	}
	return r.table
}

// rotate turns one row of heads by the angles of a position; sign −1 is the backward pass, which turns back.
func (r *rope) rotate(row, table []float32, position int, sign float32) {
	pairs := r.pairs
	angles := table[position*pairs*2:][:pairs*2]
	for h := 0; h < len(row); h += r.size {
		head := row[h : h+r.size]
		for i := range pairs {
			a, b := 2*i, 2*i+1
			if r.halves {
				a, b = i, i+pairs
			}
			cos, sin := angles[2*i], sign*angles[2*i+1]
			x, y := head[a], head[b]
			head[a], head[b] = x*cos-y*sin, x*sin+y*cos
		}
	}
}

// turn rotates a row of q and one of k for a layer; sign −1 is the backward pass, from dq and dk.
func (m *Model) turn(l *layer, q, k, table []float32, position int, sign float32) {
	l.rope.rotate(q, table, position, sign)
	l.rope.rotate(k, table, position, sign)
	if m.config.Sharpen != 0 {
		kernel.Scale(m.config.sharpness(position), q)
	}
}

// sharpness is what a query at a position is taken times: see Config.Sharpen.
func (c *Config) sharpness(position int) float32 {
	return float32(1 + c.Sharpen*math.Log(float64(1+position/c.SharpenEvery)))
}
