package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Death reports that a watched process has ended.
type Death struct {
	Process Process
	Token   any // the token of Watch
	At      time.Time
	// Known is true if Exit and Signal are known. It is false if the process had ended before it was watched, and on
	// systems that report the exit only to the parent.
	Known  bool
	Exit   int // exit status; -1 if ended by a signal
	Signal int // 0 if it exited
}

// deathsBuffer is the capacity of C. If it is full, Serve blocks; further deaths wait in the kernel and are not lost.
const deathsBuffer = 64

// Deaths watches processes and reports when they end. The goroutine that runs Serve watches all of them. All methods
// are safe for concurrent use; Watch may be called before Serve runs.
type Deaths struct {
	poll *poller
	c    chan Death

	mu      sync.Mutex
	watched map[Process]*watch
	byKey   map[uint64]*watch // by the key that the poller reports
	pending []Death           // found, not yet sent
	lastKey uint64
	done    chan struct{} // closed when the running Serve returns; nil while none runs
	closing chan struct{}
	closed  bool
}

// watch is one watched process.
type watch struct {
	process Process
	token   any
	key     uint64
	handle  int
}

// NewDeaths returns a watch without processes. It holds descriptors until Close.
func NewDeaths() (*Deaths, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("watch deaths: %w", err)
	}
	return &Deaths{
		poll: p, c: make(chan Death, deathsBuffer), closing: make(chan struct{}),
		watched: map[Process]*watch{}, byKey: map[uint64]*watch{},
	}, nil
}

// C returns the channel of deaths. Each death arrives once. The channel is never closed.
func (d *Deaths) C() <-chan Death { return d.c }

// Watch reports the end of a process on C, with the token; at once if it has ended already. A second call for the
// same process replaces the token.
func (d *Deaths) Watch(p Process, token any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("watch deaths: closed")
	}
	if w := d.watched[p]; w != nil {
		w.token = token
		return nil
	}
	d.lastKey++
	w := &watch{process: p, token: token, key: d.lastKey}
	switch handle, err := d.poll.add(p, w.key); {
	case errors.Is(err, ErrGone):
		d.pending = append(d.pending, Death{Process: p, Token: token, At: time.Now()})
		d.poll.wake()
		return nil
	case err != nil:
		return fmt.Errorf("watch %s: %w", p, err)
	default:
		w.handle = handle
	}
	d.watched[p], d.byKey[w.key] = w, w
	return nil
}

// Forget ends the watch of a process. A death that was already reported may still arrive.
func (d *Deaths) Forget(p Process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.watched[p]; w != nil && !d.closed {
		d.drop(w)
	}
	kept := d.pending[:0]
	for _, x := range d.pending {
		if x.Process != p {
			kept = append(kept, x)
		}
	}
	d.pending = kept
}

// Serve sends deaths to C until ctx ends or Close is called. It may run again after it returned; deaths in between
// are not lost. Only one call may run at a time.
func (d *Deaths) Serve(ctx context.Context) error {
	d.mu.Lock()
	if d.closed || d.done != nil {
		d.mu.Unlock()
		return errors.New("watch deaths: closed or served already")
	}
	done := make(chan struct{})
	d.done = done
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.done = nil
		d.mu.Unlock()
		close(done)
	}()
	defer context.AfterFunc(ctx, d.wake)()

	for {
		if err := d.send(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.closing:
			return nil
		default:
		}
		keys, err := d.poll.wait()
		if err != nil {
			return fmt.Errorf("watch deaths: %w", err)
		}
		d.collect(keys)
	}
}

// Close ends Serve, waits for it and releases the descriptors. It may be called several times.
func (d *Deaths) Close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	close(d.closing)
	d.poll.wake()
	done := d.done
	d.mu.Unlock()
	if done != nil {
		<-done
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.watched {
		d.drop(w)
	}
	d.poll.close()
}

// wake makes a waiting Serve check for deaths again.
func (d *Deaths) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.poll.wake()
	}
}

// collect turns the keys that the poller reported into deaths to send.
func (d *Deaths) collect(keys []uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range keys {
		w := d.byKey[key]
		if w == nil {
			continue // forgotten between the report and now
		}
		x := Death{Process: w.process, Token: w.token, At: time.Now()}
		x.Exit, x.Signal, x.Known = d.poll.exit(w.process, w.handle)
		d.drop(w)
		d.pending = append(d.pending, x)
	}
}

// send sends pending deaths. A death that was not sent when ctx ended is kept for the next Serve.
func (d *Deaths) send(ctx context.Context) error {
	for {
		d.mu.Lock()
		if len(d.pending) == 0 {
			d.mu.Unlock()
			return nil
		}
		x := d.pending[0]
		d.pending = d.pending[1:]
		d.mu.Unlock()
		select {
		case d.c <- x:
			continue
		case <-ctx.Done():
		case <-d.closing:
		}
		d.mu.Lock()
		d.pending = append([]Death{x}, d.pending...)
		d.mu.Unlock()
		return ctx.Err()
	}
}

// drop forgets a watch; the caller holds mu.
func (d *Deaths) drop(w *watch) {
	d.poll.remove(w.process, w.handle)
	delete(d.watched, w.process)
	delete(d.byKey, w.key)
}
