package rm

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/floats"
)

// clip bounds a standardised dense feature, so that one wild value cannot carry a reward.
const clip = 5

// space maps the rows of a back end to the coordinates in which a model is linear: dense columns standardised, hashed
// columns weighted by how rare they are and scaled to unit length a reply. It is fitted on training replies.
type space struct {
	mean, scale []float64 // dense: (x − mean)·scale; scale 0 for a column that never varies
	vocab       []uint32  // hashed columns that at least two training replies have, ascending
	idf         []float32 // one a column of vocab
	place       []int32   // hashed column → its place in vocab, or −1
}

// counts gathers what a space is fitted from, a row at a time.
type counts struct {
	rows       int
	sum, sumSq []float64
	df         []int32 // rows that have a hashed column
}

func newCounts(s Spec) *counts {
	return &counts{sum: make([]float64, len(s.Dense)), sumSq: make([]float64, len(s.Dense)), df: make([]int32, s.Sparse)}
}

func (c *counts) add(r Row) {
	c.rows++
	for j, x := range r.Dense {
		c.sum[j] += x
		c.sumSq[j] += x * x
	}
	for _, column := range r.Index {
		c.df[column]++
	}
}

// space fits the coordinates. A word in a single reply teaches nothing about others, so it is left out.
func (c *counts) space() *space {
	s := &space{mean: make([]float64, len(c.sum)), scale: make([]float64, len(c.sum))}
	n := float64(max(c.rows, 1))
	for j := range c.sum {
		s.mean[j] = c.sum[j] / n
		variance := c.sumSq[j]/n - s.mean[j]*s.mean[j]
		if variance > 1e-12*(1+s.mean[j]*s.mean[j]) {
			s.scale[j] = 1 / math.Sqrt(variance)
		}
	}
	for column, df := range c.df {
		if df >= 2 {
			s.vocab = append(s.vocab, uint32(column))
			s.idf = append(s.idf, float32(math.Log((n+1)/float64(df))))
		}
	}
	s.index(len(c.df))
	return s
}

// index builds place from vocab.
func (s *space) index(sparse int) {
	s.place = make([]int32, sparse)
	for i := range s.place {
		s.place[i] = -1
	}
	for i, column := range s.vocab {
		s.place[column] = int32(i)
	}
}

// dense writes the standardised dense columns of r to dst, unclipped.
func (s *space) dense(dst []float64, r Row) {
	for j, x := range r.Dense {
		dst[j] = (x - s.mean[j]) * s.scale[j]
	}
}

// sparse appends the weighted hashed columns of r to index and value, and tells how many columns of r are outside the
// vocabulary.
func (s *space) sparse(index []int32, value []float32, r Row) (_ []int32, _ []float32, unseen int) {
	from := len(value)
	norm := 0.0
	for i, column := range r.Index {
		p := s.place[column]
		if p < 0 {
			unseen++
			continue
		}
		v := r.Value[i] * s.idf[p]
		norm += float64(v) * float64(v)
		index, value = append(index, p), append(value, v)
	}
	if norm > 0 {
		scale := float32(1 / math.Sqrt(norm))
		for i := from; i < len(value); i++ {
			value[i] *= scale
		}
	}
	return index, value, unseen
}

// matrix is the training replies in the coordinates of a space, a row each.
type matrix struct {
	nd, ns int       // dense and sparse columns
	dense  []float64 // rows × nd
	start  []int     // row i's sparse entries are start[i] … start[i+1]
	index  []int32
	value  []float32
}

func (m *matrix) rows() int { return len(m.start) - 1 }

// add appends a row.
func (m *matrix) add(s *space, r Row) (unseen int) {
	if m.start == nil {
		m.start, m.nd, m.ns = []int{0}, len(s.mean), len(s.vocab)
	}
	at := len(m.dense)
	m.dense = slices.Grow(m.dense, m.nd)[:at+m.nd]
	s.dense(m.dense[at:], r)
	for j, x := range m.dense[at:] {
		m.dense[at+j] = max(-clip, min(clip, x))
	}
	m.index, m.value, unseen = s.sparse(m.index, m.value, r)
	m.start = append(m.start, len(m.index))
	return unseen
}

// stripes is into how many parts large matrices are cut to be worked on at once. It is fixed, so that sums do not depend
// on the number of cores.
const (
	stripes    = 4
	stripeRows = 4096 // below stripes of these it is not worth it
)

// striped calls f for each stripe of rows, at once if there are many rows.
func (m *matrix) striped(f func(stripe, from, to int)) {
	n := m.rows()
	if n < stripes*stripeRows {
		f(0, 0, n)
		return
	}
	var wg sync.WaitGroup
	for k := range stripes {
		wg.Go(func() { f(k, k*n/stripes, (k+1)*n/stripes) })
	}
	wg.Wait()
}

// mul writes the product of each row with w to dst.
func (m *matrix) mul(dst, w []float64) {
	wd, ws := w[:m.nd], w[m.nd:m.nd+m.ns]
	m.striped(func(_, from, to int) {
		to = min(to, len(dst))
		for i := from; i < to; i++ {
			sum := 0.0
			for j, x := range m.dense[i*m.nd : (i+1)*m.nd] {
				sum += x * wd[j]
			}
			index, value := m.index[m.start[i]:m.start[i+1]], m.value[m.start[i]:m.start[i+1]]
			for k, p := range index {
				sum += float64(value[k]) * ws[p]
			}
			dst[i] = sum
		}
	})
}

// addMulT adds Σ g[i]·row i to grad.
func (m *matrix) addMulT(grad, g []float64) {
	var parts [stripes][]float64
	m.striped(func(stripe, from, to int) {
		sum := grad
		if stripe > 0 {
			sum = make([]float64, m.nd+m.ns)
			parts[stripe] = sum
		}
		m.addRows(sum[:m.nd], sum[m.nd:m.nd+m.ns], g, from, to)
	})
	for _, p := range parts[1:] {
		if p != nil {
			floats.Add(grad[:len(p)], p)
		}
	}
}

func (m *matrix) addRows(dense, sparse, g []float64, from, to int) {
	for i := from; i < to; i++ {
		gi := g[i]
		if gi == 0 {
			continue
		}
		for j, x := range m.dense[i*m.nd : (i+1)*m.nd] {
			dense[j] += gi * x
		}
		index, value := m.index[m.start[i]:m.start[i+1]], m.value[m.start[i]:m.start[i+1]]
		for k, p := range index {
			sparse[p] += gi * float64(value[k])
		}
	}
}

// addSquares adds Σ weights[i]·(row i)², column by column.
func (m *matrix) addSquares(to, weights []float64) {
	dense, sparse := to[:m.nd], to[m.nd:m.nd+m.ns]
	for i, w := range weights {
		for j, x := range m.dense[i*m.nd : (i+1)*m.nd] {
			dense[j] += w * x * x
		}
		for k := m.start[i]; k < m.start[i+1]; k++ {
			sparse[m.index[k]] += w * float64(m.value[k]) * float64(m.value[k])
		}
	}
}
