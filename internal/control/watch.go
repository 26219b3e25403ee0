package control

import (
	"context"
	"iter"
	"time"

	"github.com/fsnotify/fsnotify"

	"muster/internal/event"
	"muster/internal/store"
)

// tick is how often the lookout has the log read the log without a notification. The kernel normally notifies of a write to the
// write-ahead log, but may drop that (queue overflow, no watches left, a network file system). Two seconds are short
// enough for a person; a read costs one indexed query.
const tick = 2 * time.Second

// looks returns the pauses between reads after a notification. It arrives while the transaction is being written; a
// commit that waits for the disk is visible only to a later read.
func looks() []time.Duration {
	return []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond}
}

// Watch follows the log. It returns all events after the sequence number from, then new ones, of one task or ("") of
// all. It ends when ctx does, or with an error.
func (c *Control) Watch(ctx context.Context, from int64, task event.TaskID) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		db, err := c.open(ctx)
		if err != nil {
			yield(event.Event{}, err)
			return
		}
		defer c.lookout.join(db)()
		for {
			due := c.lookout.next()
			for e, err := range db.Events(ctx, store.EventFilter{After: from, Task: task}) {
				if ctx.Err() != nil {
					return
				}
				if !yield(e, err) || err != nil {
					return
				}
				from = e.Seq
			}
			select {
			case <-ctx.Done():
				return
			case <-due:
			}
		}
	}
}

// hinter reports when to read the log again.
type hinter struct {
	events <-chan fsnotify.Event
	errors <-chan error
	left   []time.Duration // pauses that remain of the last notification
}

// hints watches the write-ahead log. Our own open database keeps that file in place. The database file itself has
// locks, which closing a watch would drop on some systems. Without a watch, tick still applies.
func hints(db *store.Store) (h *hinter, stop func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return &hinter{}, func() {}
	}
	stop = func() { _ = w.Close() } // only ever read from
	if err := w.Add(db.Path() + "-wal"); err != nil {
		return &hinter{}, stop
	}
	return &hinter{events: w.Events, errors: w.Errors}, stop
}

// wait returns true when it is time to read, and false when ctx has ended.
func (h *hinter) wait(ctx context.Context) bool {
	pause := tick
	if len(h.left) > 0 {
		pause, h.left = h.left[0], h.left[1:]
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case _, ok := <-h.events:
			if !ok {
				h.events = nil
				continue
			}
			// Several hints in quick succession cause one read, and none of them delays a read that is due soon.
			if h.left = looks()[1:]; pause > looks()[0] {
				pause = looks()[0]
				timer.Reset(pause)
			}
		case _, ok := <-h.errors:
			if !ok {
				h.errors = nil
			}
		}
	}
}
