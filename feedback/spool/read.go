package spool

import (
	"context"
	"time"

	"plumb/chat"
	"plumb/feedback"
)

// Generation implements [feedback.Reader]: the spooled record, else the store's.
func (l *Log) Generation(ctx context.Context, id string) (feedback.Generation, error) {
	l.mu.RLock()
	if at, ok := l.view.generations[id]; ok {
		defer l.mu.RUnlock()
		r, err := l.readRecord(at)
		if err != nil {
			return feedback.Generation{}, err
		}
		return *r.generation, nil
	}
	l.mu.RUnlock()
	g, err := withTimeout(ctx, l, func(ctx context.Context) (feedback.Generation, error) { return l.store.Generation(ctx, id) })
	return g, l.away(ctx, err)
}

// Event implements [feedback.Reader]: the spooled record, else the store's.
func (l *Log) Event(ctx context.Context, id string) (feedback.Event, error) {
	l.mu.RLock()
	if p, ok := l.view.events[id]; ok {
		defer l.mu.RUnlock()
		e, err := l.readEvent(p.at)
		if err != nil {
			return feedback.Event{}, err
		}
		return *e, nil
	}
	l.mu.RUnlock()
	e, err := withTimeout(ctx, l, func(ctx context.Context) (feedback.Event, error) { return l.store.Event(ctx, id) })
	return e, l.away(ctx, err)
}

// away gives the store's silence a kind.
func (l *Log) away(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || !isAway(err) {
		return err
	}
	return &chat.Error{Kind: chat.Unavailable, RetryAfter: retryAfter, Msg: "the feedback store is away", Cause: err}
}

func (l *Log) readEvent(at place) (*feedback.Event, error) {
	r, err := l.readRecord(at)
	return r.event, err
}

// readRecord reads a pending record. l.mu is held.
func (l *Log) readRecord(at place) (record, error) {
	payload, err := l.journal.read(at)
	if err != nil {
		return record{}, &chat.Error{Kind: chat.Internal, Msg: "read spool", Cause: err}
	}
	r, err := decodeRecord(payload)
	if err != nil {
		return record{}, &chat.Error{Kind: chat.Internal, Msg: "read spool", Cause: err}
	}
	return r, nil
}

// Events implements [feedback.Reader]. A list needs the store, with all that was acknowledged in it: it waits for the
// replay for StoreTimeout where one is going on, and is an error of kind Unavailable while the store is away.
func (l *Log) Events(ctx context.Context, q feedback.Query) ([]feedback.Event, string, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, "", err
	}
	return l.store.Events(ctx, q)
}

// Generations implements [feedback.Reader], under the same condition as Events.
func (l *Log) Generations(ctx context.Context, q feedback.Query) ([]feedback.Generation, string, error) {
	if err := l.catchUp(ctx); err != nil {
		return nil, "", err
	}
	return l.store.Generations(ctx, q)
}

// EraseUser implements [feedback.Log], under the same condition as Events: what is spooled of the user has to be in the
// store before it can be erased there.
func (l *Log) EraseUser(ctx context.Context, user string) (feedback.Erased, error) {
	if err := l.catchUp(ctx); err != nil {
		return feedback.Erased{}, err
	}
	return l.store.EraseUser(ctx, user)
}

// retryAfter is when to ask again for what the store's absence forbids.
const retryAfter = 5 * time.Second

// catchUp returns when the store has all that was acknowledged before this call.
func (l *Log) catchUp(ctx context.Context) error {
	l.mu.RLock()
	behind, failing, caught, n := l.behind, l.failing, l.caught, len(l.pending)
	l.mu.RUnlock()
	if !behind {
		return nil
	}
	late := &chat.Error{Kind: chat.Unavailable, RetryAfter: retryAfter, Msg: "the feedback store is away and this needs it"}
	if failing {
		return late
	}
	timer := time.NewTimer(l.o.StoreTimeout)
	defer timer.Stop()
	select {
	case <-caught:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		if n > 0 {
			late.Msg = "the feedback store has not yet got all that is spooled"
		}
		return late
	}
}
