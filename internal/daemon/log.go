package daemon

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/store"
)

// log implements fleet.Log with the store.
type log struct {
	store  *store.Store
	writer *store.Writer
	wrote  func() // is called after each update
}

// Update implements fleet.Log.
func (l log) Update(ctx context.Context, durable bool, fn func(fleet.Tx) error) error {
	defer l.wrote()
	return l.writer.Update(ctx, durable, func(tx *store.Tx) error { return fn(logTx{tx}) })
}

// Live implements fleet.Log.
func (l log) Live(ctx context.Context) ([]life.Task, error) { return l.store.Live(ctx) }

// Task implements fleet.Log.
func (l log) Task(ctx context.Context, id event.TaskID) (life.Task, bool, error) {
	t, err := l.store.Task(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

// Queues implements fleet.Log.
func (l log) Queues(ctx context.Context) ([]life.Queue, error) { return l.store.Queues(ctx) }

// Queue implements fleet.Log.
func (l log) Queue(ctx context.Context, id event.QueueID) (life.Queue, error) {
	all, err := l.store.Queues(ctx)
	for _, q := range all {
		if q.ID == id {
			return q, err
		}
	}
	return life.Queue{ID: id}, err
}

// Prompt implements fleet.Log.
func (l log) Prompt(ctx context.Context, id event.TaskID) (string, error) {
	return l.store.Prompt(ctx, id)
}

// MessageText implements fleet.Log.
func (l log) MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error) {
	return l.store.MessageText(ctx, id, m)
}

// logTx adapts the store's transaction to fleet.Tx.
type logTx struct{ *store.Tx }

// Due implements fleet.Tx.
func (tx logTx) Due(now time.Time) []fleet.Due {
	rows := tx.Tx.Due(now)
	out := make([]fleet.Due, len(rows))
	for i, r := range rows {
		out[i] = fleet.Due{Subject: r.Subject, Name: r.Deadline.Name}
	}
	return out
}
