package offline

import (
	"context"

	"plumb/offline/advise"
	"plumb/offline/pairs"
)

// Advice collects the feedback and says what a run with this configuration would do with it, and why. It changes nothing. It does not fit
// the models whose second opinion a run asks for on votes that nobody else gave. Cost: the log is read whole.
func (r *Runner) Advice(ctx context.Context) (advise.Advice, error) {
	c := r.config(Request{})
	records, err := pairs.Collect(ctx, r.Log)
	if err != nil {
		return advise.Advice{}, err
	}
	set := pairs.Build(records, c.Pairs)
	trained, heldOut, _ := set.Split(c.Split)
	return r.advise(c, set, trained, heldOut), nil
}

// advise applies the rule to the methods that a run can be made with.
func (r *Runner) advise(c Config, all, trained, heldOut pairs.Set) advise.Advice {
	e := advise.Evidence{All: all, Train: trained, HeldOut: heldOut, Least: c.LeastRows, BaseNLL: r.BaseNLL}
	e.Can = func(method string) bool {
		c.Method = method
		return c.Check() == nil
	}
	return e.Advise()
}
