package train

// How long a training is where nobody says. What learns is steps, not passes: 22 steps on 70 thumbs came to 39 % of replies to the
// taste, and 80 steps on the same thumbs, as 250 rows make, to 92 % (docs/methods.md). The most passes keep very few rows from being
// learned by heart.
const (
	LeastSteps   = 80
	fewestPasses = 2
	mostPasses   = 8
)

// Passes returns how often a training goes over its rows, one or more: Epochs if that is not 0. Otherwise the least whole number that
// makes [LeastSteps] steps, from two to eight.
func (c Config) Passes(rows int) float64 {
	if c.Epochs != 0 {
		return c.Epochs
	}
	perPass := max(1, c.order(rows).perEpoch())
	return float64(min(mostPasses, max(fewestPasses, (LeastSteps+perPass-1)/perPass)))
}

// order is which of so many rows make up which step.
func (c Config) order(rows int) order {
	o := order{rows: rows, batch: c.WithDefaults().Batch, least: 1, ordered: c.Ordered, seed: c.Seed}
	if Kind(c.Method) == Unpaired {
		o.least = 2 // whose rows are compared with each other
	}
	return o
}
