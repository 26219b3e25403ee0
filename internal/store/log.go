package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// page is how many events are read at a time. No read stays open while its reader does something else, because an
// open read prevents the truncation of the write-ahead log.
const page = 256

// EventFilter selects events.
type EventFilter struct {
	After  int64        // only events with a greater sequence number
	Before int64        // only events with a smaller sequence number; 0 means all
	Task   event.TaskID // only of this task; "" means of all tasks and of the fleet
	Kinds  []event.Kind // only of these kinds; nil means all
	Limit  int          // at most this many; 0 means all
	Newest bool         // the newest first
}

const eventColumns = "SELECT seq, time, task, subject, gen, kind, data FROM events"

// OpenLog opens an existing log of any format for reading its events. The format of events has not changed, and a hook
// is of the version that started its agent. Only Events, Path and Close may be called.
func OpenLog(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: path, now: time.Now, opts: Options{ReadOnly: true}}
	return s, s.connect()
}

// Events iterates over the log, oldest first unless the filter says otherwise. It ends at the last event that the filter selects, or with
// an error.
func (s *Store) Events(ctx context.Context, f EventFilter) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		left := f.Limit
		for {
			want := page
			if f.Limit > 0 {
				want = min(page, left)
			}
			batch, err := s.eventPage(ctx, f, want)
			if err != nil {
				yield(event.Event{}, err)
				return
			}
			for _, e := range batch {
				if !yield(e, nil) {
					return
				}
				if f.Newest {
					f.Before = e.Seq
				} else {
					f.After = e.Seq
				}
			}
			left -= len(batch)
			if len(batch) < want || f.Limit > 0 && left == 0 {
				return
			}
		}
	}
}

func (s *Store) eventPage(ctx context.Context, f EventFilter, limit int) ([]event.Event, error) {
	where, args, order := []string{"seq > ?"}, []any{f.After}, ""
	if f.Before > 0 {
		where, args = append(where, "seq < ?"), append(args, f.Before)
	}
	if f.Newest {
		order = " DESC"
	}
	if f.Task != "" {
		where, args = append(where, "task = ?"), append(args, string(f.Task))
	}
	if len(f.Kinds) > 0 {
		where = append(where, "kind IN (?"+strings.Repeat(", ?", len(f.Kinds)-1)+")")
		for _, k := range f.Kinds {
			args = append(args, string(k))
		}
	}
	rows, err := s.readers.QueryContext(ctx, eventColumns+conditions(where)+" ORDER BY seq"+order+" LIMIT ?", append(args, limit)...)
	return collect(s, "read log", rows, err, scanEvent)
}

func scanEvent(rows *sql.Rows) (e event.Event, err error) {
	var at int64
	var kind, other string
	var data sql.RawBytes
	if err := rows.Scan(&e.Seq, &at, &e.Task, &other, &e.Gen, &kind, &data); err != nil {
		return e, err
	}
	e.Time = fromNanos(at)
	if other != "" {
		e.Subject = event.ParseSubject(other)
	}
	e.Data, err = event.Decode(event.Kind(kind), data)
	return e, err
}

// SeqAt returns the sequence number of the last event before a time, or 0. It searches by halves, so after a clock that was set
// back it may return another event from about that time.
func (s *Store) SeqAt(ctx context.Context, t time.Time) (int64, error) {
	last, err := s.LastSeq(ctx)
	if err != nil {
		return 0, err
	}
	low, high := int64(0), last // an event at low is before t; one after high is not
	for low < high {
		mid := low + (high-low+1)/2
		var seq, at int64
		err := s.readers.QueryRowContext(ctx, "SELECT seq, time FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", mid).Scan(&seq, &at)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			low = mid
		case err != nil:
			return 0, s.explain(err, "search log")
		case fromNanos(at).Before(t):
			low = mid
		default:
			high = seq - 1
		}
	}
	return low, nil
}

// LastSeq returns the sequence number of the newest event; 0 for an empty log.
func (s *Store) LastSeq(ctx context.Context) (seq int64, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT ifnull(max(seq), 0) FROM events").Scan(&seq)
	return seq, s.explain(err, "read log")
}

// Rounds returns all rounds of checks of a task, oldest first, including void ones.
func (s *Store) Rounds(ctx context.Context, id event.TaskID) (out []RoundRow, _ error) {
	for e, err := range s.Events(ctx, EventFilter{Task: id, Kinds: []event.Kind{event.RoundFinished{}.Kind(), event.ReviewFinished{}.Kind()}}) {
		if err != nil {
			return nil, err
		}
		switch p := e.Data.(type) {
		case event.RoundFinished:
			out = append(out, RoundRow{Seq: e.Seq, Time: e.Time, Gen: e.Gen, RoundFinished: p})
		case event.ReviewFinished:
			addReview(out, p)
		}
	}
	return out, nil
}

// addReview adds the verdict of a review to the round that it belongs to.
func addReview(rounds []RoundRow, p event.ReviewFinished) {
	for i := len(rounds) - 1; i >= 0 && p.Error == ""; i-- {
		if r := &rounds[i]; r.Void == "" && r.Round == p.Round && r.Tree == p.Tree {
			r.Results = append(r.Results, life.ReviewResult(p))
			return
		}
	}
}
