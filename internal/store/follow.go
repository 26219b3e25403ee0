package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"muster/internal/event"
)

// Changed returns the tasks that have events after a sequence number, and the number of the newest event. It reads no payloads.
func (s *Store) Changed(ctx context.Context, after int64) (ids []event.TaskID, last int64, err error) {
	type row struct {
		id  event.TaskID
		seq int64
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT task, max(seq) FROM events WHERE seq > ? GROUP BY task", after)
	all, err := collect(s, "read log", rows, err, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.id, &r.seq)
	})
	last = after
	for _, r := range all {
		last = max(last, r.seq)
		if r.id != "" {
			ids = append(ids, r.id)
		}
	}
	return ids, last, err
}

// Summaries returns the list entries of tasks, oldest first. Removed tasks are among them; ids without a task are left out.
func (s *Store) Summaries(ctx context.Context, ids []event.TaskID) (out []Summary, err error) {
	for len(ids) > 0 {
		some := ids[:min(len(ids), page)]
		ids = ids[len(some):]
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id.Number()
		}
		rows, err := s.readers.QueryContext(ctx, "SELECT summary FROM tasks WHERE num IN (?"+strings.Repeat(", ?", len(some)-1)+") ORDER BY num", args...) //nolint:gosec // values are arguments
		found, err := collect(s, "list tasks", rows, err, scanSummary)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// seen is the beginning of the sources in the table of offsets that say who looked at what. They are facts about persons and no
// events: nothing that is decided depends on them.
const seen = "seen/"

// MarkSeen notes that a person has looked at a task as it was since a time.
func (tx *Tx) MarkSeen(id event.TaskID, changed time.Time) {
	tx.SetOffset(seen+string(id), nanos(changed))
}

// Seen returns for each task at which a person has looked since when it was as that person saw it.
func (s *Store) Seen(ctx context.Context) (map[event.TaskID]time.Time, error) {
	type row struct {
		source string
		at     int64
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT source, offset FROM offsets WHERE source >= ? AND source < ?", seen, seen+"\xff")
	all, err := collect(s, "read offsets", rows, err, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.source, &r.at)
	})
	out := make(map[event.TaskID]time.Time, len(all))
	for _, r := range all {
		out[event.TaskID(strings.TrimPrefix(r.source, seen))] = fromNanos(r.at)
	}
	return out, err
}
