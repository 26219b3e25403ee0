package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"muster/internal/fault"
)

const (
	// busyTimeout is how long SQLite itself waits for a lock before it returns an error.
	busyTimeout = 10 * time.Second
	// patience is how long we retry in total. Fifty processes at once need seconds. If it takes longer than this, a
	// process holds the lock and does not run.
	patience = 60 * time.Second
	// retryPause is the pause between tries if SQLite fails at once, as it does where waiting could be a deadlock.
	retryPause = 20 * time.Millisecond
	// walLimit is the size to which the write-ahead log is truncated after a checkpoint, in bytes.
	walLimit = 16 << 20
	// readConns bounds the connections for reading.
	readConns = 4
)

// connect creates the two pools. It does not open a file yet.
func (s *Store) connect() (err error) {
	mode := "rw"
	if s.opts.ReadOnly {
		mode = "ro"
	}
	if s.readers, err = sql.Open("sqlite", dsn(s.path, mode, "query_only(1)")); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.readers.SetMaxOpenConns(readConns)
	s.readers.SetMaxIdleConns(readConns)
	if s.opts.ReadOnly {
		return nil
	}
	if s.writers, err = sql.Open("sqlite", dsn(s.path, mode, fmt.Sprintf("journal_size_limit(%d)", walLimit))); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	s.writers.SetMaxOpenConns(1)
	return nil
}

// dsn returns the driver's name of a database.
func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return u.String()
}

// create creates the file. SQLite gives it the permissions of a temporary private file, so that it is never readable
// for others. This process never opens the database file itself, because closing it would drop the locks that the
// process has on it.
func (s *Store) create(ctx context.Context) error {
	pattern, err := os.CreateTemp(filepath.Dir(s.path), ".mode-*")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "create database").
			WithHint("Make %s writable and see that its disk is not full.", filepath.Dir(s.path))
	}
	defer func() { _ = os.Remove(pattern.Name()) }() // at worst an empty file remains
	if err := pattern.Close(); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	// auto_vacuum must be set before the first page is written, and enabling the write-ahead log writes one.
	db, err := sql.Open("sqlite", dsn(s.path, "rwc", "auto_vacuum(incremental)")+"&modeof="+uriValue(pattern.Name()))
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return errors.Join(s.useWAL(ctx, db), db.Close())
}

// uriValue escapes a value for SQLite, which does not read a plus as a space.
func uriValue(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// writeConn is the one connection that writes, with its statements.
type writeConn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
	full  bool // synchronous=FULL, which is the default of a connection
}

// stmt returns a prepared statement and prepares it once.
func (c *writeConn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	st, err := c.PrepareContext(ctx, query)
	if err == nil {
		c.stmts[query] = st
	}
	return st, err
}

// exec runs a prepared statement.
func (c *writeConn) exec(ctx context.Context, query string, args ...any) error {
	st, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

// sync sets whether commits are synced to the disk.
func (c *writeConn) sync(ctx context.Context, full bool) error {
	if c.full == full {
		return nil
	}
	mode := "NORMAL"
	if full {
		mode = "FULL"
	}
	_, err := c.ExecContext(ctx, "PRAGMA synchronous="+mode)
	if err == nil {
		c.full = full
	}
	return err
}

// writeConn returns the writing connection. The caller holds s.mu.
func (s *Store) writeConn(ctx context.Context) (*writeConn, error) {
	if s.opts.ReadOnly {
		return nil, s.readOnly()
	}
	if s.conn != nil {
		return s.conn, nil
	}
	c, err := s.writers.Conn(ctx)
	if err != nil {
		return nil, s.explain(err, "open database")
	}
	s.conn = &writeConn{Conn: c, stmts: map[string]*sql.Stmt{}}
	if _, err := c.ExecContext(ctx, "PRAGMA synchronous=FULL"); err != nil {
		return nil, errors.Join(s.explain(err, "open database"), s.dropConn())
	}
	s.conn.full = true
	return s.conn, nil
}

// dropConn closes the writing connection. The next transaction makes a new one. The caller holds s.mu.
func (s *Store) dropConn() error {
	c := s.conn
	if c == nil {
		return nil
	}
	s.conn = nil
	var err error
	for _, st := range c.stmts {
		err = errors.Join(err, st.Close())
	}
	// If the connection went back to the pool, it would keep an open transaction.
	if bad := c.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(bad, driver.ErrBadConn) {
		err = errors.Join(err, bad)
	}
	return err
}

// retry repeats try while the database is locked, up to patience.
func retry(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if !locked(err) || time.Now().After(deadline) {
			return err
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// resultCode returns SQLite's primary result code; 0 for any other error.
func resultCode(err error) int {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return 0
	}
	return e.Code() & 0xff
}

func locked(err error) bool {
	c := resultCode(err)
	return c == codes.SQLITE_BUSY || c == codes.SQLITE_LOCKED
}

// explain turns an error of SQLite into one that a person can act on. Only this function knows SQLite's codes.
func (s *Store) explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	switch resultCode(err) {
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fault.Wrap(fault.Timeout, err, "%s: another process holds %s", doing, s.path).
			WithHint("See who it is with `fuser %s`, and let it go on or end it.", s.path)
	case codes.SQLITE_FULL:
		return fault.Wrap(fault.Failed, err, "%s: the disk of %s is full", doing, s.path).
			WithHint("Free some space on it and try again; nothing was lost.")
	case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_CANTOPEN:
		return fault.Wrap(fault.Failed, err, "%s: no access to %s", doing, s.path).
			WithHint("Make the file and its directory writable for yourself, and see that the disk is mounted for writing.")
	case codes.SQLITE_IOERR:
		return fault.Wrap(fault.Failed, err, "%s: the disk of %s fails", doing, s.path).
			WithHint("See that it has space and works (`df %s`, the kernel's log), and try again.", s.path)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return s.damaged(err, doing)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func (s *Store) damaged(err error, doing string) error {
	return fault.Wrap(fault.Failed, err, "%s: the database %s is damaged", doing, s.path).
		WithHint("Move it aside together with its -wal and -shm files and start again; agents, worktrees and "+
			"branches are untouched. `sqlite3 %s .recover` may bring its history back.", s.path)
}
