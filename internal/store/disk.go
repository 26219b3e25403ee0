package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// payloadVersion is the version of every payload so far.
const payloadVersion = 1

// lock begins a write transaction, and waits for other writers.
func (s *Store) lock(ctx context.Context, conn *writeConn) error {
	err := retry(ctx, func() error {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	})
	return s.explain(err, "lock database")
}

// diskBatch is the one open write transaction on the file.
type diskBatch struct {
	s    *Store
	conn *writeConn
	ctx  context.Context //nolint:containedctx // of this transaction; never cancelled, so that it completes
	at   Head
}

// begin is the Begin of a file.
func (s *Store) begin(ctx context.Context, durable bool) (Batch, error) {
	b, err := s.beginOnDisk(ctx, durable)
	if err != nil {
		return nil, err // not a nil *diskBatch
	}
	return b, nil
}

// beginOnDisk opens a write transaction. The store's mutex is held until the batch ends.
func (s *Store) beginOnDisk(ctx context.Context, durable bool) (*diskBatch, error) {
	s.mu.Lock()
	b, err := s.beginLocked(ctx, durable)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return b, nil
}

func (s *Store) beginLocked(ctx context.Context, durable bool) (*diskBatch, error) {
	conn, err := s.writeConn(ctx)
	if err != nil {
		return nil, err
	}
	if err := conn.sync(ctx, durable); err != nil {
		return nil, errors.Join(s.explain(err, "open database"), s.dropConn())
	}
	if err := s.lock(ctx, conn); err != nil {
		return nil, errors.Join(err, s.dropConn())
	}
	b := &diskBatch{s: s, conn: conn, ctx: context.WithoutCancel(ctx)}
	version := 0
	err = b.one(`SELECT (SELECT user_version FROM pragma_user_version), ifnull((SELECT max(seq) FROM events), 0),
		ifnull((SELECT max(num) FROM tasks), 0), ifnull((SELECT value FROM meta WHERE key = 'cursor'), 0)`).
		Scan(&version, &b.at.Seq, &b.at.LastTask, &b.at.Cursor)
	switch {
	case err != nil:
		err = s.explain(err, "read database")
	case version != format():
		// A newer program has migrated the file in the meantime, and could not trust what this one writes.
		err = s.tooNew(b.ctx, version)
	}
	if err != nil {
		_ = b.finish("ROLLBACK") // the first error has the cause
		return nil, err
	}
	return b, nil
}

func (b *diskBatch) Head() Head { return b.at }

// one runs a prepared query for one row.
func (b *diskBatch) one(query string, args ...any) scanner {
	st, err := b.conn.stmt(b.ctx, query)
	if err != nil {
		return failedRow{err}
	}
	return st.QueryRowContext(b.ctx, args...)
}

type scanner interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (b *diskBatch) Task(id event.TaskID) (life.Task, bool, error) {
	var doc string
	err := b.one("SELECT doc FROM tasks WHERE num = ?", id.Number()).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return life.Task{}, false, nil
	}
	if err != nil {
		return life.Task{}, false, b.s.explain(err, "read task")
	}
	t, err := b.s.decodeTask(doc)
	return t, err == nil, err
}

// liveTasks selects the tasks that need a supervisor.
const liveTasks = "SELECT doc FROM tasks WHERE busy ORDER BY num"

// The queries of a turn. Each uses an index that holds only the selected tasks.
const (
	lineQuery      = "SELECT doc FROM tasks WHERE rank IS NOT NULL AND (rank, num) > (?, ?) ORDER BY rank, num LIMIT ?"
	unsettledQuery = "SELECT doc FROM tasks WHERE unsettled = 1 ORDER BY num LIMIT ?"
	timedQuery     = "SELECT doc FROM tasks WHERE next_due > 0 AND next_due <= ? ORDER BY num"
	queuesQuery    = "SELECT doc FROM queues ORDER BY id"
	nextDueQuery   = "SELECT ifnull(min(next_due), 0) FROM tasks WHERE next_due > 0"
)

func (s *Store) scanTask(rows *sql.Rows) (life.Task, error) {
	var doc string
	if err := rows.Scan(&doc); err != nil {
		return life.Task{}, err
	}
	return s.decodeTask(doc)
}

func (s *Store) decodeTask(doc string) (t life.Task, err error) {
	if err := json.Unmarshal([]byte(doc), &t); err != nil {
		return t, s.damaged(err, "read task")
	}
	return t, nil
}

// tasks runs a prepared query for the documents of tasks.
func (b *diskBatch) tasks(doing, query string, args ...any) ([]life.Task, error) {
	st, err := b.conn.stmt(b.ctx, query)
	if err != nil {
		return nil, b.s.explain(err, doing)
	}
	rows, err := st.QueryContext(b.ctx, args...)
	return collect(b.s, doing, rows, err, b.s.scanTask)
}

func (b *diskBatch) Live() ([]life.Task, error) { return b.tasks("read live tasks", liveTasks) }

func (b *diskBatch) Accounts() ([]life.Account, error) {
	st, err := b.conn.stmt(b.ctx, "SELECT doc FROM accounts ORDER BY id")
	if err != nil {
		return nil, b.s.explain(err, "read accounts")
	}
	rows, err := st.QueryContext(b.ctx)
	return collect(b.s, "read accounts", rows, err, func(rows *sql.Rows) (a life.Account, err error) {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return a, err
		}
		return a, json.Unmarshal(doc, &a)
	})
}

