package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/fault"
)

// Copy writes a consistent copy of the database at path to a new file. It does not disturb other processes that use
// the database. The format does not matter: this program need not know it.
func Copy(ctx context.Context, path, to string) (err error) {
	s, err := openAsIs(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.writeConn(ctx)
	if err != nil {
		return err
	}
	err = retry(ctx, func() error {
		_, err := conn.ExecContext(ctx, "VACUUM INTO ?", to)
		return err
	})
	return s.explain(err, "copy database")
}

// openAsIs opens an existing file of any format.
func openAsIs(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: path, now: time.Now}
	return s, s.connect()
}

// carried lists the tables that are not projections, in every format. Their content is kept on the way back from a
// newer format.
func carried() []string { return []string{"events", "offsets"} }

// GoBack converts a database that a newer muster has migrated back to this program's format. Nothing of the log is
// lost, and the projections are folded again from it. If the format is not newer, it changes nothing and returns
// false. It is only for a downgrade after a failed upgrade: writes of a newer program at the same time fail.
func GoBack(ctx context.Context, path string) (done bool, err error) {
	s, err := openAsIs(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.writeConn(ctx)
	if err != nil {
		return false, err
	}
	if err := s.lock(ctx, conn); err != nil {
		return false, err
	}
	var version int
	err = conn.QueryRowContext(ctx, "SELECT user_version FROM pragma_user_version").Scan(&version)
	if err == nil && version > format() {
		done = true
		err = s.goBack(ctx, conn)
	}
	end := "ROLLBACK"
	if err == nil && done {
		end = "COMMIT"
	}
	if _, e := conn.ExecContext(context.WithoutCancel(ctx), end); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return false, fault.Wrap(fault.Failed, err, "the database %s cannot be brought back to format %d", path, format()).
			WithHint("Start the newer version again: nothing was changed.")
	}
	return done, nil
}

// goBack creates all tables again, within the open transaction.
func (s *Store) goBack(ctx context.Context, conn *writeConn) error {
	var script strings.Builder
	for _, t := range carried() {
		fmt.Fprintf(&script, "CREATE TEMP TABLE newer_%s AS SELECT * FROM main.%[1]s;", t)
	}
	script.WriteString("CREATE TEMP TABLE newer_cursor AS SELECT value FROM main.meta WHERE key = 'cursor';")
	if _, err := conn.ExecContext(ctx, script.String()); err != nil {
		return err
	}
	if err := dropAll(ctx, conn); err != nil {
		return err
	}
	script.Reset()
	for _, m := range migrations() {
		text, err := migrationFiles.ReadFile("migrations/" + m.file)
		if err != nil {
			return err
		}
		script.Write(text)
	}
	script.WriteString("INSERT INTO main.events (seq, time, task, subject, gen, kind, v, data) SELECT seq, time, task, subject, gen, kind, v, data FROM newer_events;")
	script.WriteString("INSERT INTO main.offsets (source, offset) SELECT source, offset FROM newer_offsets;")
	script.WriteString("INSERT OR REPLACE INTO main.meta SELECT 'cursor', value FROM newer_cursor;")
	if _, err := conn.ExecContext(ctx, script.String()); err != nil {
		return err
	}
	if err := refold(ctx, conn); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("INSERT OR REPLACE INTO meta VALUES ('migrated_by', '%s'); PRAGMA user_version=%d",
		strings.ReplaceAll(s.version(), "'", "''"), format()))
	return err
}

// dropAll drops all tables and views, with their indexes and triggers.
func dropAll(ctx context.Context, conn *writeConn) (err error) {
	rows, err := conn.QueryContext(ctx,
		"SELECT type, name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return err
	}
	var drops strings.Builder
	for rows.Next() {
		var kind, name string
		if err := rows.Scan(&kind, &name); err != nil {
			return errors.Join(err, rows.Close())
		}
		fmt.Fprintf(&drops, "DROP %s IF EXISTS main.%q;", kind, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, drops.String())
	return err
}
