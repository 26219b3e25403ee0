package mail

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitAny blocks in kevent(2) until bell or stop can be read or the parent is dead. stop may be -1, parent 0.
func waitAny(bell, stop, parent int) (woken, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return 0, err
	}
	defer unix.Close(kq) //nolint:errcheck // only waited on
	unix.CloseOnExec(kq)
	changes := make([]unix.Kevent_t, 1, 2)
	unix.SetKevent(&changes[0], bell, unix.EVFILT_READ, unix.EV_ADD)
	if stop >= 0 {
		changes = append(changes, unix.Kevent_t{})
		unix.SetKevent(&changes[1], stop, unix.EVFILT_READ, unix.EV_ADD)
	}
	if _, err := unix.Kevent(kq, changes, nil, nil); err != nil {
		return 0, err
	}
	if parent > 0 {
		var exit unix.Kevent_t
		unix.SetKevent(&exit, parent, unix.EVFILT_PROC, unix.EV_ADD)
		exit.Fflags = unix.NOTE_EXIT
		if _, err := unix.Kevent(kq, []unix.Kevent_t{exit}, nil, nil); err != nil {
			if errors.Is(err, unix.ESRCH) || isGone(parent) {
				return wokenByParent, nil
			}
			return 0, err
		}
	}
	events := make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(kq, nil, events, nil)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && n == 0:
			continue
		case err != nil:
			return 0, err
		case events[0].Filter == unix.EVFILT_PROC:
			return wokenByParent, nil
		case int(events[0].Ident) == bell: //nolint:gosec // descriptors are small
			return wokenByBell, nil
		default:
			return wokenByStop, nil
		}
	}
}
