package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
)

// lately is how long a list shows a task that has ended.
const lately = 24 * time.Hour

// ListFilter selects the tasks of a list.
type ListFilter struct {
	// All shows all tasks, including removed ones. Otherwise the list has those that are live or ended within 24
	// hours.
	All bool
	// States shows only tasks in one of these states; nil shows all.
	States []event.State
	// Now is the end of the 24 hours; zero means the store's clock.
	Now time.Time
}

// List returns the selected tasks, oldest first.
func (s *Store) List(ctx context.Context, f ListFilter) ([]Summary, error) {
	all, err := s.ListJSON(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]Summary, len(all))
	for i, doc := range all {
		if err := json.Unmarshal(doc, &out[i]); err != nil {
			return nil, s.damaged(err, "list tasks")
		}
	}
	return out, nil
}

// ListJSON returns the same tasks as JSON of Summary, as they are stored.
func (s *Store) ListJSON(ctx context.Context, f ListFilter) ([]json.RawMessage, error) {
	var where []string
	var args []any
	if !f.All {
		now := f.Now
		if now.IsZero() {
			now = s.now()
		}
		where = append(where, "NOT removed AND (finished_at = 0 OR finished_at > ?)")
		args = append(args, nanos(now.Add(-lately)))
	}
	if len(f.States) > 0 {
		where = append(where, "state IN (?"+strings.Repeat(", ?", len(f.States)-1)+")")
		for _, st := range f.States {
			args = append(args, string(st))
		}
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT summary FROM tasks"+conditions(where)+" ORDER BY num", args...) //nolint:gosec // the conditions are constants; values are arguments
	return collect(s, "list tasks", rows, err, func(rows *sql.Rows) (doc json.RawMessage, err error) {
		err = rows.Scan((*[]byte)(&doc))
		return withAccount(doc), err
	})
}

// withAccount adds the implied account to a summary that an older version wrote.
func withAccount(doc json.RawMessage) json.RawMessage {
	if bytes.Contains(doc, []byte(`"account":`)) {
		return doc
	}
	var s Summary
	if json.Unmarshal(doc, &s) != nil {
		return doc
	}
	s.Account = event.AccountID(s.Agent)
	out, err := json.Marshal(s)
	if err != nil {
		return doc
	}
	return out
}

// Accounts returns all accounts that have events, by name.
func (s *Store) Accounts(ctx context.Context) ([]life.Account, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT doc FROM accounts ORDER BY id")
	return collect(s, "list accounts", rows, err, func(rows *sql.Rows) (a life.Account, err error) {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return a, err
		}
		return a, json.Unmarshal(doc, &a)
	})
}

// Queues returns all merge queues that have events, by name.
func (s *Store) Queues(ctx context.Context) ([]life.Queue, error) {
	rows, err := s.readers.QueryContext(ctx, queuesQuery)
	return collect(s, "list merge queues", rows, err, scanQueue)
}

// Overview is a list with only some of the tasks that need no attention.
type Overview struct {
	Tasks []Summary // oldest first
	// Waiting and Ended are the numbers of omitted tasks: of those that wait for a slot or a dependency, and of those
	// that ended lately.
	Waiting, Ended int
}

// overviewQuery selects the tasks of an Overview. Each index that it uses holds only the selected tasks.
const overviewQuery = `SELECT summary FROM (
		SELECT num, summary FROM tasks WHERE finished_at = 0 AND NOT waits AND NOT removed
		UNION ALL
		SELECT * FROM (SELECT num, summary FROM tasks WHERE waits AND NOT removed ORDER BY num LIMIT ?1)
		UNION ALL
		SELECT * FROM (SELECT num, summary FROM tasks WHERE finished_at > 0 AND finished_at > ?2 AND NOT removed ORDER BY finished_at DESC LIMIT ?1)
	) ORDER BY num`

// endedQuery counts the tasks that ended lately.
const endedQuery = "SELECT count(*) FROM tasks WHERE finished_at > 0 AND finished_at > ? AND NOT removed"

// slotsQuery selects the tasks that may have a slot.
const slotsQuery = "SELECT summary FROM tasks WHERE busy AND NOT removed"

