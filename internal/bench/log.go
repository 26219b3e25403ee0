package main

import (
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"

	"muster/internal/event"
	"muster/internal/store"
)

// patience is how long to wait for anything.
const patience = 3 * time.Minute

// walWatch waits until a database may have grown: until it is written, or for a moment, because the kernel reports a
// write before the commit can be read.
type walWatch struct{ fs *fsnotify.Watcher }

func watchWAL(db string) (walWatch, error) {
	fs, err := fsnotify.NewBufferedWatcher(1024)
	if err != nil {
		return walWatch{}, err
	}
	return walWatch{fs}, fs.Add(db + "-wal")
}

func (w walWatch) wait() {
	moment := time.NewTimer(500 * time.Microsecond)
	defer moment.Stop()
	select {
	case <-w.fs.Events:
	case <-moment.C:
	}
}

// eventLog follows the log of a fleet from another process.
type eventLog struct {
	store *store.Store
	wal   walWatch
	seq   int64
	queue []event.Event
}

// log returns a log that starts at the first event. skip moves it to the last.
func (w *world) log(ctx context.Context) (*eventLog, error) {
	s, err := store.Open(ctx, w.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if _, err := s.LastSeq(ctx); err != nil { // creates the file, so that it can be watched
		return nil, errors.Join(err, s.Close())
	}
	wal, err := watchWAL(w.home.DB())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &eventLog{store: s, wal: wal}, nil
}

func (l *eventLog) close() {
	_ = l.wal.fs.Close()
	_ = l.store.Close()
}

// skip skips all present events.
func (l *eventLog) skip(ctx context.Context) error {
	var err error
	l.seq, err = l.store.LastSeq(ctx)
	l.queue = nil
	return err
}

// next returns the next event.
func (l *eventLog) next(ctx context.Context) (event.Event, error) {
	end := time.Now().Add(patience)
	for len(l.queue) == 0 {
		for e, err := range l.store.Events(ctx, store.EventFilter{After: l.seq}) {
			if err != nil {
				return event.Event{}, err
			}
			l.seq = e.Seq
			l.queue = append(l.queue, e)
		}
		if len(l.queue) > 0 {
			break
		}
		if time.Now().After(end) {
			return event.Event{}, errors.New("nothing happened any more")
		}
		if ctx.Err() != nil {
			return event.Event{}, ctx.Err()
		}
		l.wal.wait()
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

// await returns the first event for which wanted is true.
func (l *eventLog) await(ctx context.Context, wanted func(event.Event) bool) (event.Event, error) {
	for {
		e, err := l.next(ctx)
		if err != nil || wanted(e) {
			return e, err
		}
	}
}
