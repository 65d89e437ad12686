package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"plumb/chat"
	"plumb/feedback"
)

// PutGeneration implements [feedback.Writer].
func (s *Store) PutGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	body, err := feedback.EncodeGeneration(g)
	if err != nil {
		return "", err
	}
	err = s.writer.do(ctx, "put generation", func(t *tx) error {
		return t.exec(`INSERT INTO generation (id, user, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET user = excluded.user, body = excluded.body`, g.ID, g.User, body)
	})
	if err != nil {
		return "", err
	}
	return feedback.Durable, nil
}

// Generation implements [feedback.Reader].
func (s *Store) Generation(ctx context.Context, id string) (feedback.Generation, error) {
	var body []byte
	found, err := s.one(ctx, &body, `SELECT body FROM generation WHERE id = ?`, id)
	if err != nil {
		return feedback.Generation{}, fail("read generation", err)
	}
	if !found {
		return feedback.Generation{}, notFound("", "generation", id)
	}
	g, err := feedback.DecodeGeneration(body)
	return g, fail("read generation "+id, err)
}

// Generations implements [feedback.Reader].
func (s *Store) Generations(ctx context.Context, q feedback.Query) ([]feedback.Generation, string, error) {
	limit, err := q.Size()
	if err != nil {
		return nil, "", err
	}
	where, args := `id > ?`, []any{q.After}
	if q.User != "" {
		where, args = where+` AND user = ? AND user <> ''`, append(args, q.User)
	}
	page, next, err := s.page(ctx, limit, `SELECT id, body FROM generation WHERE `+where+` ORDER BY id LIMIT ?`, args...)
	if err != nil {
		return nil, "", fail("list generations", err)
	}
	generations := make([]feedback.Generation, len(page))
	for i, body := range page {
		if generations[i], err = feedback.DecodeGeneration(body); err != nil {
			return nil, "", fail("list generations", err)
		}
	}
	return generations, next, nil
}

// EraseUser implements [feedback.Log]. What is deleted is overwritten with zeros, in the file and in its write-ahead log.
func (s *Store) EraseUser(ctx context.Context, user string) (feedback.Erased, error) {
	if user == "" {
		return feedback.Erased{}, &chat.Error{Kind: chat.Invalid, Param: "user", Msg: "erase user: no user is named"}
	}
	var gone feedback.Erased
	err := s.writer.do(ctx, "erase user", func(t *tx) error {
		generations, err := t.column(`SELECT id FROM generation WHERE user = ? AND user <> '' ORDER BY id`, user)
		if err != nil {
			return err
		}
		events, err := t.column(`SELECT id FROM event WHERE user = ? ORDER BY seq`, user)
		if err != nil {
			return err
		}
		gone = feedback.Erased{Generations: len(generations), Events: len(events), IDs: append(generations, events...)}
		t.scrub = true
		return errors.Join(
			t.exec(`DELETE FROM event_name WHERE event IN (SELECT id FROM event WHERE user = ?)`, user),
			t.exec(`DELETE FROM event WHERE user = ?`, user),
			t.exec(`DELETE FROM generation WHERE user = ? AND user <> ''`, user))
	})
	if err != nil {
		return feedback.Erased{}, err
	}
	return gone, nil
}

// one reads one value; found is false where there is no row.
func (s *Store) one(ctx context.Context, dest any, query string, args ...any) (found bool, err error) {
	err = s.read.QueryRowContext(ctx, query, args...).Scan(dest)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// pageBytes ends a page early, so that a list of large records does not take all memory.
const pageBytes = 64 << 20

// page reads up to limit rows of (position, body) and the position of the last one where more follow. The last
// parameter of query is its LIMIT.
func (s *Store) page(ctx context.Context, limit int, query string, args ...any) (bodies [][]byte, next string, err error) {
	rows, err := s.read.QueryContext(ctx, query, append(args, limit+1)...)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	size := 0
	for last := ""; rows.Next(); {
		if len(bodies) == limit || size > pageBytes {
			return bodies, last, nil
		}
		var body []byte
		if err := rows.Scan(&last, &body); err != nil {
			return nil, "", err
		}
		bodies, size = append(bodies, body), size+len(body)
	}
	return bodies, "", rows.Err()
}
