package irl

import (
	"context"
	"math"

	"plumb/chat"
)

// pool is the candidates to one prompt, of all rounds.
type pool struct {
	prompt    []chat.Message
	all       []candidate
	drawn     []int       // from each source, in the order of the sources
	reference []float64   // log π_ref of the candidates, as far as it is known
	under     [][]float64 // the same by source: log q
}

// add adds the candidates that the next source drew.
func (p *pool) add(fresh []candidate) {
	p.all = append(p.all, fresh...)
	p.drawn = append(p.drawn, len(fresh))
	p.under = append(p.under, nil)
}

// latest returns the index of the first candidate of the last source.
func (p *pool) latest() int { return len(p.all) - p.drawn[len(p.drawn)-1] }

// weigh computes what is not known yet of the log-probs.
func (p *pool) weigh(ctx context.Context, reference source, sources []source) (err error) {
	if p.reference, err = p.extend(ctx, reference, p.reference); err != nil {
		return err
	}
	for k, s := range sources {
		if s == reference {
			p.under[k] = p.reference
		} else if p.under[k], err = p.extend(ctx, s, p.under[k]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) extend(ctx context.Context, s source, known []float64) ([]float64, error) {
	fresh, err := s.logprobs(ctx, p.prompt, p.all[len(known):])
	return append(known[:len(known):len(known)], fresh...), err
}

// logWeights returns log π_ref(y) − log Σₖ (nₖ/n)·qₖ(y) of each candidate, nₖ of n having been drawn from source k: the balance
// heuristic (Veach & Guibas 1995, §5.1). Had all been drawn from the reference it would be 0; no weight exceeds n/n₀ where n₀ were.
func (p *pool) logWeights() []float64 {
	weights, terms := make([]float64, len(p.all)), make([]float64, len(p.drawn))
	for j := range p.all {
		for k, n := range p.drawn {
			terms[k] = math.Log(float64(n)/float64(len(p.all))) + p.under[k][j]
		}
		weights[j] = p.reference[j] - logSumExp(terms)
	}
	return weights
}

func logSumExp(x []float64) float64 {
	top, sum := math.Inf(-1), 0.
	for _, v := range x {
		top = math.Max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
