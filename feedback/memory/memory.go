// Package memory keeps feedback in memory: the plainest [feedback.Log], the one that the others are held against, and
// what tests use. Nothing of it survives the process; it says Durable all the same, as nothing safer is to be had.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"plumb/chat"
	"plumb/feedback"
)

// Log is a feedback.Log in memory. The zero value is empty and ready for use; it must not be copied.
type Log struct {
	mu          sync.RWMutex
	generations map[string][]byte  // encoded, so that no caller shares memory with the log
	users       map[string]string  // generation → user
	events      map[string]*record // by id, other names included
	order       []*record          // order[i] has seq i+1
	live        map[string]*record // by key
	closed      bool
}

var _ feedback.Log = (*Log)(nil)

// record is one stored event.
type record struct {
	seq     int64
	body    []byte
	user    string
	kind    string
	source  string
	of      string // generation
	key     string
	content string
	live    bool
	revoke  *record // what withdrew it
	erased  bool
}

// PutGeneration implements [feedback.Writer].
func (l *Log) PutGeneration(_ context.Context, g feedback.Generation) (feedback.Durability, error) {
	body, err := feedback.EncodeGeneration(g)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return "", err
	}
	l.generations[g.ID], l.users[g.ID] = body, g.User
	return feedback.Durable, nil
}

// PutEvent implements [feedback.Writer].
func (l *Log) PutEvent(_ context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	if err := e.Validate(); err != nil {
		return feedback.Event{}, "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return feedback.Event{}, "", err
	}
	r, err := l.put(e)
	if err != nil {
		return feedback.Event{}, "", err
	}
	live, err := feedback.DecodeEvent(r.body)
	return live, feedback.Durable, err
}

// put stores e and returns what is live afterwards.
func (l *Log) put(e feedback.Event) (*record, error) {
	if known, ok := l.events[e.ID]; ok {
		if live, ok := l.live[known.key]; ok {
			return live, nil
		}
		return known, nil
	}
	if e.Kind == feedback.Revoke {
		return l.revoke(e)
	}
	live := l.live[e.Key()]
	var content, source string
	if live != nil {
		content, source = live.content, live.source
	}
	switch feedback.Meet(e, live != nil, content, source) {
	case feedback.Repeat:
		l.events[e.ID] = live
		return live, nil
	case feedback.Yield:
		_, err := l.add(e)
		return live, err
	case feedback.Replace:
		live.live = false
	}
	r, err := l.add(e)
	if err != nil {
		return nil, err
	}
	r.live, l.live[r.key] = true, r
	return r, nil
}

// revoke withdraws e's target.
func (l *Log) revoke(e feedback.Event) (*record, error) {
	target, ok := l.events[e.Target]
	switch {
	case !ok:
		return nil, notFound("target", "event", e.Target)
	case target.kind == feedback.Revoke:
		return nil, &chat.Error{Kind: chat.Invalid, Param: "target", Msg: fmt.Sprintf("target %q is itself a revoke", e.Target)}
	case target.revoke != nil:
		l.events[e.ID] = target.revoke
		return target.revoke, nil
	}
	t, err := feedback.DecodeEvent(target.body)
	if err != nil {
		return nil, err
	}
	r, err := l.add(e.Withdrawing(t))
	if err != nil {
		return nil, err
	}
	if target.live {
		target.live = false
		delete(l.live, target.key)
	}
	target.revoke = r
	return r, nil
}

// add appends e to the history.
func (l *Log) add(e feedback.Event) (*record, error) {
	body, err := feedback.EncodeEvent(e)
	if err != nil {
		return nil, err
	}
	r := &record{seq: int64(len(l.order)) + 1, body: body, user: e.User, kind: e.Kind, source: e.Source, of: e.Generation,
		key: e.Key(), content: e.Content()}
	l.order, l.events[e.ID] = append(l.order, r), r
	return r, nil
}

