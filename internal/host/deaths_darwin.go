package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// poller waits for any number of processes: a kqueue, with a user event to wake it.
type poller struct {
	kq   int
	keys chan map[int]uint64 // pid to key; a channel with capacity 1 as its lock
}

// wakeIdent names the user event.
const wakeIdent = 0

func newPoller() (*poller, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	unix.CloseOnExec(kq)
	p := &poller{kq: kq, keys: make(chan map[int]uint64, 1)}
	p.keys <- map[int]uint64{}
	if err := p.change(wakeIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR, 0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) change(ident, filter, flags int, fflags uint32) error {
	var ev unix.Kevent_t
	unix.SetKevent(&ev, ident, filter, flags)
	ev.Fflags = fflags
	if _, err := unix.Kevent(p.kq, []unix.Kevent_t{ev}, nil, nil); err != nil {
		return fmt.Errorf("kqueue: %w", err)
	}
	return nil
}

// add watches a process; it returns ErrGone if the process has ended. The start time is compared after the watch is
// set, so that a later end is reported.
func (p *poller) add(proc Process, key uint64) (handle int, err error) {
	if proc.PID <= 0 {
		return 0, ErrGone
	}
	keys := <-p.keys
	keys[proc.PID] = key
	p.keys <- keys
	err = p.change(proc.PID, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT, unix.NOTE_EXIT)
	if errors.Is(err, unix.ESRCH) {
		err = ErrGone
	}
	if err == nil && !proc.Alive() {
		p.remove(proc, 0)
		return 0, ErrGone
	}
	return 0, err
}

func (p *poller) remove(proc Process, _ int) {
	keys := <-p.keys
	delete(keys, proc.PID)
	p.keys <- keys
	_ = p.change(proc.PID, unix.EVFILT_PROC, unix.EV_DELETE, 0) // the event itself has removed it already
}

// wait blocks until a process ended or wake was called, and returns the keys of the ended processes.
func (p *poller) wait() ([]uint64, error) {
	var events [128]unix.Kevent_t
	n, err := unix.Kevent(p.kq, nil, events[:], nil)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	known := <-p.keys
	defer func() { p.keys <- known }()
	var keys []uint64
	for _, e := range events[:n] {
		if key, ok := known[int(e.Ident)]; ok && e.Filter == unix.EVFILT_PROC { //nolint:gosec // a pid
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (p *poller) wake() { _ = p.change(wakeIdent, unix.EVFILT_USER, 0, unix.NOTE_TRIGGER) }

func (p *poller) close() { _ = unix.Close(p.kq) }

// exit returns nothing: the system reports an exit only to the parent.
func (p *poller) exit(Process, int) (exit, signal int, known bool) { return 0, 0, false }