// Overview returns the tasks that List shows by default, but at most the n oldest of those that only wait, and at
// most the n newest of those that have ended. Its cost does not depend on how many wait.
func (s *Store) Overview(ctx context.Context, n int) (o Overview, err error) {
	since := max(nanos(s.now().Add(-lately)), 0)
	rows, err := s.readers.QueryContext(ctx, overviewQuery, n, since)
	o.Tasks, err = collect(s, "list tasks", rows, err, scanSummary)
	if err != nil {
		return o, err
	}
	counts, err := s.Counts(ctx)
	if err != nil {
		return o, err
	}
	var ended int
	err = s.readers.QueryRowContext(ctx, endedQuery, since).Scan(&ended)
	if err != nil {
		return o, s.explain(err, "count tasks")
	}
	waiting := counts[event.Queued] + counts[event.Blocked]
	for _, t := range o.Tasks {
		switch {
		case t.State.Final():
			ended--
		case t.State == event.Queued || t.State == event.Blocked:
			waiting--
		}
	}
	o.Waiting, o.Ended = max(waiting, 0), max(ended, 0) // tasks may have changed between the queries
	return o, nil
}

func scanSummary(rows *sql.Rows) (out Summary, err error) {
	var doc []byte
	if err := rows.Scan(&doc); err != nil {
		return out, err
	}
	return out, json.Unmarshal(doc, &out)
}

// Running returns the tasks that a supervisor works on, oldest first: those with a slot, and those whose agent or
// action has not ended yet. Its cost does not depend on how many tasks are queued.
func (s *Store) Running(ctx context.Context) ([]Summary, error) {
	rows, err := s.readers.QueryContext(ctx, slotsQuery)
	return collect(s, "read running tasks", rows, err, scanSummary)
}

// Slots returns how many slots are taken. A reviewer shares that of its author.
func (s *Store) Slots(ctx context.Context) (int, error) {
	all, err := s.Running(ctx)
	n := 0
	for _, t := range all {
		if t.Slot && t.Reviews == "" {
			n++
		}
	}
	return n, err
}

// endedBeforeQuery selects the tasks that ended before a time.
const endedBeforeQuery = "SELECT id FROM tasks WHERE finished_at > 0 AND finished_at < ? AND NOT removed ORDER BY num"

// EndedBefore returns the tasks that ended before a time and are not removed, oldest first.
func (s *Store) EndedBefore(ctx context.Context, before time.Time) ([]event.TaskID, error) {
	rows, err := s.readers.QueryContext(ctx, endedBeforeQuery, nanos(before))
	return collect(s, "list ended tasks", rows, err, func(rows *sql.Rows) (id event.TaskID, err error) {
		return id, rows.Scan(&id)
	})
}

func conditions(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(where, " AND ")
}

// Counts returns how many tasks there are in each state, without removed ones.
func (s *Store) Counts(ctx context.Context) (map[event.State]int, error) {
	type count struct {
		state event.State
		n     int
	}
	rows, err := s.readers.QueryContext(ctx, "SELECT state, n FROM counts")
	all, err := collect(s, "count tasks", rows, err, func(rows *sql.Rows) (c count, err error) {
		return c, rows.Scan(&c.state, &c.n)
	})
	out := make(map[event.State]int, len(all))
	for _, c := range all {
		out[c.state] = c.n
	}
	return out, err
}

// Live returns the tasks that need a supervisor, oldest first. A new supervisor adopts them. Tasks that only wait for
// a slot or for a deadline are left out.
func (s *Store) Live(ctx context.Context) ([]life.Task, error) {
	rows, err := s.readers.QueryContext(ctx, liveTasks)
	return collect(s, "read live tasks", rows, err, s.scanTask)
}

// followedQuery selects the tasks in review, and those that are parked for a reason.
const followedQuery = `SELECT doc FROM tasks WHERE finished_at = 0 AND NOT waits AND NOT removed
	AND (state = 'in_review' OR state = 'parked' AND json_extract(summary, '$.reason') = ?) ORDER BY num`

// Followed returns the tasks whose change on a forge may have to be looked at, see life.Followed, oldest first.
func (s *Store) Followed(ctx context.Context) ([]life.Task, error) {
	rows, err := s.readers.QueryContext(ctx, followedQuery, string(life.ReasonCI))
	return collect(s, "read tasks in review", rows, err, s.scanTask)
}

// Unfinished iterates over all tasks that have not ended, oldest first. It ends with an error if one can't be read.
func (s *Store) Unfinished(ctx context.Context) iter.Seq2[life.Task, error] {
	return func(yield func(life.Task, error) bool) {
		for last := 0; ; {
			rows, err := s.readers.QueryContext(ctx,
				"SELECT doc FROM tasks WHERE num > ? AND finished_at = 0 AND NOT removed ORDER BY num LIMIT ?", last, page)
			some, err := collect(s, "read tasks", rows, err, s.scanTask)
			if err != nil {
				yield(life.Task{}, err)
				return
			}
			for _, t := range some {
				if !yield(t, nil) {
					return
				}
				last = t.ID.Number()
			}
			if len(some) < page {
				return
			}
		}
	}
}

