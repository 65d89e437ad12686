package spool

import (
	"context"
	"errors"
	"time"

	"plumb/chat"
	"plumb/feedback"
)

// Bounds of the group commit.
const (
	queueLength = 1024 // writes that wait; the next ones block their callers
	groupLength = 256  // records that share an fsync
	groupBytes  = 8 << 20
)

// entry is one pending record.
type entry struct {
	at place
	id string
}

// request is a write on its way into the journal.
type request struct {
	record  record
	payload []byte

	live  *feedback.Event // what is live afterwards
	known bool            // an event of this id is pending: nothing is to be kept
	err   error
	done  chan struct{}
}

// PutGeneration implements [feedback.Writer].
func (l *Log) PutGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	r := record{generation: &g}
	if l.direct() {
		durability, err := withTimeout(ctx, l, func(ctx context.Context) (feedback.Durability, error) { return l.store.PutGeneration(ctx, g) })
		if !l.lost(ctx, err) {
			if err == nil {
				l.acknowledged(r)
			}
			return durability, err
		}
	}
	payload, err := r.encode()
	if err == nil {
		_, err = l.spool(ctx, r, payload)
	}
	if err != nil {
		return "", err
	}
	return feedback.Spooled, nil
}

// PutEvent implements [feedback.Writer]. While the store is away it decides by what is spooled alone: it cannot know what
// is live in the store, so that a repeated vote gets an id of its own, which the store will take as another name, and a
// revoke of an event that is not spooled is taken on trust; if the store then does not know it, it goes to
// rejected.jsonl.
func (l *Log) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	if err := e.Validate(); err != nil {
		return feedback.Event{}, "", err
	}
	if l.direct() {
		type stored struct {
			live       feedback.Event
			durability feedback.Durability
		}
		s, err := withTimeout(ctx, l, func(ctx context.Context) (stored, error) {
			live, durability, err := l.store.PutEvent(ctx, e)
			return stored{live, durability}, err
		})
		if !l.lost(ctx, err) {
			if err == nil {
				l.acknowledged(record{event: &e})
			}
			return s.live, s.durability, err
		}
	}
	live, err := l.spool(ctx, record{event: &e}, nil)
	if err != nil {
		return feedback.Event{}, "", err
	}
	return *live, feedback.Spooled, nil
}

// direct says whether a write may go to the store: nothing is pending that it could overtake.
func (l *Log) direct() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return !l.behind && !l.closed
}

// withTimeout gives the store its time: StoreTimeout, or half of what the caller has left where that is less, so that
// the other half is there to spool.
func withTimeout[T any](ctx context.Context, l *Log, call func(context.Context) (T, error)) (T, error) {
	patience := l.o.StoreTimeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return call(ctx)
}

// lost says whether err means that the store is away, and remembers it. A caller that has gone is no sign of it.
func (l *Log) lost(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || !isAway(err) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if !l.behind {
		l.log.Warn("the feedback store is away: records are spooled", "error", err)
	}
	l.fallBehind(err)
	return true
}

func isAway(err error) bool {
	kind := chat.KindOf(err)
	return kind == chat.Unavailable || kind == chat.Timeout || errors.Is(err, context.DeadlineExceeded)
}

// fallBehind sends all writes to the journal from now on. l.mu is held, or l is not shared yet.
func (l *Log) fallBehind(err error) {
	l.failing = l.failing || err != nil
	if !l.behind {
		l.behind, l.caught = true, make(chan struct{})
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// spool hands a record to the committer and returns when it is fsync'd. A nil payload is made there.
func (l *Log) spool(ctx context.Context, r record, payload []byte) (*feedback.Event, error) {
	q := &request{record: r, payload: payload, done: make(chan struct{})}
	if err := l.enqueue(q); err != nil {
		return nil, err
	}
	select {
	case <-q.done:
		return q.live, q.err
	case <-ctx.Done():
		return nil, ctx.Err() // it may be kept all the same
	}
}

func (l *Log) enqueue(q *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed()
	}
	select {
	case l.requests <- q:
	default:
		// Waiting here would hold the lock that the committer needs.
		return &chat.Error{Kind: chat.Unavailable, Msg: "spool: too many writes wait for the disk"}
	}
	l.queued++
	l.fallBehind(nil) // the store may have caught up since this write was turned away
	return nil
}

// commitLoop writes what waits in groups. Records that touch the same thing go into different groups, in their order, so
// that each is decided on with the one before it in the view.
func (l *Log) commitLoop() {
	var waiting []*request
	for {
		if len(waiting) == 0 {
			q, ok := <-l.requests
			if !ok {
				return
			}
			waiting = append(waiting, q)
		}
		for len(waiting) < groupLength {
			select {
			case q, ok := <-l.requests:
				if ok {
					waiting = append(waiting, q)
					continue
				}
			default:
			}
			break
		}
		group, rest := split(waiting)
		l.commit(group)
		waiting = rest
	}
}

// split takes the requests that can go together out of waiting.
func split(waiting []*request) (group, rest []*request) {
	touched, size := map[string]bool{}, 0
	for _, q := range waiting {
		free := size < groupBytes
		for _, name := range q.record.touches() {
			free = free && !touched[name]
		}
		for _, name := range q.record.touches() {
			touched[name] = true
		}
		if free {
			group, size = append(group, q), size+len(q.payload)
		} else {
			rest = append(rest, q)
		}
	}
	return group, rest
}

// commit decides on each request, makes what has to be kept durable and then visible, and tells the callers.
func (l *Log) commit(group []*request) {
	var keep []*request
	var payloads [][]byte
	l.mu.RLock()
	for _, q := range group {
		if l.prepare(q); q.err == nil && !q.known {
			keep, payloads = append(keep, q), append(payloads, q.payload)
		}
	}
	l.mu.RUnlock()
	var places []place
	var err error
	if len(keep) > 0 {
		if places, err = l.journal.append(payloads); err != nil {
			l.log.Error("cannot spool", "error", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range keep {
		if err != nil {
			q.live, q.err = nil, err
			continue
		}
		l.view.add(q.record, places[i])
		l.pending = append(l.pending, entry{places[i], q.record.name()})
	}
	l.queued -= len(group)
	for _, q := range group {
		close(q.done)
	}
	l.fallBehind(nil) // wakes the replayer
}

// prepare decides what a request means for the pending ones: afterwards it has an error, or a payload to keep, or its id
// is known. What only repeats a pending event is kept all the same, so that the store learns its id. l.mu is held for
// reading.
func (l *Log) prepare(q *request) {
	if q.record.event == nil {
		return
	}
	e := l.view.complete(*q.record.event)
	q.record.event = &e
	instead, live, err := l.view.decide(e)
	if err != nil {
		q.err = err
		return
	}
	q.known = l.view.events[e.ID] != nil
	switch {
	case instead != nil:
		q.live, q.err = l.readEvent(instead.at)
	case live != nil:
		q.live, q.err = l.readEvent(live.at)
	default:
		q.live = &e
	}
	if q.err == nil && !q.known {
		q.payload, q.err = q.record.encode()
	}
}
