package train

import (
	"math"
	"math/rand/v2"
)

// order says which rows make up which step. It has no state: a step's rows follow from the seed alone.
type order struct {
	rows, batch int
	least       int // fewest rows of a step: a smaller rest at the end of an epoch joins the step before
	ordered     bool
	seed        int64
}

// perEpoch is the number of steps of one pass over the rows.
func (o order) perEpoch() int {
	steps := (o.rows + o.batch - 1) / o.batch
	if rest := o.rows % o.batch; rest > 0 && rest < o.least && steps > 1 {
		steps--
	}
	return steps
}

// steps is the number of steps in all.
func (o order) steps(epochs float64) int {
	return max(1, int(math.Round(epochs*float64(o.perEpoch()))))
}

// at returns the rows of a step, counted from 0.
func (o order) at(step int) []int {
	n := o.perEpoch()
	epoch, k := step/n, step%n
	from, to := k*o.batch, (k+1)*o.batch
	if k == n-1 {
		to = o.rows
	}
	rows := make([]int, o.rows)
	for i := range rows {
		rows[i] = i
	}
	if !o.ordered {
		random := rand.New(rand.NewPCG(uint64(o.seed), uint64(epoch)))
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	return rows[from:to]
}
