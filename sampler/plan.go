package sampler

import "plumb/chat"

// plan is a request held against what the sampler has: what will run.
type plan struct {
	asked, method  string
	downgradedFrom string // asked, where it is known beforehand that there will be no rewards
	n, returned    int
	pressure       float64
	conservatism   float64
}

// plan checks a request and decides what runs. Its errors are of kind Invalid and name the field.
func (s *Sampler) plan(r *Request) (plan, error) {
	p := plan{asked: r.Method, returned: max(1, r.Return)}
	if p.asked == "" {
		p.asked = Auto
	}
	if err := s.check(r, p.asked); err != nil {
		return p, err
	}
	var err error
	if p.conservatism, err = settleConservatism(r.Conservatism); err != nil {
		return p, err
	}
	if p.pressure, err = settlePressure(p.asked, r.Pressure); err != nil {
		return p, err
	}
	p.method = p.asked
	switch {
	case p.asked == None:
	case s.Scorer == nil:
		p.method = None
		if p.asked != Auto || r.N > 1 {
			p.downgradedFrom = p.asked
		}
		if p.asked != Auto && r.Strict {
			return p, invalid("align.method", "%s needs a reward model, and none is trained yet", p.asked)
		}
	case p.asked == Auto && len(r.Sampling.Tools) > 0 && r.N <= 1:
		p.method = None
	case p.asked == Auto:
		p.method = TopMethod
		p.pressure = min(p.pressure, pressureCap(s.Pairs))
	}
	if p.n, err = s.candidates(r, p); err != nil {
		return p, err
	}
	return p, nil
}

// check holds the fields against their ranges.
func (s *Sampler) check(r *Request, method string) error {
	if err := checkMethod(method); err != nil {
		return err
	}
	if err := settleLength(r.Length); err != nil {
		return err
	}
	if _, able := s.Scorer.(LengthScorer); r.Length != 0 && s.Scorer != nil && method != None && !able {
		return invalid("align.length", "got %v, but this reward model has no length correction", r.Length)
	}
	switch {
	case len(r.Messages) == 0:
		return invalid("messages", "empty, want at least one")
	case r.MaxTokens < 0:
		return invalid("max_tokens", "got %d, want at least 1", r.MaxTokens)
	case r.BudgetTokens < 0:
		return invalid("align.budget_tokens", "got %d, want at least 1", r.BudgetTokens)
	case r.Deadline < 0:
		return invalid("align.deadline_ms", "got %d, want at least 1", r.Deadline.Milliseconds())
	case r.N < 0:
		return invalid("align.n", "got %d, want at least 1", r.N)
	case r.Return < 0:
		return invalid("n", "got %d, want at least 1", r.Return)
	}
	return nil
}

// candidates decides how many are drawn.
func (s *Sampler) candidates(r *Request, p plan) (int, error) {
	ceiling := orDefault(s.MaxN, DefaultMaxN)
	if r.N > ceiling {
		return 0, invalid("align.n", "got %d, want 1 … %d", r.N, ceiling)
	}
	if r.Return > ceiling {
		return 0, invalid("n", "got %d, want 1 … %d", r.Return, ceiling)
	}
	if r.N > 0 {
		if r.N < p.returned {
			return 0, invalid("align.n", "got %d candidates, want at least n = %d", r.N, p.returned)
		}
		return r.N, nil
	}
	n := orDefault(s.N, DefaultN)
	if p.asked == None || p.asked == Auto && p.method == None {
		n = 1
	}
	return min(ceiling, max(n, p.returned)), nil
}

// greedy says that every candidate will be the same.
func greedy(s chat.Sampling) bool { return s.Temperature != nil && *s.Temperature == 0 }

func orDefault(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}
