package sampler

import (
	"context"
	"errors"
	"math"
	"slices"

	"plumb/chat"
)

// Sampler draws candidates, has them scored and chooses. Safe for concurrent use if its generator and scorer are; the
// fields must not change once it is used.
//
// [Auto] means: without a reward model one reply is drawn; with one, N candidates by [TopM] at the default pressure, held
// to what the votes behind the reward model carry (fewer than 200 pairs: 2, 500: 4, 2,000: 8, else 16).
//
// What goes wrong, and what then happens:
//   - Some candidates fail: the others are chosen from. All fail: their error, of the kind that they share.
//   - The reward model is missing, fails or gives no finite number: the first candidate drawn, and the result says so;
//     with Strict an explicit method is refused instead. Single rewards that are no number drop their candidate from the
//     choice.
//   - Candidates call tools, which a reward model of texts cannot weigh: Auto draws one reply where tools are offered. With
//     an explicit method calls are not scored, and a first candidate that calls is the choice.
//   - The deadline passes: the best of what is finished; with nothing finished an error of kind Timeout.
//   - The context is cancelled: its error, and no work is left upstream.
type Sampler struct {
	Generator Generator
	// Scorer gives rewards; nil while no reward model is trained.
	Scorer Scorer
	// Pairs is how many votes the reward model was fitted on; it caps the pressure of Auto.
	Pairs int
	// N is how many candidates are drawn where a request does not say; 0 means DefaultN.
	N int
	// MaxN is the largest N that a request may ask for; 0 means DefaultMaxN.
	MaxN int
	// Slots is how many candidates the generator draws at once; 0 means what it says of itself. More than that are drawn
	// in batches, so that drawing can stop between them.
	Slots int
}

// Sample answers a request. The same request gives the same result, given a generator whose draws hang on the seed alone;
// only deadlines and failures upstream can change that. Errors are of kind Invalid, Timeout, or what the generator gave,
// or the context's.
func (s *Sampler) Sample(ctx context.Context, r Request) (*Result, error) {
	p, err := s.plan(&r)
	if err != nil {
		return nil, err
	}
	result := &Result{Method: None, DowngradedFrom: p.downgradedFrom}
	if err := s.draw(ctx, &r, p, result); err != nil {
		return nil, err
	}
	merge(result.Candidates)
	choice := -1
	if p.method != None {
		if choice, err = s.scoreAndChoose(ctx, &r, p, result); err != nil {
			return nil, err
		}
	}
	if choice < 0 {
		choice = chooseFirst(result.Candidates)
		zero := 0.
		result.KLBound, result.KLEst = &zero, &zero
	}
	result.Chosen = returned(result.Candidates, choice, p.returned)
	account(result)
	return result, nil
}

// scoreAndChoose scores and chooses by the rule; −1 means that there were no rewards to choose by. Its error is the
// context's, or that the request is strict.
func (s *Sampler) scoreAndChoose(ctx context.Context, r *Request, p plan, result *Result) (int, error) {
	err := errCalls
	if !callsFirst(result.Candidates) {
		err = s.score(ctx, r, result)
	}
	switch {
	case ctx.Err() != nil:
		return -1, stopped(ctx)
	case err != nil && r.Strict && p.asked != Auto:
		return -1, &chat.Error{Kind: chat.Unavailable, Param: "align.method",
			Msg: p.asked + " needs rewards, and there are none for these replies", Cause: err}
	case err != nil:
		result.ScoreErr, result.DowngradedFrom = err, p.asked
		return -1, nil
	}
	rule := ruleOf(p.method, p.pressure)
	choice, probabilities := choose(rule, r.Seed, p.conservatism, result.Candidates)
	bound := rule.bound(probabilities)
	result.Method, result.KLBound = p.method, &bound
	result.KLEst = estimateKL(r.Sampling, probabilities, result.Candidates[choice])
	return choice, nil
}

// errCalls is why the first candidate stands although there is a reward model.
var errCalls = errors.New("score candidates: the first calls a tool")

// callsFirst says that the first candidate drawn calls tools.
func callsFirst(candidates []Candidate) bool {
	first := slices.IndexFunc(candidates, func(c Candidate) bool { return c.Err == nil })
	return len(candidates[first].ToolCalls) > 0
}

// estimateKL is known for the best of n drawn from the very distribution that the log-prob speaks of: at temperature 1,
// nothing cut off.
func estimateKL(s chat.Sampling, probabilities []float64, c Candidate) *float64 {
	one := func(x *float64) bool { return x != nil && *x == 1 }
	none := func(x *float64) bool { return x == nil || *x == 0 }
	whole := one(s.Temperature) && (s.TopP == nil || one(s.TopP)) && s.TopK == nil && none(s.MinP) &&
		none(s.PresencePenalty) && none(s.FrequencyPenalty) && len(s.ResponseFormat) == 0
	best := 0.
	for _, p := range probabilities {
		best = max(best, p)
	}
	if !whole || c.Logprob == nil || best < 1 {
		return nil
	}
	e := BestOfNKLEstimate(*c.Logprob, len(probabilities))
	return &e
}

// account fills in the counts that follow from what was drawn and chosen.
func account(result *Result) {
	kept := map[int]bool{}
	for _, i := range result.Chosen {
		kept[i] = true
	}
	for i := range result.Candidates {
		c := &result.Candidates[i]
		if c.Reward == nil {
			c.Score = math.NaN()
		}
		result.Usage.PromptTokens = max(result.Usage.PromptTokens, c.PromptTokens)
		result.Usage.CompletionTokens += c.CompletionTokens
		if !kept[i] {
			result.TokensDiscarded += c.CompletionTokens
		}
	}
}
