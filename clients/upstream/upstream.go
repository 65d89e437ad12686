// Package upstream is what every client of a model server needs and no server's protocol says: many requests at once
// with their results delivered one at a time, retries before the first byte, one table from HTTP failures to the kinds
// of [chat.Error], and a transport whose connections, waits and replies are bounded. The protocols themselves are in
// the packages ollama and openai beside it.
package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"plumb/chat"
)

// Policy says how patient a client is. The zero value is the default.
type Policy struct {
	// Timeout bounds one continuation, retries included. 0 means 120 s.
	Timeout time.Duration
	// Retries is how often a request that failed before the first byte of its reply is sent again. 0 means 2, a
	// negative number none.
	Retries int
	// Backoff is the mean wait before the first retry; it doubles each time and is spread evenly over (0, 2×mean].
	// 0 means 100 ms. A server's own Retry-After, up to 5 s, is obeyed instead if it is longer.
	Backoff time.Duration
}

const longestRetryAfter = 5 * time.Second

func (p Policy) withDefaults() Policy {
	if p.Timeout <= 0 {
		p.Timeout = 120 * time.Second
	}
	if p.Retries == 0 {
		p.Retries = 2
	}
	if p.Backoff <= 0 {
		p.Backoff = 100 * time.Millisecond
	}
	return p
}

// Reply is where one request puts what it reads.
type Reply struct {
	begun bool
	say   func(text string, logprobs []chat.TokenLogprob)
}

// Begin marks that the first byte of the reply was read: from here on a failure is not retried.
func (r *Reply) Begin() { r.begun = true }

// Say passes on new text and the log-probs of its tokens.
func (r *Reply) Say(text string, logprobs []chat.TokenLogprob) {
	if r.say != nil && (text != "" || len(logprobs) > 0) {
		r.say(text, logprobs)
	}
}

// Ask sends the request for continuation i and reads its reply to the end. It must return soon after ctx ends.
type Ask func(ctx context.Context, i int, r *Reply) (chat.Completion, error)

// Continue runs ask once for each of the n continuations, all at once, and delivers the pieces as the contract of a
// generator says: one at a time, text only if stream is set, then Done or Err for each. What concerns the draw as a
// whole (a request the server refuses, a model it does not have, no server at all), if it comes before anything was
// drawn, stops the rest and is returned instead. When ctx ends, the rest is stopped, nothing more is delivered and
// ctx's error is returned.
func (p Policy) Continue(ctx context.Context, n int, stream bool, ask Ask, each func(chat.Piece)) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	d := &delivery{ctx: ctx, stop: stop, each: each}
	p = p.withDefaults()
	var rest sync.WaitGroup
	for i := 1; i < n; i++ {
		rest.Go(func() { d.finish(p.one(work, i, stream, ask, d)) })
	}
	if n > 0 {
		d.finish(p.one(work, 0, stream, ask, d))
	}
	rest.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.whole
}

// one runs ask for continuation i until it succeeds, fails for good or has no tries left, and returns the last piece.
func (p Policy) one(ctx context.Context, i int, stream bool, ask Ask, d *delivery) chat.Piece {
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLate{p.Timeout})
	defer cancel()
	for try := 0; ; try++ {
		r := &Reply{}
		if stream {
			r.say = func(text string, logprobs []chat.TokenLogprob) {
				d.piece(chat.Piece{Index: i, Text: text, Logprobs: logprobs})
			}
		}
		c, err := ask(ctx, i, r)
		if err == nil {
			return chat.Piece{Index: i, Done: &c, Retries: try}
		}
		if late := new(errLate); errors.As(context.Cause(ctx), late) {
			err = &chat.Error{Kind: chat.Timeout, Msg: "draw continuation: " + late.Error(), Cause: err}
		} else if try < p.Retries && !r.begun && passing(err) && p.wait(ctx, try, err) {
			continue
		}
		return chat.Piece{Index: i, Err: err, Retries: try}
	}
}

// wait sleeps before retry number try and says whether there is time for it.
func (p Policy) wait(ctx context.Context, try int, err error) bool {
	mean := p.Backoff << min(try, 10)
	d := 1 + rand.N(2*mean)
	var e *chat.Error
	if errors.As(err, &e) {
		d = max(d, min(e.RetryAfter, longestRetryAfter))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// delivery hands pieces to each, one at a time.
type delivery struct {
	ctx  context.Context
	stop context.CancelFunc

	mu    sync.Mutex // held while each runs
	each  func(chat.Piece)
	drawn bool  // something was delivered
	whole error // what ended the draw
}

// piece delivers p unless the draw has ended.
func (d *delivery) piece(p chat.Piece) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.whole != nil || d.ctx.Err() != nil {
		return
	}
	d.drawn = d.drawn || p.Err == nil
	d.each(p)
}

// finish delivers the last piece of a continuation, or ends the draw with its error.
func (d *delivery) finish(p chat.Piece) {
	d.mu.Lock()
	if p.Err != nil && !d.drawn && d.whole == nil && d.ctx.Err() == nil && ofTheWhole(p.Err) {
		d.whole = p.Err
		d.stop()
	}
	d.mu.Unlock()
	d.piece(p)
}

// errLate is the cause of a context that Policy.Timeout ended.
type errLate struct{ after time.Duration }

func (e errLate) Error() string { return "not finished within " + e.after.String() }
