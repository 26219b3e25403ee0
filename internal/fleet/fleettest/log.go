package fleettest

import (
	"context"
	"errors"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/store"
)

var errFull = errors.New("no space left on device")

// memoryLog is the store as one supervisor sees it. A dead supervisor can't write.
type memoryLog struct {
	*edges
	writer *store.Writer
}

// Update implements fleet.Log. The supervisor may die before the commit or right after it.
func (l memoryLog) Update(ctx context.Context, durable bool, fn func(fleet.Tx) error) error {
	w := l.w
	w.mu.Lock()
	dead, full := l.dead(), w.full
	w.mu.Unlock()
	if dead {
		return ErrDead
	}
	wrote := false
	err := l.writer.Update(ctx, durable, func(tx *store.Tx) error {
		t := &memoryTx{Tx: tx}
		err := fn(t)
		wrote = t.appended || len(tx.Foreign()) > 0 || tx.Births()
		switch {
		case err != nil:
		case full && wrote:
			err = errFull
		case t.appended && w.Luck.Fault("the supervisor dies before a commit", "", 1):
			l.die()
			err = ErrDead
		}
		return err
	})
	l.turned()
	if err != nil {
		return err
	}
	if err := w.judgeLog(ctx); err != nil {
		return err
	}
	if wrote && w.Luck.Fault("the supervisor dies after a commit", "", 1) {
		l.die()
	}
	return nil
}

// mostTurns is how many transactions a supervisor may make at one instant of virtual time.
const mostTurns = 1000

// turned detects a supervisor that loops without waiting, so that virtual time would never advance.
func (l memoryLog) turned() {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); !now.Equal(w.turnedAt) {
		w.turnedAt, w.turns = now, 0
	}
	if w.turns++; w.turns == mostTurns {
		w.breach("the supervisor goes round and round")
		l.dieLocked()
	}
}

// Live implements fleet.Log.
func (l memoryLog) Live(ctx context.Context) ([]life.Task, error) { return l.w.Log.Live(ctx) }

// Task implements fleet.Log.
func (l memoryLog) Task(ctx context.Context, id event.TaskID) (life.Task, bool, error) {
	t, err := l.w.Log.Task(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

// Queues implements fleet.Log.
func (l memoryLog) Queues(ctx context.Context) ([]life.Queue, error) { return l.w.Log.Queues(ctx) }

// Queue implements fleet.Log.
func (l memoryLog) Queue(ctx context.Context, id event.QueueID) (life.Queue, error) {
	all, err := l.w.Log.Queues(ctx)
	for _, q := range all {
		if q.ID == id {
			return q, err
		}
	}
	return life.Queue{ID: id}, err
}

// Prompt implements fleet.Log.
func (l memoryLog) Prompt(ctx context.Context, id event.TaskID) (string, error) {
	return l.w.Log.Prompt(ctx, id)
}

// MessageText implements fleet.Log.
func (l memoryLog) MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error) {
	return l.w.Log.MessageText(ctx, id, m)
}

// judgeLog checks the events since the last call.
func (w *World) judgeLog(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var events []event.Event
	for e, err := range w.Log.Events(ctx, store.EventFilter{After: w.judge.seq}) {
		if err != nil {
			return err
		}
		events = append(events, e)
		w.judge.seq = e.Seq
	}
	w.judgeCommit(events)
	return nil
}

type memoryTx struct {
	*store.Tx
	appended bool
}

// AppendTo implements fleet.Tx.
func (tx *memoryTx) AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error) {
	e, err := tx.Tx.AppendTo(of, gen, p)
	if err == nil {
		tx.appended = true
	}
	return e, err
}

// Due implements fleet.Tx.
func (tx *memoryTx) Due(now time.Time) []fleet.Due {
	var out []fleet.Due
	for _, r := range tx.Tx.Due(now) {
		out = append(out, fleet.Due{Subject: r.Subject, Name: r.Deadline.Name})
	}
	return out
}
