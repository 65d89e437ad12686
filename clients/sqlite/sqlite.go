// Package sqlite keeps feedback, runs, aliases, small artefacts and leases in one SQLite file: what plumb uses where no
// other store is named. [Store] is a [feedback.Log], a [registry.Registry] and a [registry.Lease].
//
// # What stored means
//
// The file is in WAL mode with synchronous=FULL. A write returns after the commit that holds it was fsync'd: neither
// kill -9 nor a power cut loses what was acknowledged. All writes of a process go through one goroutine, which puts
// whatever waits into one transaction (group commit), so that concurrent writers share an fsync; each write has a
// savepoint of its own, so that one that fails does not take the others along. Reads run beside it, and see what was
// acknowledged. Other processes can use the file at the same time; they wait for each other up to Options.Busy.
//
// # Schema, version 1
//
// PRAGMA application_id is 0x706c6d62 ("plmb") and user_version the version. A file of a later version, or of another
// program, is refused; one of an earlier version is brought forward when it is opened, in one transaction.
//
//	generation  id TEXT primary key, user TEXT, body BLOB        the JSON of feedback.Generation
//	event       seq INTEGER primary key, never used twice        the order of storing, and the cursor of lists
//	            id TEXT unique, key TEXT                         feedback.Event.Key
//	            state TEXT                                       live | replaced | yielded | revoked | revoke
//	            other TEXT                                       the event that replaced, outranked or revoked it
//	            generation TEXT, user TEXT, kind TEXT, source TEXT, content TEXT   feedback.Event.Content
//	            body BLOB                                        the JSON of feedback.Event
//	            At most one event of a key is live: a unique index says so.
//	event_name  id TEXT primary key, event TEXT                  another id of an event: one that was put and said the same
//	run         id TEXT primary key, created INTEGER (Unix ns), body BLOB      the JSON of registry.Run
//	alias       name TEXT primary key, version INTEGER, body BLOB              the JSON of registry.Alias
//	blob        hash TEXT primary key, data BLOB                 hash: hex of SHA-256
//	lease       name TEXT primary key, fence INTEGER, holder TEXT, expires INTEGER (Unix ns)
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/registry"
)

// Options says how a file is opened. The zero value is what one wants.
type Options struct {
	Busy time.Duration    // how long to wait for other processes; 0 means 5 s
	Now  func() time.Time // the clock of leases; nil means time.Now
}

// Store is an open file, safe for concurrent use.
type Store struct {
	path   string
	now    func() time.Time
	write  *sql.DB // one connection, owned by the writer
	read   *sql.DB
	check  *sql.DB // one connection, owned by the checkpointer
	writer *writer
}

var (
	_ feedback.Log      = (*Store)(nil)
	_ registry.Registry = (*Store)(nil)
	_ registry.Lease    = (*Store)(nil)
)

// readers is how many reads can run at once.
const readers = 4

// Open opens the file, and makes it, readable by its owner alone, where there is none.
func Open(path string, o Options) (*Store, error) {
	if err := touch(path); err != nil {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "open store " + path, Cause: err}
	}
	s := &Store{path: path, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	busy := fmt.Sprintf("busy_timeout(%d)", cmp.Or(o.Busy, 5*time.Second).Milliseconds())
	var err error
	s.write, err = connect(path, 1, busy, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "journal_size_limit(67108864)", "wal_autocheckpoint(0)")
	if err == nil {
		s.read, err = connect(path, readers, busy, "query_only(ON)")
	}
	if err == nil {
		s.check, err = connect(path, 1, busy, "synchronous(FULL)")
	}
	if err == nil {
		err = s.begin()
	}
	if err != nil {
		return nil, errors.Join(fail("open store "+path, err), s.closeFiles())
	}
	return s, nil
}

// begin checks the schema and starts the writer.
func (s *Store) begin() error {
	ctx := context.Background()
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	if err := migrate(ctx, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	s.writer = startWriter(conn, startCheckpointer(s.check))
	return nil
}

func connect(path string, conns int, pragmas ...string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// touch makes the file and makes its name durable.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Ping says whether the file can be written now: it takes the write lock and reads.
func (s *Store) Ping(ctx context.Context) error {
	return s.writer.do(ctx, "ping store", func(t *tx) error {
		return t.exec(`UPDATE lease SET holder = holder WHERE name = ''`)
	})
}

// Check reads the whole file and says what is damaged. It takes as long as reading the file.
func (s *Store) Check(ctx context.Context) error {
	rows, err := s.read.QueryContext(ctx, `PRAGMA integrity_check(10)`)
	if err != nil {
		return fail("check store", err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return fail("check store", err)
		}
		if line != "ok" {
			return &chat.Error{Kind: chat.Internal, Msg: fmt.Sprintf("check store: %s is damaged: %s", s.path, line)}
		}
	}
	return fail("check store", rows.Err())
}

// Close waits for the writes that have begun and closes the file. Closing twice is no error.
func (s *Store) Close() error {
	err := s.writer.close()
	return fail("close store", errors.Join(err, s.closeFiles()))
}

func (s *Store) closeFiles() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.check, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
