package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
)

// A checkpoint moves committed pages from the write-ahead log into the file proper and costs two fsyncs and many writes.
// SQLite makes it part of the commit that comes too many; one vote in some hundreds would wait for it. So it runs beside
// the writer, on a connection of its own, and the writer does the rest where that is little: the log begins again from
// its start only when no page of it is left.
const (
	checkpointEvery = 256     // writes
	little          = 256     // pages that the writer may move by itself
	much            = 4 << 10 // pages after which the log has to begin again: 16 MiB
	tooMuch         = 8 * much
)

// checkpointer runs checkpoints when it is told to.
type checkpointer struct {
	db     *sql.DB
	wake   chan struct{} // holds one
	finish atomic.Bool   // the writer shall move the rest
	loop   sync.WaitGroup
}

func startCheckpointer(db *sql.DB) *checkpointer {
	c := &checkpointer{db: db, wake: make(chan struct{}, 1)}
	c.loop.Go(c.run)
	return c
}

func (c *checkpointer) run() {
	for range c.wake {
		var busy, pages, moved int
		err := c.db.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &moved)
		if err != nil {
			continue // a full disk, say: the writer meets it too, and can tell a caller
		}
		if pages > much && pages-moved < little || pages > tooMuch {
			c.finish.Store(true)
		}
	}
}

// due asks for a checkpoint; it does not wait.
func (c *checkpointer) due() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// stop waits for the checkpoint that is going on.
func (c *checkpointer) stop() {
	close(c.wake)
	c.loop.Wait()
}

// afterCommit does what has to be done between two transactions.
func (w *writer) afterCommit(t *tx, jobs int) {
	if w.written += jobs; w.written >= checkpointEvery || t.large {
		w.written = 0
		w.checkpoints.due()
	}
	if w.scrub = w.scrub || t.scrub; w.scrub {
		w.scrub = !w.emptyLog(t)
	} else if w.checkpoints.finish.CompareAndSwap(true, false) {
		_ = t.exec(`PRAGMA wal_checkpoint(PASSIVE)`) // where it cannot, the next one does
	}
}

// emptyLog moves everything and cuts the log to nothing, unless a reader still needs it: no write waits for a reader.
func (w *writer) emptyLog(t *tx) bool {
	var patience, busy, pages, moved int
	if _, err := t.row([]any{&patience}, `PRAGMA busy_timeout`); err != nil {
		return false
	}
	if err := t.exec(`PRAGMA busy_timeout = 0`); err != nil {
		return false
	}
	_, err := t.row([]any{&busy, &pages, &moved}, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err := t.exec(fmt.Sprintf(`PRAGMA busy_timeout = %d`, patience)); err != nil {
		return false
	}
	return err == nil && busy == 0
}
