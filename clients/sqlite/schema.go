package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID is "plmb": what `file` and SQLite's own tools show as the format of the file.
const applicationID = 0x706c6d62

// migrations[v] brings a file of version v to v+1. What was released is never changed; append.
var migrations = []string{`
CREATE TABLE generation (
  id   TEXT PRIMARY KEY NOT NULL,
  user TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX generation_user ON generation (user, id) WHERE user <> '';

CREATE TABLE event (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL UNIQUE,
  key        TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('live', 'replaced', 'yielded', 'revoked', 'revoke')),
  other      TEXT NOT NULL DEFAULT '',
  generation TEXT NOT NULL,
  user       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  source     TEXT NOT NULL,
  content    TEXT NOT NULL,
  body       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_live ON event (key) WHERE state = 'live';
CREATE INDEX event_generation ON event (generation, seq) WHERE state = 'live';
CREATE INDEX event_user ON event (user, seq);

CREATE TABLE event_name (
  id    TEXT PRIMARY KEY NOT NULL,
  event TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX event_name_event ON event_name (event);

CREATE TABLE run (
  id      TEXT PRIMARY KEY NOT NULL,
  created INTEGER NOT NULL,
  body    BLOB NOT NULL
) STRICT;
CREATE INDEX run_created ON run (created);

CREATE TABLE alias (
  name    TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL,
  body    BLOB NOT NULL
) STRICT;

CREATE TABLE blob (
  hash TEXT PRIMARY KEY NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE lease (
  name    TEXT PRIMARY KEY NOT NULL,
  fence   INTEGER NOT NULL,
  holder  TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT;
`}

// migrate brings the file forward to the version of this program, or says why it cannot.
func migrate(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := forward(ctx, conn); err != nil {
		_, rollback := conn.ExecContext(ctx, `ROLLBACK`)
		return errors.Join(err, rollback)
	}
	_, err := conn.ExecContext(ctx, `COMMIT`)
	return err
}

func forward(ctx context.Context, conn *sql.Conn) error {
	var version, application, tables int
	err := conn.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`).Scan(&version, &application, &tables)
	switch {
	case err != nil:
		return err
	case tables > 0 && application != applicationID:
		return errors.New("it is a database of another program")
	case version > len(migrations):
		return fmt.Errorf("its schema has version %d, this program knows up to %d: use a newer plumb", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if _, err := conn.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("migrate schema to version %d: %w", version+1, err)
		}
	}
	// PRAGMA takes no parameters.
	_, err = conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, version))
	return err
}