func (b *diskBatch) Queues() ([]life.Queue, error) {
	st, err := b.conn.stmt(b.ctx, queuesQuery)
	if err != nil {
		return nil, b.s.explain(err, "read merge queues")
	}
	rows, err := st.QueryContext(b.ctx)
	return collect(b.s, "read merge queues", rows, err, scanQueue)
}

func scanQueue(rows *sql.Rows) (q life.Queue, err error) {
	var doc []byte
	if err := rows.Scan(&doc); err != nil {
		return q, err
	}
	return q, json.Unmarshal(doc, &q)
}

func (b *diskBatch) Line(after *life.Task, n int) ([]life.Task, error) {
	rank, num := math.MinInt64, 0
	if after != nil {
		rank, num = after.Rank(), after.ID.Number()
	}
	return b.tasks("read the queue", lineQuery, rank, num, n)
}

func (b *diskBatch) Unsettled(n int) ([]life.Task, error) {
	return b.tasks("read the queue", unsettledQuery, n)
}

func (b *diskBatch) Timed(until time.Time) ([]life.Task, error) {
	limit := nanos(until)
	if until.IsZero() {
		limit = math.MaxInt64
	}
	return b.tasks("read deadlines", timedQuery, limit)
}

func (b *diskBatch) NextDue() (time.Time, error) {
	var at int64
	err := b.one(nextDueQuery).Scan(&at)
	return fromNanos(at), b.s.explain(err, "read deadlines")
}

func (b *diskBatch) After(seq int64) ([]event.Event, bool, error) {
	st, err := b.conn.stmt(b.ctx, eventColumns+" WHERE seq > ? AND kind <> ? ORDER BY seq")
	if err != nil {
		return nil, false, b.s.explain(err, "read log")
	}
	rows, err := st.QueryContext(b.ctx, seq, string(event.DispatchRequested{}.Kind()))
	out, err := collect(b.s, "read log", rows, err, scanEvent)
	return out, int64(len(out)) < b.at.Seq-seq, err
}

func (b *diskBatch) Offset(source string) (o int64, err error) {
	err = b.one("SELECT offset FROM offsets WHERE source = ?", source).Scan(&o)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return o, b.s.explain(err, "read offset")
}

func (b *diskBatch) Commit() error { return b.end("COMMIT") }

// Rollback ends the transaction. Its error is ignored: SQLite may have rolled back already, as it does on a full
// disk.
func (b *diskBatch) Rollback() { _ = b.end("ROLLBACK") }

// end ends the transaction by a statement and unlocks the store for the next one.
func (b *diskBatch) end(statement string) error {
	defer b.s.mu.Unlock()
	return b.finish(statement)
}

// finish ends the transaction by a statement. If that fails, it closes the connection, and SQLite then rolls back.
func (b *diskBatch) finish(statement string) error {
	err := b.conn.exec(b.ctx, statement)
	if err != nil {
		_ = b.s.dropConn() // the first error has the cause
	}
	return b.s.explain(err, "end transaction")
}

func (b *diskBatch) Write(c Changes) error { return b.s.explain(b.writeAll(c), "write log") }

func (b *diskBatch) writeAll(c Changes) error {
	for _, r := range c.Events {
		if err := b.conn.exec(b.ctx, "INSERT INTO events (seq, time, task, subject, gen, kind, v, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			r.Seq, nanos(r.Time), string(r.Task), r.Other(), r.Gen, string(r.Kind()), payloadVersion, string(r.Data)); err != nil {
			return err
		}
	}
	p := projector{conn: b.conn}
	for _, r := range c.Events {
		if err := p.project(b.ctx, r.Event); err != nil {
			return err
		}
	}
	if err := p.finish(b.ctx, c.Tasks, c.Accounts, c.Queues); err != nil {
		return err
	}
	if err := p.count(b.ctx, c.Counts); err != nil {
		return err
	}
	for source, o := range c.Offsets {
		if err := b.conn.exec(b.ctx, "INSERT OR REPLACE INTO offsets VALUES (?, ?)", source, o); err != nil {
			return err
		}
	}
	if c.Cursor == 0 {
		return nil
	}
	return b.conn.exec(b.ctx, "INSERT OR REPLACE INTO meta VALUES ('cursor', ?)", c.Cursor)
}

// nanos returns the stored form of a time: nanoseconds since 1970, 0 for the zero time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if t.Year() > 2200 { // a later time would overflow and become one in the past
		return math.MaxInt64
	}
	return t.UnixNano()
}

// fromNanos converts it back, in UTC.
func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// collect reads all rows of a query.
func collect[T any](s *Store, doing string, rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) (out []T, _ error) {
	if err != nil {
		return nil, s.explain(err, doing)
	}
	defer func() { _ = rows.Close() }() // rows.Err below has the error
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, s.explain(fmt.Errorf("row %d: %w", len(out)+1, err), doing)
		}
		out = append(out, v)
	}
	return out, s.explain(rows.Err(), doing)
}
