package rm

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"plumb/chat"
)

// extracted is the training replies as rows, and what was learned of their distribution.
type extracted struct {
	space  *space
	m      *matrix
	raw    []float64 // dense features, standardised and unclipped, for the OOD distance
	unseen float64   // typical share of hashed columns outside the vocabulary
	length []float64 // log length by row
}

// batch is how many prompts are worked on together. It is fixed, so that sums do not depend on the number of cores.
const batch = 256

// extract reads all replies twice: for the space, and for their rows in it. The second reading costs less than keeping
// raw rows would.
func extract(ctx context.Context, f Features, c *corpus) (*extracted, error) {
	spec := f.Spec()
	total := newCounts(spec)
	// A reply's own words are in the vocabulary it helped to make. What a new reply would miss is told by leaving each out:
	// its columns that fewer than three replies have.
	err := inBatches(ctx, f, c, func(int) *counts { return newCounts(spec) },
		func(b *counts, _ string, r Row) { b.add(r) }, func(b *counts) { total.merge(b) })
	if err != nil {
		return nil, err
	}
	x := &extracted{space: total.space(), m: &matrix{start: []int{0}}}
	x.m.nd, x.m.ns = len(spec.Dense), len(x.space.vocab)
	type part struct {
		m           matrix
		raw, length []float64
		rare, all   int
	}
	rare, all := 0, 0
	err = inBatches(ctx, f, c, func(int) *part { return &part{} },
		func(p *part, reply string, r Row) {
			p.m.add(x.space, r)
			z := make([]float64, len(r.Dense))
			x.space.dense(z, r)
			p.raw, p.length = append(p.raw, z...), append(p.length, logLength(reply))
			for _, column := range r.Index {
				if total.df[column] <= 2 {
					p.rare++
				}
			}
			p.all += len(r.Index)
		},
		func(p *part) {
			x.m.join(&p.m)
			x.raw, x.length = append(x.raw, p.raw...), append(x.length, p.length...)
			rare, all = rare+p.rare, all+p.all
		})
	if err != nil {
		return nil, err
	}
	if spec.Sparse > 0 {
		x.unseen = max(share(rare, all), leastUnseen)
	}
	return x, nil
}

// inBatches extracts the replies of all groups, batches of groups at a time on all cores, and hands the parts to done in
// order, never concurrently.
func inBatches[P any](ctx context.Context, f Features, c *corpus, fresh func(batch int) P, add func(P, string, Row), done func(P)) error {
	for from := 0; from < len(c.groups); {
		// One part a core at a time bounds the memory that parts hold.
		n := min(runtime.GOMAXPROCS(0), (len(c.groups)-from+batch-1)/batch)
		parts := make([]P, n)
		g, ctx := errgroup.WithContext(ctx)
		for k := range n {
			first := from + k*batch
			g.Go(func() error {
				parts[k] = fresh(k)
				return extractGroups(ctx, f, c.groups[first:min(first+batch, len(c.groups))], c.replies[first:], func(reply string, r Row) { add(parts[k], reply, r) })
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, p := range parts {
			done(p)
		}
		from += n * batch
	}
	return nil
}

func extractGroups(ctx context.Context, f Features, prompts [][]chat.Message, replies [][]string, add func(string, Row)) error {
	for i, prompt := range prompts {
		err := f.Extract(ctx, prompt, replies[i], func(k int, r Row) { add(replies[i][k], r) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *counts) merge(b *counts) {
	c.rows += b.rows
	for j := range c.sum {
		c.sum[j] += b.sum[j]
		c.sumSq[j] += b.sumSq[j]
	}
	for column, n := range b.df {
		c.df[column] += n
	}
}

// join appends the rows of b.
func (m *matrix) join(b *matrix) {
	m.dense = append(m.dense, b.dense...)
	base := len(m.index)
	m.index, m.value = append(m.index, b.index...), append(m.value, b.value...)
	for _, s := range b.start[min(1, len(b.start)):] {
		m.start = append(m.start, base+s)
	}
}