// Offset returns how far a file was read, in bytes; 0 if it never was.
func (s *Store) Offset(ctx context.Context, source string) (o int64, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT offset FROM offsets WHERE source = ?", source).Scan(&o)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return o, s.explain(err, "read offset")
}

// Task returns a task, which may be removed. The error is a fault.NotFound if it never existed.
func (s *Store) Task(ctx context.Context, id event.TaskID) (life.Task, error) {
	var doc string
	err := s.readers.QueryRowContext(ctx, "SELECT doc FROM tasks WHERE num = ?", id.Number()).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return life.Task{}, noTask(id)
	}
	if err != nil {
		return life.Task{}, s.explain(err, "read task")
	}
	return s.decodeTask(doc)
}

func noTask(id event.TaskID) error {
	return fault.New(fault.NotFound, "there is no task %s", id).WithHint("`muster ls --all` lists every task.")
}

// FindByName returns the tasks whose names begin with prefix, oldest first, without removed ones.
func (s *Store) FindByName(ctx context.Context, prefix string) ([]Named, error) {
	rows, err := s.readers.QueryContext(ctx,
		"SELECT id, name FROM tasks WHERE NOT removed AND name >= ? AND name < ? ORDER BY num", prefix, prefix+"\xff") // no text contains it
	return collect(s, "find tasks", rows, err, func(rows *sql.Rows) (n Named, err error) {
		return n, rows.Scan(&n.ID, &n.Name)
	})
}

// Prompt returns the prompt of a task. The error is a fault.NotFound if the task never existed.
func (s *Store) Prompt(ctx context.Context, id event.TaskID) (string, error) {
	for e, err := range s.Events(ctx, EventFilter{Task: id, Kinds: []event.Kind{event.DispatchRequested{}.Kind()}, Limit: 1}) {
		if err != nil {
			return "", err
		}
		if p, ok := e.Data.(event.DispatchRequested); ok {
			return p.Prompt, nil
		}
	}
	return "", noTask(id)
}

// MessageText returns the text of one message. The error is a fault.NotFound if it never existed.
func (s *Store) MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (text string, err error) {
	err = s.readers.QueryRowContext(ctx, "SELECT text FROM messages WHERE task = ? AND num = ? AND id = ?",
		string(id), messageNumber(m), string(m)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", noMessage(id, m)
	}
	return text, s.explain(err, "read message")
}

func noMessage(id event.TaskID, m event.MessageID) error {
	return fault.New(fault.NotFound, "%s has no message %s", id, m)
}

// Messages returns all messages of a task, oldest first.
func (s *Store) Messages(ctx context.Context, id event.TaskID) ([]MessageRow, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT id, state, why, gen, at, changed_at, evidence, text
		FROM messages WHERE task = ? ORDER BY num`, string(id))
	return collect(s, "read messages", rows, err, func(rows *sql.Rows) (m MessageRow, err error) {
		var at, changed int64
		err = rows.Scan(&m.ID, &m.State, &m.Why, &m.Gen, &at, &changed, &m.Evidence, &m.Text)
		m.At, m.ChangedAt = fromNanos(at), fromNanos(changed)
		return m, err
	})
}

// Attempts returns all generations of a task, oldest first.
func (s *Store) Attempts(ctx context.Context, id event.TaskID) ([]AttemptRow, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT gen, attempt, why, conversation, resume, started_at, launched_at,
		pid, session, exited_at, cause, exit, signal FROM attempts WHERE task = ? ORDER BY gen`, string(id))
	return collect(s, "read attempts", rows, err, func(rows *sql.Rows) (a AttemptRow, err error) {
		var started, launched, exited int64
		err = rows.Scan(&a.Gen, &a.Attempt, &a.Why, &a.Conversation, &a.Resume, &started, &launched,
			&a.PID, &a.Session, &exited, &a.Cause, &a.Exit, &a.Signal)
		a.StartedAt, a.LaunchedAt, a.ExitedAt = fromNanos(started), fromNanos(launched), fromNanos(exited)
		return a, err
	})
}

// Fleet returns the state of the fleet as a whole.
func (s *Store) Fleet(ctx context.Context) (FleetRow, error) {
	f, err := readFleet(ctx, s.readers)
	return f, s.explain(err, "read fleet")
}
