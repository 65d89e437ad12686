package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"plumb/chat"
)

// Bounds of the group commit.
const (
	queued = 1024 // writes that wait; the next ones block their callers
	group  = 256  // writes in one transaction
)

// writer owns the connection that writes and commits what waits for it in groups.
type writer struct {
	conn *sql.Conn
	stmt map[string]*sql.Stmt // prepared, by text
	jobs chan *job

	checkpoints *checkpointer
	written     int  // writes since the last checkpoint was asked for
	scrub       bool // the log holds what was erased

	mu      sync.RWMutex // held for reading while a job is handed over, so that close can end the channel
	closed  bool
	stopped chan struct{} // closed when the goroutine has ended
}

// job is one write.
type job struct {
	ctx  context.Context
	run  func(*tx) error
	err  error
	done chan struct{}
}

func startWriter(conn *sql.Conn, checkpoints *checkpointer) *writer {
	w := &writer{conn: conn, stmt: map[string]*sql.Stmt{}, jobs: make(chan *job, queued), checkpoints: checkpoints, stopped: make(chan struct{})}
	go w.loop()
	return w
}

// do runs a write and returns when it is committed and fsync'd, or has failed. Where ctx ends first its error is
// returned; the write then may or may not be stored.
func (w *writer) do(ctx context.Context, doing string, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, run: run, done: make(chan struct{})}
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": store is closed"}
	}
	select {
	case w.jobs <- j:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return ctx.Err()
	}
	select {
	case <-j.done:
		return fail(doing, j.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close runs what waits, then ends the goroutine and its connection.
func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.jobs)
	}
	w.mu.Unlock()
	<-w.stopped
	if err := w.conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

func (w *writer) loop() {
	defer close(w.stopped)
	for first := range w.jobs {
		batch := append(make([]*job, 0, group), first)
		for len(batch) < group {
			select {
			case j, ok := <-w.jobs:
				if ok {
					batch = append(batch, j)
					continue
				}
			default:
			}
			break
		}
		w.commit(batch)
	}
	w.checkpoints.stop()
	for _, s := range w.stmt {
		_ = s.Close() // nothing more is written; the connection goes next
	}
}

// commit runs a batch as one transaction and tells every caller.
func (w *writer) commit(batch []*job) {
	t := &tx{w: w}
	err := t.transaction(batch)
	for _, j := range batch {
		if err != nil {
			j.err = err // nothing of the batch is stored
		}
		close(j.done)
	}
	if err == nil {
		w.afterCommit(t, len(batch))
	}
}

// tx is what a write can do. It lives in the writer's goroutine.
type tx struct {
	w     *writer
	scrub bool // what was deleted shall also leave the write-ahead log
	large bool // it wrote megabytes
}

// transaction runs each job in a savepoint, and commits. An error means that nothing was stored.
func (t *tx) transaction(batch []*job) error {
	if err := t.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, j := range batch {
		if err := t.savepoint(j); err != nil {
			_ = t.exec(`ROLLBACK`) // SQLite may have done it already
			return err
		}
	}
	if err := t.exec(`COMMIT`); err != nil {
		_ = t.exec(`ROLLBACK`)
		return err
	}
	return nil
}

// savepoint runs one job. What goes wrong with the job is the job's error; what goes wrong with the transaction is
// returned.
func (t *tx) savepoint(j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil // its caller is gone
	}
	if err := t.exec(`SAVEPOINT job`); err != nil {
		return err
	}
	if j.err = j.run(t); j.err != nil {
		if endsTransaction(j.err) {
			return j.err
		}
		if err := t.exec(`ROLLBACK TO job`); err != nil {
			return err
		}
	}
	return t.exec(`RELEASE job`)
}

func (t *tx) prepared(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmt[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		t.w.stmt[query] = s
	}
	return s, err
}

// exec runs a statement.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.count(query, args...)
	return err
}

// count runs a statement and returns how many rows it changed.
func (t *tx) count(query string, args ...any) (int, error) {
	s, err := t.prepared(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// row reads one row into dest; found is false where there is none.
func (t *tx) row(dest []any, query string, args ...any) (found bool, err error) {
	s, err := t.prepared(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRow(args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// column reads the first column of all rows.
func (t *tx) column(query string, args ...any) (values []string, err error) {
	s, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}
