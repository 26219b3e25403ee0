package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"muster/internal/event"
	"muster/internal/life"
)

// projector writes the projections of events within a transaction: each event once, in order, and the resulting tasks
// at the end.
type projector struct {
	conn  *writeConn
	fleet *FleetRow // read and to be written; nil if unchanged
}

// project writes the part of an event that is not in its task's fold. storetest.Memory has the same rules as pure
// functions, and the tests compare the two.
func (p *projector) project(ctx context.Context, e event.Event) error {
	switch d := e.Data.(type) {
	case event.DispatchRequested:
		for _, id := range d.Spec.After {
			if err := p.conn.exec(ctx, "INSERT OR IGNORE INTO dependencies VALUES (?, ?)", e.Task.Number(), id.Number()); err != nil {
				return err
			}
		}
	case event.SendRequested:
		return p.addMessage(ctx, e, d.Message, event.WhyMessage, d.Text)
	case event.MessageQueued:
		return p.addMessage(ctx, e, d.Message, d.Why, d.Text)
	case event.MessageMoved:
		return p.conn.exec(ctx, "UPDATE messages SET state = ?, gen = ?, changed_at = ?, evidence = ? WHERE task = ? AND num = ?",
			string(d.To), e.Gen, nanos(e.Time), d.Evidence, string(e.Task), messageNumber(d.Message))
	case event.GenerationStarted:
		return p.conn.exec(ctx, `INSERT OR REPLACE INTO attempts (task, gen, attempt, why, conversation, resume, started_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			string(e.Task), e.Gen, d.Attempt, string(d.Why), d.Conversation, d.Resume, nanos(e.Time))
	case event.AgentLaunched:
		return p.conn.exec(ctx, "UPDATE attempts SET launched_at = ?, pid = ?, session = ? WHERE task = ? AND gen = ?",
			nanos(e.Time), d.Process.PID, d.Session, string(e.Task), e.Gen)
	case event.AgentExited:
		return p.conn.exec(ctx, "UPDATE attempts SET exited_at = ?, cause = ?, exit = ?, signal = ? WHERE task = ? AND gen = ?",
			nanos(e.Time), string(d.Cause), sql.NullInt64{Int64: int64(d.Exit), Valid: d.Known}, d.Signal, string(e.Task), e.Gen)
	case event.DownRequested, event.UpRequested, event.GateClosed, event.GateOpened,
		event.SupervisorStarted, event.SupervisorStopped, event.SupervisorUpgraded, event.UpgradeRolledBack, event.ServerChanged, event.HostSlept:
		return p.foldFleet(ctx, e)
	}
	return nil
}

func (p *projector) addMessage(ctx context.Context, e event.Event, id event.MessageID, why event.Why, text string) error {
	return p.conn.exec(ctx, `INSERT OR REPLACE INTO messages (task, num, id, why, at, state, gen, changed_at, evidence, text)
		VALUES (?, ?, ?, ?, ?, ?, 0, ?, '', ?)`,
		string(e.Task), messageNumber(id), string(id), string(why), nanos(e.Time), string(event.MessageWaiting), nanos(e.Time), text)
}

// messageNumber returns the number within a message's id.
func messageNumber(id event.MessageID) int {
	if len(id) == 0 || id[0] != 'm' {
		return 0
	}
	return event.TaskID("t" + id[1:]).Number()
}

func (p *projector) foldFleet(ctx context.Context, e event.Event) error {
	if p.fleet == nil {
		f, err := readFleet(ctx, p.conn)
		if err != nil {
			return err
		}
		p.fleet = &f
	}
	*p.fleet = p.fleet.Fold(e)
	return nil
}

// finish writes the tasks, the accounts, the merge queues and the fleet after all events.
func (p *projector) finish(ctx context.Context, tasks []life.Task, accounts []life.Account, queues []life.Queue) error {
	for _, t := range tasks {
		if err := p.writeTask(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range tasks { // after all of their rows are written
		var err error
		if t.AwaitsOthers() && t.State != event.Queued {
			err = p.conn.exec(ctx, settle+"num = ?", t.ID.Number())
		}
		if err == nil && t.State.Final() {
			err = p.conn.exec(ctx, settle+"num IN (SELECT num FROM dependencies WHERE on_num = ?)", t.ID.Number())
		}
		if err != nil {
			return err
		}
	}
	for _, a := range accounts {
		doc, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if err := p.conn.exec(ctx, "INSERT OR REPLACE INTO accounts VALUES (?, ?)", string(a.ID), string(doc)); err != nil {
			return err
		}
	}
	for _, q := range queues {
		doc, err := json.Marshal(q)
		if err != nil {
			return err
		}
		if err := p.conn.exec(ctx, "INSERT OR REPLACE INTO queues VALUES (?, ?)", string(q.ID), string(doc)); err != nil {
			return err
		}
	}
	if p.fleet == nil {
		return nil
	}
	doc, err := json.Marshal(p.fleet)
	if err != nil {
		return err
	}
	return p.conn.exec(ctx, "INSERT OR REPLACE INTO fleet VALUES (1, ?)", string(doc))
}

// settle recomputes whether the dependencies of tasks may be settled: one of them failed or is unknown, or all are
// done. A task in state queued was never judged, so it always may be.
const settle = `UPDATE tasks SET unsettled =
	EXISTS (SELECT 1 FROM dependencies d LEFT JOIN tasks x ON x.num = d.on_num
		WHERE d.num = tasks.num AND (x.num IS NULL OR x.state IN ('failed', 'cancelled')))
	OR NOT EXISTS (SELECT 1 FROM dependencies d JOIN tasks x ON x.num = d.on_num
		WHERE d.num = tasks.num AND x.state <> 'done')
	WHERE unsettled IS NOT NULL AND state <> 'queued' AND `

// countedAs returns the state under which a task is counted; "" if it is not counted, because it is removed or does
// not exist.
func countedAs(t *life.Task) event.State {
	if t == nil || t.Removed {
		return ""
	}
	return t.State
}

// count adds by to the numbers of tasks in each state.
func (p *projector) count(ctx context.Context, by map[event.State]int) error {
	for state, n := range by {
		if state == "" || n == 0 {
			continue
		}
		if err := p.conn.exec(ctx, "INSERT INTO counts VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET n = n + excluded.n", string(state), n); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := p.conn.exec(ctx, "DELETE FROM counts WHERE state = ? AND n = 0", string(state)); err != nil {
			return err
		}
	}
	return nil
}

// writeTask writes the row of a task.
func (p *projector) writeTask(ctx context.Context, t life.Task) error {
	doc, summary, err := encodeTask(t)
	if err != nil {
		return err
	}
	var rank, unsettled any
	if t.InLine() {
		rank = t.Rank()
	}
	if t.AwaitsOthers() {
		unsettled = t.State == event.Queued
	}
	return p.conn.exec(ctx, `INSERT INTO tasks
		(num, id, name, state, busy, waits, rank, unsettled, removed, finished_at, next_due, summary, doc)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (num) DO UPDATE SET name = excluded.name, state = excluded.state, busy = excluded.busy,
			waits = excluded.waits, rank = excluded.rank, unsettled = excluded.unsettled, removed = excluded.removed,
			finished_at = excluded.finished_at, next_due = excluded.next_due, summary = excluded.summary, doc = excluded.doc`,
		t.ID.Number(), string(t.ID), t.Spec.Name, string(t.State), IsLive(t), t.Waits(), rank, unsettled,
		t.Removed, nanos(t.FinishedAt), nanos(DueAt(t)), summary, doc)
}

// queryer reads: a pool, or the connection of a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readFleet(ctx context.Context, q queryer) (f FleetRow, err error) {
	var doc string
	err = q.QueryRowContext(ctx, "SELECT doc FROM fleet").Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal([]byte(doc), &f)
}
