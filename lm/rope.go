package lm

import (
	"math"
	"sync"
)

// rope holds the angles of the rotary embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864): cos and sin of
// position·base^(−2i/S) for each position and pair i, made on demand.
type rope struct {
	pairs int       // rotated pairs of a head
	freq  []float64 // of each pair
	mu    sync.RWMutex
	table []float32 // position×pairs×(cos, sin)
}

func (m *Model) readRope() error {
	m.rope.pairs = m.config.RopeDim / 2
	m.rope.freq = make([]float64, m.rope.pairs)
	var factors []float32
	if _, ok := m.file.Tensor("rope_freqs.weight"); ok {
		var err error
		if factors, err = m.values("rope_freqs.weight"); err != nil {
			return err
		}
	}
	for i := range m.rope.freq {
		m.rope.freq[i] = math.Pow(m.config.RopeBase, -2*float64(i)/float64(m.config.RopeDim))
		if factors != nil {
			m.rope.freq[i] /= float64(factors[i])
		}
	}
	return nil
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
			r.table = append(r.table, float32(cos), float32(sin))
		}
	}
	return r.table
}

// rotate turns one row of heads, each of size S, by the angles of a position; sign −1 turns back, which is the backward
// pass.
func (m *Model) rotate(row, table []float32, position int, sign float32) {
	pairs, size := m.rope.pairs, m.config.HeadDim
	angles := table[position*pairs*2:][:pairs*2]
	for h := 0; h < len(row); h += size {
		head := row[h : h+size]
		for i := range pairs {
			a, b := 2*i, 2*i+1
			if m.halves {
				a, b = i, i+pairs
			}
			cos, sin := angles[2*i], sign*angles[2*i+1]
			x, y := head[a], head[b]
			head[a], head[b] = x*cos-y*sin, x*sin+y*cos
		}
	}
}
