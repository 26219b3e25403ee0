package control

import (
	"context"
	"sync"

	"muster/internal/store"
)

// lookout notices changes of the log for all readers of a Control with one watch, because a user may have few of them. It
// runs while there are readers.
type lookout struct {
	mu      sync.Mutex
	readers int
	due     chan struct{} // closed when it is time to read
	stop    context.CancelFunc
	stopped chan struct{}
}

// join adds a reader. The reader must call leave when it ends.
func (l *lookout) join(db *store.Store) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers++; l.readers == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		l.due, l.stop, l.stopped = make(chan struct{}), cancel, make(chan struct{})
		go l.serve(ctx, db, l.stopped)
	}
	return sync.OnceFunc(l.leave)
}

// leave removes a reader. With the last one the watch ends.
func (l *lookout) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers--; l.readers > 0 {
		return
	}
	l.stop()
	stopped := l.stopped
	l.mu.Unlock() // serve needs it
	<-stopped
	l.mu.Lock()
}

// next returns a channel that is closed when it is time to read again. A reader takes it before it reads, so that it misses
// nothing.
func (l *lookout) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.due
}

func (l *lookout) serve(ctx context.Context, db *store.Store, stopped chan<- struct{}) {
	defer close(stopped)
	hints, end := hints(db)
	defer end()
	for hints.wait(ctx) {
		l.mu.Lock()
		if ctx.Err() == nil { // otherwise the channel may be that of a later watch
			close(l.due)
			l.due = make(chan struct{})
		}
		l.mu.Unlock()
	}
}
