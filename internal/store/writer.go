package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Writer is the supervisor's access to the log. It keeps the folded live tasks in memory, so that the cost of a
// transaction depends on its changes and not on the size of the log. There is one supervisor, and so one Writer.
// Goroutines may share it; their updates are serialised. If there are two for a moment, each sees the other's events
// as foreign.
type Writer struct {
	begin Begin
	now   func() time.Time

	mu     sync.Mutex
	cursor int64 // the newest event that this writer has seen
	known  bool  // cursor is valid
	live   *liveSet
	// accounts has all accounts; nil if they must be read again.
	accounts map[event.AccountID]life.Account
	queues   map[event.QueueID]life.Queue // the same for the merge queues
}

// NewWriter returns a Writer for any log. Store.NewWriter is the one for a file.
func NewWriter(begin Begin, now func() time.Time) *Writer { return &Writer{begin: begin, now: now} }

// Update runs fn in a transaction. Events of other processes are folded before, and tx.Foreign returns them. A
// durable commit survives a power failure; it is for actions with effects outside this machine. A commit that is not
// durable survives the death of any process. If fn appends nothing, nothing is written. After an error nothing was
// written, foreign events come again, and the memory is loaded again.
func (w *Writer) Update(ctx context.Context, durable bool, fn func(*Tx) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b, err := w.begin(ctx, durable)
	if err != nil {
		return err
	}
	tx := newTx(b, w.now())
	done := false
	defer func() {
		if !done { // on an error, and if fn panics
			w.live, w.accounts, w.queues = nil, nil, nil
		}
	}()
	tried, err := runTx(tx, func(tx *Tx) error {
		if err := w.catchUp(tx); err != nil {
			return err
		}
		return fn(tx)
	}, true)
	if err != nil {
		if tried { // only the log shows whether it happened
			w.known = false
		}
		return err
	}
	done = true
	w.keep(tx)
	return nil
}

// catchUp brings the memory up to date with the log.
func (w *Writer) catchUp(tx *Tx) error {
	if !w.known {
		w.cursor, w.known = tx.head.Cursor, true
	}
	if tx.head.Seq > w.cursor {
		foreign, births, err := tx.batch.After(w.cursor)
		if err != nil {
			return err
		}
		tx.foreign, tx.births = foreign, births
	}
	if w.live == nil {
		all, err := tx.batch.Live()
		if err != nil {
			return err
		}
		w.live = newLiveSet(all) // it already includes the foreign events
	} else if err := w.reload(tx); err != nil {
		return err
	}
	tx.base = w.live
	if !slices.ContainsFunc(tx.foreign, func(e event.Event) bool { return e.Account != "" }) {
		tx.accounts.all = w.accounts
	}
	tx.queues.all = w.queues // only the supervisor writes their events
	return nil
}

// reload reads the tasks again that have events of other processes. A task that was just dispatched waits and is not
// live.
func (w *Writer) reload(tx *Tx) error {
	ids := map[event.TaskID]bool{}
	for _, e := range tx.foreign {
		if e.Task != "" {
			ids[e.Task] = true
		}
	}
	for id := range ids {
		t, ok, err := tx.batch.Task(id)
		if err != nil {
			return err
		}
		if ok {
			w.live.put(t)
		} else {
			w.live.drop(id)
		}
	}
	return nil
}

// keep stores what a committed transaction has folded.
func (w *Writer) keep(tx *Tx) {
	w.cursor, w.accounts, w.queues = tx.head.Seq, tx.accounts.all, tx.queues.all
	for id := range tx.changed {
		w.live.put(*tx.touched[id])
	}
}
