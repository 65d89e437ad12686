package evaluate

import (
	"fmt"
	"math"

	"plumb/lm"
	"plumb/lm/kernel"
)

// divergence returns the tokens of a tree's branches, and the sum over them of the exact KL from the candidate to the incumbent and
// to the base.
func (e Evaluation) divergence(t lm.Tree) (n int, sums [2]float64, err error) {
	logits := func(p Policy) ([][]float32, error) {
		pass, err := p.Model.Forward(p.Adapter, []lm.Tree{t}, false)
		if err != nil {
			return nil, fmt.Errorf("measure divergence: %w", err)
		}
		defer pass.Release()
		all := make([][]float32, len(t.Branches))
		for b := range t.Branches {
			all[b] = pass.Logits(0, b)
		}
		return all, nil
	}
	candidate, err := logits(e.Candidate)
	if err != nil {
		return 0, sums, err
	}
	others := []Policy{e.Incumbent, e.Base}
	if e.IncumbentIsBase {
		others = others[1:]
	}
	for i, other := range others {
		q, err := logits(other)
		if err != nil {
			return 0, sums, err
		}
		for b, branch := range t.Branches {
			v := len(q[b]) / max(1, len(branch))
			for at := range branch {
				sums[len(sums)-len(others)+i] += KL(candidate[b][at*v:(at+1)*v], q[b][at*v:(at+1)*v])
			}
		}
	}
	if e.IncumbentIsBase {
		sums[0] = sums[1]
	}
	for _, branch := range t.Branches {
		n += len(branch)
	}
	return n, sums, nil
}

// KL returns Σ p·log(p/q) in nats for the distributions that two rows of logits over the same vocabulary make.
func KL(p, q []float32) float64 {
	lp, lq := kernel.LogSumExp(p), kernel.LogSumExp(q)
	sum := 0.
	for i, x := range p {
		a := float64(x) - lp
		sum += math.Exp(a) * (a - (float64(q[i]) - lq))
	}
	return math.Max(0, sum)
}