// Generation implements [feedback.Reader].
func (l *Log) Generation(_ context.Context, id string) (feedback.Generation, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	body, ok := l.generations[id]
	if !ok {
		return feedback.Generation{}, notFound("", "generation", id)
	}
	return feedback.DecodeGeneration(body)
}

// Event implements [feedback.Reader].
func (l *Log) Event(_ context.Context, id string) (feedback.Event, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	r, ok := l.events[id]
	if !ok {
		return feedback.Event{}, notFound("", "event", id)
	}
	return feedback.DecodeEvent(r.body)
}

// Events implements [feedback.Reader]; it looks at every event after the cursor.
func (l *Log) Events(_ context.Context, q feedback.Query) ([]feedback.Event, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	after, err := q.AfterSeq()
	if err != nil {
		return nil, "", err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	events := []feedback.Event{}
	var last int64
	for _, r := range l.order[min(after, int64(len(l.order))):] {
		if !r.live || q.Generation != "" && q.Generation != r.of || q.User != "" && q.User != r.user || q.Kind != "" && q.Kind != r.kind {
			continue
		}
		if len(events) == limit {
			return events, feedback.Seq(last), nil
		}
		e, err := feedback.DecodeEvent(r.body)
		if err != nil {
			return nil, "", err
		}
		events, last = append(events, e), r.seq
	}
	return events, "", nil
}

// Generations implements [feedback.Reader]; it sorts all ids on each call.
func (l *Log) Generations(_ context.Context, q feedback.Query) ([]feedback.Generation, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	var ids []string
	for id, user := range l.users {
		if id > q.After && (q.User == "" || q.User == user) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	next := ""
	if len(ids) > limit {
		ids, next = ids[:limit], ids[limit-1]
	}
	generations := make([]feedback.Generation, len(ids))
	for i, id := range ids {
		if generations[i], err = feedback.DecodeGeneration(l.generations[id]); err != nil {
			return nil, "", err
		}
	}
	return generations, next, nil
}

// EraseUser implements [feedback.Log].
func (l *Log) EraseUser(_ context.Context, user string) (feedback.Erased, error) {
	var gone feedback.Erased
	if user == "" {
		return gone, &chat.Error{Kind: chat.Invalid, Param: "user", Msg: "erase user: no user is named"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return gone, err
	}
	for id, u := range l.users {
		if u == user {
			delete(l.users, id)
			delete(l.generations, id)
			gone.IDs, gone.Generations = append(gone.IDs, id), gone.Generations+1
		}
	}
	for id, r := range l.events {
		if r.user != user {
			continue
		}
		delete(l.events, id)
		if r.erased {
			continue // another name of one already counted
		}
		if r.live {
			delete(l.live, r.key)
		}
		e, err := feedback.DecodeEvent(r.body)
		if err != nil {
			return gone, err
		}
		r.erased, r.live, r.body = true, false, nil
		gone.IDs, gone.Events = append(gone.IDs, e.ID), gone.Events+1
	}
	slices.Sort(gone.IDs)
	return gone, nil
}

// Ping implements [feedback.Log]: a log that is not closed can be written.
func (l *Log) Ping(context.Context) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return errClosed()
	}
	return nil
}

// Close implements [feedback.Log]; what was kept can still be read.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// open makes the maps of a zero Log. l.mu is held.
func (l *Log) open() error {
	if l.closed {
		return errClosed()
	}
	if l.events == nil {
		l.generations, l.users = map[string][]byte{}, map[string]string{}
		l.events, l.live = map[string]*record{}, map[string]*record{}
	}
	return nil
}

func errClosed() error { return &chat.Error{Kind: chat.Unavailable, Msg: "feedback log is closed"} }

func notFound(param, what, id string) error {
	return &chat.Error{Kind: chat.NotFound, Param: param, Msg: fmt.Sprintf("%s %q is not known", what, id)}
}
