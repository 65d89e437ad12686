package sampler

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plumb/chat"
)

// errDeadline ends the drawing at Request.Deadline.
var errDeadline = errors.New("the request's deadline passed")

// settledAfter is how many equal candidates in a row say that more would be equal too.
const settledAfter = 4

// drawer draws the candidates of one request, in batches.
type drawer struct {
	sampler *Sampler
	request *Request
	result  *Result
	n       int // still wanted in all
	spent   int // tokens of finished candidates
	longest int // tokens of the longest of them
}

// draw fills in the candidates. It returns an error if none could be drawn.
func (s *Sampler) draw(ctx context.Context, r *Request, p plan, result *Result) error {
	d := &drawer{sampler: s, request: r, result: result, n: p.n}
	if greedy(r.Sampling) && d.n > p.returned {
		d.n, result.StoppedBy = p.returned, StoppedEqual
	}
	drawing := ctx
	if r.Deadline > 0 {
		var cancel context.CancelFunc
		drawing, cancel = context.WithTimeoutCause(ctx, r.Deadline, errDeadline)
		defer cancel()
	}
	slots := d.slots(drawing)
	for len(result.Candidates) < d.n {
		batch, limit := d.next(slots)
		if batch == 0 {
			result.StoppedBy = StoppedBudget
			break
		}
		err := d.batch(drawing, batch, limit)
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil || drawing.Err() != nil {
			break
		}
		if r.N == 0 && len(result.Candidates) < d.n && d.settled() {
			result.StoppedBy = StoppedEqual
			break
		}
	}
	return d.finish(drawing)
}

// slots is the size of a batch.
func (d *drawer) slots(ctx context.Context) int {
	if d.sampler.Slots > 0 || d.n == 1 {
		return max(1, d.sampler.Slots)
	}
	// What is wrong with the model, Continue says better.
	if can, err := d.sampler.Generator.Abilities(ctx, d.request.Model); err == nil && can.Slots > 0 {
		return can.Slots
	}
	return d.n
}

// next says how many candidates come next and how long each may get, 0 for no bound. Within a budget it is as many as
// fit at full length, so that the budget holds whatever they turn out to be and none is cut short by it but the first;
// without MaxTokens full length is twice the longest so far.
func (d *drawer) next(slots int) (batch, limit int) {
	r := d.request
	batch, limit = min(slots, d.n-len(d.result.Candidates)), r.MaxTokens
	if r.BudgetTokens == 0 {
		return batch, limit
	}
	left := r.BudgetTokens - d.spent
	full := r.MaxTokens
	if full == 0 {
		full = 2 * d.longest
	}
	switch {
	case len(d.result.Candidates) == 0 && (full == 0 || full > left):
		return 1, left
	case full == 0 || full > left:
		return 0, 0
	}
	batch = min(batch, left/full)
	if limit == 0 {
		limit = left / batch
	}
	return batch, limit
}

// batch draws k more candidates of at most limit tokens. Its error is of the draw as a whole.
func (d *drawer) batch(ctx context.Context, k, limit int) error {
	r, from := d.request, len(d.result.Candidates)
	draw := chat.Draw{
		Model: r.Model, Messages: r.Messages, Sampling: r.Sampling, MaxTokens: limit,
		Prefixes: make([]string, k), Seeds: make([]int64, k), Stream: r.Stream != nil && d.n == 1,
	}
	unfinished := errors.New("the generator did not finish it")
	for i := range k {
		draw.Seeds[i] = CandidateSeed(r.Seed, from+i)
		d.result.Candidates = append(d.result.Candidates, Candidate{Index: from + i, Seed: draw.Seeds[i], Err: unfinished})
	}
	batch := d.result.Candidates[from:]
	var soFar partial
	err := d.sampler.Generator.Continue(ctx, draw, func(p chat.Piece) {
		c := &batch[p.Index]
		d.result.NRetried += p.Retries
		switch {
		case p.Done != nil:
			c.Completion, c.Err = *p.Done, nil
			d.spent += p.Done.CompletionTokens
			d.longest = max(d.longest, p.Done.CompletionTokens)
		case p.Err != nil:
			c.Err = p.Err
		}
		if draw.Stream && p.Text != "" {
			soFar.add(p)
			r.Stream(p)
		}
	})
	if draw.Stream && batch[0].Err != nil && soFar.pieces > 0 && errors.Is(context.Cause(ctx), errDeadline) {
		batch[0].Completion, batch[0].Err = soFar.completion(), nil
	}
	for i := range batch {
		if batch[i].Err == unfinished && err != nil {
			batch[i].Err = err
		}
	}
	return err
}

// partial is what was passed on of a reply that the deadline then cut off: it stands as it is.
type partial struct {
	text     strings.Builder
	logprobs []chat.TokenLogprob
	pieces   int
}

func (p *partial) add(piece chat.Piece) {
	p.text.WriteString(piece.Text)
	p.logprobs = append(p.logprobs, piece.Logprobs...)
	p.pieces++
}

// completion counts a piece as a token, which is what generators send.
func (p *partial) completion() chat.Completion {
	return chat.Completion{Text: p.text.String(), Finish: chat.FinishLength, CompletionTokens: p.pieces, Logprobs: p.logprobs}
}

// settled says that enough candidates were drawn, and all are the same.
func (d *drawer) settled() bool {
	merge(d.result.Candidates)
	drawn, same := 0, -1
	for _, c := range d.result.Candidates {
		if c.Err != nil {
			continue
		}
		if same >= 0 && c.SameAs != same {
			return false
		}
		same = c.SameAs
		drawn++
	}
	return drawn >= settledAfter
}

// finish counts what was drawn and words the error if that is nothing.
func (d *drawer) finish(drawing context.Context) error {
	result := d.result
	for _, c := range result.Candidates {
		if c.Err == nil {
			result.NDrawn++
		} else {
			result.NFailed++
		}
	}
	late := errors.Is(context.Cause(drawing), errDeadline)
	if late && result.NDrawn < d.n {
		result.StoppedBy = StoppedDeadline
	}
	if result.NDrawn > 0 {
		return nil
	}
	if late {
		return &chat.Error{Kind: chat.Timeout, Param: "align.deadline_ms",
			Msg: fmt.Sprintf("draw candidates: none finished within %v", d.request.Deadline)}
	}
	return failure(result.Candidates)
}

// failure is the error of a draw of which nothing came: the first candidate's, if all are of one kind.
func failure(candidates []Candidate) error {
	first := candidates[0].Err
	kind := chat.KindOf(first)
	for _, c := range candidates[1:] {
		if chat.KindOf(c.Err) != kind {
			kind = chat.Upstream
		}
	}
	if kind == chat.Internal {
		kind = chat.Upstream
	}
	failed := &chat.Error{Kind: kind, Msg: fmt.Sprintf("draw candidates: all %d failed", len(candidates)), Cause: first}
	var e *chat.Error
	if errors.As(first, &e) && e.Kind == kind {
		failed.Msg, failed.Param, failed.RetryAfter, failed.Cause = e.Msg, e.Param, e.RetryAfter, e.Cause
	}
	return failed
}

// stopped is the error of a context that ended.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &chat.Error{Kind: chat.Timeout, Msg: "sample: the deadline passed", Cause: context.Cause(ctx)}
	}
	return fmt.Errorf("sample: %w", ctx.Err())
}
