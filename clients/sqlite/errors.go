package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plumb/chat"
)

// fail wraps an error of SQLite so that a caller can branch on it: Unavailable for what can pass (a full disk, a file that
// is locked or closed), Internal for what cannot (damage, a fault of ours). Errors that have a kind already and those of
// contexts pass through; nil stays nil.
func fail(doing string, err error) error {
	var known *chat.Error
	var code *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed": // database/sql exports no name for it
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": store is closed", Cause: err}
	case !errors.As(err, &code):
		return &chat.Error{Kind: chat.Internal, Msg: doing, Cause: err}
	}
	switch code.Code() & 0xff { // the primary code; the rest says more of the same
	case sqlite3.SQLITE_FULL:
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": the disk is full", Cause: err}
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM:
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": the file cannot be used", Cause: err}
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": another process holds the file", Cause: err}
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return &chat.Error{Kind: chat.Internal, Msg: doing + ": the file is damaged or no SQLite database", Cause: err}
	case sqlite3.SQLITE_TOOBIG:
		return &chat.Error{Kind: chat.TooLarge, Msg: doing, Cause: err}
	}
	return &chat.Error{Kind: chat.Internal, Msg: doing, Cause: err}
}

// endsTransaction says whether SQLite may have rolled the whole transaction back with err, and not the one statement.
func endsTransaction(err error) bool {
	var code *sqlite.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
		return true
	}
	return false
}
