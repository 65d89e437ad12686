package sqlite

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/feedback"
)

// PutEvent implements [feedback.Writer].
func (s *Store) PutEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	body, err := feedback.EncodeEvent(e)
	if err != nil {
		return feedback.Event{}, "", err
	}
	n := newEvent{e, body, e.Key(), e.Content()}
	var live []byte
	err = s.writer.do(ctx, "put event", func(t *tx) (err error) {
		live, err = t.putEvent(n)
		return err
	})
	if err != nil {
		return feedback.Event{}, "", err
	}
	e, err = feedback.DecodeEvent(live)
	return e, feedback.Durable, fail("put event", err)
}

// newEvent is an event on its way in, with what is derived from it.
type newEvent struct {
	feedback.Event
	body         []byte
	key, content string
}

// row of the table event.
type event struct {
	id, key, state, other, kind, source, content string
	body                                         []byte
}

const eventColumns = `SELECT id, key, state, other, kind, source, content, body FROM event `

func (t *tx) event(where string, args ...any) (event, bool, error) {
	var e event
	found, err := t.row([]any{&e.id, &e.key, &e.state, &e.other, &e.kind, &e.source, &e.content, &e.body}, eventColumns+where, args...)
	return e, found, err
}

// byID finds an event by its id or by another name of it.
func (t *tx) byID(id string) (event, bool, error) {
	e, found, err := t.event(`WHERE id = ?`, id)
	if found || err != nil {
		return e, found, err
	}
	return t.event(`WHERE id = (SELECT event FROM event_name WHERE id = ?)`, id)
}

func (t *tx) liveUnder(key string) (event, bool, error) {
	return t.event(`WHERE key = ? AND state = 'live'`, key)
}

// putEvent stores n and returns the body of what is live afterwards.
func (t *tx) putEvent(n newEvent) ([]byte, error) {
	if known, found, err := t.byID(n.ID); err != nil {
		return nil, err
	} else if found {
		live, isLive, err := t.liveUnder(known.key)
		if isLive {
			return live.body, err
		}
		return known.body, err
	}
	if n.Kind == feedback.Revoke {
		return t.revoke(n)
	}
	live, isLive, err := t.liveUnder(n.key)
	if err != nil {
		return nil, err
	}
	switch feedback.Meet(n.Event, isLive, live.content, live.source) {
	case feedback.Repeat:
		return live.body, t.name(n.ID, live.id)
	case feedback.Yield:
		return live.body, t.insert(n, "yielded", live.id)
	case feedback.Replace:
		if err := t.retire(live.id, "replaced", n.ID); err != nil {
			return nil, err
		}
	}
	return n.body, t.insert(n, "live", "")
}

// revoke withdraws the target of n.
func (t *tx) revoke(n newEvent) ([]byte, error) {
	target, found, err := t.byID(n.Target)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, notFound("target", "event", n.Target)
	case target.kind == feedback.Revoke:
		return nil, &chat.Error{Kind: chat.Invalid, Param: "target", Msg: fmt.Sprintf("target %q is itself a revoke", n.Target)}
	case target.state == "revoked":
		earlier, _, err := t.event(`WHERE id = ?`, target.other)
		if err != nil {
			return nil, err
		}
		return earlier.body, t.name(n.ID, earlier.id)
	}
	of, err := feedback.DecodeEvent(target.body)
	if err != nil {
		return nil, err
	}
	n.Event = n.Withdrawing(of)
	if n.body, err = feedback.EncodeEvent(n.Event); err != nil {
		return nil, err
	}
	n.key, n.content = n.Key(), n.Content()
	if err := t.retire(target.id, "revoked", n.ID); err != nil {
		return nil, err
	}
	return n.body, t.insert(n, "revoke", target.id)
}

func (t *tx) insert(n newEvent, state, other string) error {
	return t.exec(`INSERT INTO event (id, key, state, other, generation, user, kind, source, content, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ID, n.key, state, other, n.Generation, n.User, n.Kind, n.Source, n.content, n.body)
}

func (t *tx) retire(id, state, other string) error {
	return t.exec(`UPDATE event SET state = ?, other = ? WHERE id = ?`, state, other, id)
}

func (t *tx) name(id, event string) error {
	return t.exec(`INSERT INTO event_name (id, event) VALUES (?, ?)`, id, event)
}

// Event implements [feedback.Reader].
func (s *Store) Event(ctx context.Context, id string) (feedback.Event, error) {
	var body []byte
	found, err := s.one(ctx, &body, `SELECT body FROM event WHERE id = coalesce((SELECT event FROM event_name WHERE id = ?1), ?1)`, id)
	if err != nil {
		return feedback.Event{}, fail("read event", err)
	}
	if !found {
		return feedback.Event{}, notFound("", "event", id)
	}
	e, err := feedback.DecodeEvent(body)
	return e, fail("read event "+id, err)
}

// Events implements [feedback.Reader].
func (s *Store) Events(ctx context.Context, q feedback.Query) ([]feedback.Event, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	after, err := q.AfterSeq()
	if err != nil {
		return nil, "", err
	}
	where, args := `state = 'live' AND seq > ?`, []any{after}
	for _, f := range [][2]string{{"generation", q.Generation}, {"user", q.User}, {"kind", q.Kind}} {
		if f[1] != "" {
			where, args = where+` AND `+f[0]+` = ?`, append(args, f[1])
		}
	}
	page, next, err := s.page(ctx, limit, `SELECT seq, body FROM event WHERE `+where+` ORDER BY seq LIMIT ?`, args...)
	if err != nil {
		return nil, "", fail("list events", err)
	}
	events := make([]feedback.Event, len(page))
	for i, body := range page {
		if events[i], err = feedback.DecodeEvent(body); err != nil {
			return nil, "", fail("list events", err)
		}
	}
	return events, next, nil
}

func notFound(param, what, id string) error {
	return &chat.Error{Kind: chat.NotFound, Param: param, Msg: fmt.Sprintf("%s %q is not known", what, id)}
}
